// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphCore
import GraphSystem
import SystemPackage

extension Mounting {
    /// How long a busy mount is tried again, and how often: a process that is just ending needs a
    /// moment, and one that stays needs an answer.
    private static let busyTries = 25
    private static let busyWaitMicroseconds: UInt32 = 20_000

    /// Takes back one mounting of a layer, or of its device: at the place that the store made, or else at the one
    /// that is left.
    @discardableResult
    func unmount(layer reference: String) throws(DriverError) -> MountedLayer {
        let record = try catalog.record(reference)
        let isNone = DriverError(.invalidArgument, "layer \(record.layer.id) is not mounted")
        guard let table = try registry.tableIfAny() else { throw isNone }
        return try locks.with(record.number) { () throws(DriverError) in
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, try registry.currentNamespace(), isMounting: false, lost: &lost)
            guard let mount = live.first(where: \.ownsTarget) ?? live.last else { throw isNone }
            return try release(mount, record.layer, table)
        }
    }

    /// Takes back one mounting at a place, or of a device.
    @discardableResult
    func unmount(target: FilePath) throws(DriverError) -> MountedLayer {
        let table = try registry.tableIfAny()
        let namespace = try registry.currentNamespace()
        if let table, let device = try unmountDevice(at: target, table) { return device }
        let place = try MountPoints.canonical(target)
        let isNone = DriverError(
            .invalidArgument, "no layer of this store is mounted at \(place)")
        guard let table, let found = try table.record(at: place, in: namespace) else {
            throw isNone
        }
        guard let record = try catalog.record(of: found.layer) else { throw isNone }
        return try locks.with(found.layer) { () throws(DriverError) in
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, namespace, isMounting: false, lost: &lost)
            guard let mount = live.first(where: { $0.target == place }) else { throw isNone }
            return try release(mount, record.layer, table)
        }
    }

    /// Counts down, and unmounts at zero.
    private func release(
        _ record: MountRecord, _ layer: Layer, _ table: MountTable
    ) throws(DriverError) -> MountedLayer {
        var mount = record
        mount.count -= 1
        if mount.count > 0 {
            try table.put(mount)
        } else if mount.isDevice {
            let path = try registry.place(of: mount)
            try driver.withDevices().detachDevice(for: mount.layer)
            try table.forget(mount)
            return MountedLayer(layer: layer, path: path, count: 0)
        } else {
            if try registry.mountID(at: mount.target) != mount.mountID {
                throw DriverError(
                    .layerInUse,
                    "something else is mounted over layer \(layer.id) at \(mount.target)")
            }
            for _ in 0..<mount.stacked { try detach(mount, layer) }
            try table.forget(mount)
            registry.removeMountPoint(mount)
        }
        return MountedLayer(layer: layer, path: try registry.place(of: mount), count: mount.count)
    }

    private func detach(_ mount: MountRecord, _ layer: Layer) throws(DriverError) {
        var tries = 0
        while true {
            do throws(SyscallError) {
                try MountPoint(mount.target).unmount()
                return
            } catch  where error.errno == .resourceBusy {
                tries += 1
                if tries < Self.busyTries {
                    usleep(Self.busyWaitMicroseconds)
                    continue
                }
                let inner = MountPoint.all(below: mount.target)
                if !inner.isEmpty {
                    throw DriverError(
                        .layerInUse,
                        "layer \(layer.id) is in use at \(mount.target) by what is mounted at "
                            + listed(inner.map(\.description)), cause: error)
                }
                let holders = MountPoint.processes(using: mount.target)
                let who =
                    holders.isEmpty ? "a process" : "process " + listed(holders.map { "\($0)" })
                throw DriverError(
                    .layerInUse, "layer \(layer.id) is in use at \(mount.target) by \(who)",
                    cause: error)
            } catch {
                throw DriverError("unmount layer \(layer.id) from \(mount.target)", error)
            }
        }
    }
}
