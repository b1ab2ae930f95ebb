// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

extension Mounting {
    /// What an active layer or a view is mounted by, for those who mount themselves.
    ///
    /// Nothing is counted: that such a layer is in use is found out by the kernel's own objects.
    func arguments(of reference: String) throws(DriverError) -> [MountArguments] {
        try withMountable(reference) { (_, record, parents) throws(DriverError) in
            let action = "describe the mounts of layer \(record.layer.id)"
            let mounts = try mountsToDescribe(record, parents)
            do throws(SyscallError) {
                var all: [MountArguments] = []
                for mount in mounts { all.append(try mount.arguments()) }
                return all
            } catch  where error.errno == .notSupported {
                throw DriverError(.unsupported, "could not \(action)", cause: error)
            } catch {
                throw DriverError(action, error)
            }
        }
    }

    private func mountsToDescribe(
        _ record: LayerRecord, _ parents: [LayerNumber]
    ) throws(DriverError) -> [Mount] {
        let isWritable = record.layer.kind == .active
        var lost: [MountRecord] = []
        let live = try liveMounts(
            of: record, try registry.currentNamespace(), isMounting: true, lost: &lost)
        // A writable overlay must not be mounted twice: what shows it already is shown again.
        for mount in live where try registry.mountID(at: mount.target) == mount.mountID {
            return [Mount(.bind(mount.target), attributes: isWritable ? [] : .readOnly)]
        }
        guard let content = LayerStack(of: record, parents) else {
            return [Mount(.empty, attributes: .readOnly)]
        }
        if isWritable { try driver.reopen(content.number) }
        return try driver.mounts(
            for: content.number, parents: content.parents, writable: isWritable)
    }
}
