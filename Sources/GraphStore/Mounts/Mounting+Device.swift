// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

extension Mounting {
    /// Attaches the block device of an active layer or a view, and counts, as ``mount(_:at:)`` does;
    /// unmounting detaches it.
    func mountDevice(_ reference: String) throws(DriverError) -> MountedLayer {
        try withMountable(reference) { (table, record, parents) throws(DriverError) in
            let layer = record.layer
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, try registry.currentNamespace(), isMounting: true, lost: &lost)
            if var given = live.first(where: \.isDevice) {
                given.count += 1
                try table.put(given)
                return MountedLayer(
                    layer: layer, path: try registry.place(of: given), count: given.count)
            }
            if let mount = live.first {
                throw DriverError(
                    .layerInUse,
                    "layer \(layer.id) is mounted at \(mount.target) and cannot be attached as a "
                        + "device")
            }
            let isWritable = layer.kind == .active
            guard let number = LayerStack(of: record, parents)?.number else {
                throw DriverError(
                    .wrongKind, "view \(layer.id) shows nothing, of which there is no device")
            }
            let devices = try driver.withDevices()
            if isWritable { try driver.reopen(number) }
            var given = MountRecord.device(for: record.number)
            try table.put(given)
            do throws(DriverError) {
                let path = try devices.attachDevice(
                    of: number, for: record.number, writable: isWritable)
                given.mountID = 0
                try table.put(given)
                return MountedLayer(layer: layer, path: path, count: 1)
            } catch {
                try? devices.detachDevice(for: record.number)
                try? table.forget(given)
                throw error
            }
        }
    }

    /// Counts down the device at a path; nil when it is none of this store's.
    func unmountDevice(
        at path: FilePath, _ table: MountTable
    ) throws(DriverError) -> MountedLayer? {
        for given in try table.devices() where try registry.device(for: given.layer) == path {
            if let record = try catalog.record(of: given.layer) {
                return try unmount(layer: record.layer.id)
            }
        }
        return nil
    }

    /// Refuses to mount what may be mounted elsewhere.
    func refuseDevice(_ layer: Layer, _ live: [MountRecord]) throws(DriverError) {
        guard let given = live.first(where: \.isDevice) else { return }
        throw DriverError(
            .layerInUse,
            "layer \(layer.id) is attached as device \(try registry.place(of: given)) and cannot be mounted"
        )
    }
}
