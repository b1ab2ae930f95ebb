// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphCore
import GraphSystem
import SystemPackage

extension LayerStore {
    /// How often somebody who uses a layer is waited for, and how long: a mount whose last user has just
    /// ended needs a moment.
    private static let useTries = 10
    private static let useWaitMicroseconds: UInt32 = 20_000

    /// Refuses to go on with a layer that somebody uses of whom the records of mounts do not tell; the
    /// caller holds its lock.
    func refuseUnrecordedUse(
        of record: LayerRecord, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) {
        let layer = record.layer
        // A view has no bytes of its own.
        if layer.kind == .view { return }
        var tries = 0
        while let use = try driver.unrecordedUse(
            of: layer.number, before: step, hasLostMount: hasLostMount)
        {
            // Its views may be mounted; their names are told by who goes on.
            if layer.kind == .committed, try hasChildren(record) { return }
            tries += 1
            if tries < Self.useTries {
                usleep(Self.useWaitMicroseconds)
                continue
            }
            throw DriverError(
                .layerInUse,
                "layer \(layer.id) is in use \(use.holder), and cannot be \(step.done)")
        }
    }

    private func hasChildren(_ record: LayerRecord) throws(DriverError) -> Bool {
        try database.consistent("list the children of layer \(record.layer.id)") {
            try !LayerQueries($0).children(of: record.number, limit: 1).isEmpty
        }
    }

    /// Who keeps a mount of another mount namespace; nil when the kernel has it no more.
    ///
    /// Kernels before Linux 6.12 tell of namespaces only by their processes and by what they are mounted
    /// at: there a namespace counts as gone that only an open file keeps.
    func keeper(of mount: MountRecord) throws(DriverError) -> String? {
        let isKept: Bool
        do throws(SyscallError) {
            let survey = try MountSurvey(.target(mount.target))
            if !survey.isWhole {
                let processes = try MountPoint.processes(inNamespace: mount.namespace)
                let pin = try MountPoint.pin(ofNamespace: mount.namespace)
                isKept = !processes.isEmpty || pin != nil
            } else if let id = mount.mountID {
                isKept = survey.namespaces.contains(mount.namespace) && survey.ids.contains(id)
            } else {
                // Its maker died; nobody knows whether that was before it mounted.
                isKept = survey.found.contains { $0.namespace == mount.namespace }
            }
        } catch {
            throw DriverError("look for a mount namespace", error)
        }
        return isKept ? "at \(mount.target)" + LayerUse.namespace(mount.namespace) : nil
    }

    /// What is mounted below a place, innermost last.
    static func mounts(below target: FilePath) -> [RawPath] {
        let below = RawPath(target).appending("")
        return ((try? MountPoint.all()) ?? []).filter { $0.hasPrefix(below) }
    }
}

extension LayerStep {
    /// The step as what a layer cannot be.
    var done: String {
        switch self {
        case .mounting: "mounted"
        case .committing: "committed"
        case .removing: "removed"
        }
    }
}
