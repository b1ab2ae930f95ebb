// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Mounts layers, and counts.
struct Mounting: Sendable {
    let registry: MountRegistry
    let use: LayerUseGuard
    let catalog: Catalog
    let driver: any Driver
    /// Whether layers lie on a filesystem that the store brought along.
    let isOnLoopImage: Bool
    let recovery: Recovery
    let locks: LayerLocks
    let access: WriteAccess
    let space: FreeSpaceGuard

    /// Shows an active layer or a view as a directory, and counts.
    func mount(
        _ reference: String, at target: FilePath?
    ) throws(DriverError) -> MountedLayer {
        try withMountable(reference) { (table, record, parents) throws(DriverError) in
            let namespace = try registry.currentNamespace()
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, namespace, isMounting: true, lost: &lost)
            try refuseDevice(record.layer, live)
            let place = try registry.target(target, for: record.number)
            do throws(DriverError) {
                if var mount = live.first(where: { $0.target == place }) {
                    try refuseReadOnly(record.layer, mount)
                    mount.count += 1
                    try table.put(mount)
                    return MountedLayer(layer: record.layer, path: place, count: mount.count)
                }
                let previousID = try registry.mountID(at: place)
                // Where nothing is mounted, no layer is.
                if previousID != nil { try refuseUsed(place, table, namespace) }
                let mounts = try mountsToAttach(record, parents, live, hasLostMount: !lost.isEmpty)
                try registry.forget(lost.filter { $0.target != place })
                try attach(
                    mounts, table,
                    MountRecord(
                        layer: record.number, target: place, namespace: namespace, count: 1,
                        mountID: nil, previousID: previousID, stacked: mounts.count,
                        ownsTarget: target == nil))
            } catch {
                // It stays where something is mounted.
                if target == nil { registry.removeMountPoint(of: record.number) }
                throw error
            }
            return MountedLayer(layer: record.layer, path: place, count: 1)
        }
    }

    /// The mounts of a layer that the kernel still has, in this namespace.
    ///
    /// Those that were unmounted by hand are added to `lost`, for who makes sure that they are not in use to
    /// forget; of a layer that is only read they are forgotten here.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` when a layer that is to be mounted
    ///   writable is mounted in another namespace, be there a process in it or not.
    func liveMounts(
        of record: LayerRecord, _ namespace: UInt64, isMounting: Bool, lost: inout [MountRecord]
    ) throws(DriverError) -> [MountRecord] {
        var live: [MountRecord] = []
        let isWritable = record.layer.kind == .active
        for (mount, state) in try registry.reconcile(record.number, namespace) {
            switch state {
            case .live: live.append(mount)
            case .elsewhere(let keeper):
                if isWritable && isMounting {
                    throw LayerUseGuard.inOtherNamespace(record.layer, keeper)
                }
            case .lost:
                if isWritable { lost.append(mount) } else { try registry.forget([mount]) }
            }
        }
        return live
    }

    /// Refuses to count a mount of an active layer whose filesystem has become read-only.
    private func refuseReadOnly(_ layer: Layer, _ mount: MountRecord) throws(DriverError) {
        guard layer.kind == .active, try registry.mountID(at: mount.target) == mount.mountID,
            try attempting("look at \(mount.target)", try MountPoint(mount.target).isReadOnly())
        else { return }
        throw DriverError(
            .storeReadOnly,
            "layer \(layer.id) is mounted at \(mount.target), and has become read-only there")
    }

    /// Lends a layer that can be mounted, with its lock held and what dead processes left of it cleared.
    func withMountable<Value>(
        _ reference: String,
        _ body: (MountTable, LayerRecord, [LayerNumber]) throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        let table = try registry.table()
        let found = try catalog.record(reference)
        try refuseCommitted(found.layer)
        return try locks.with(found.number) { () throws(DriverError) in
            try recovery.endIfAbandoned(found)
            let (record, parents) = try catalog.recordWithParents(found.layer.id)
            try refuseCommitted(record.layer)
            if record.layer.kind == .active {
                try access.refuseLoss("mount layer \(record.layer.id)")
            }
            if access.isReadOnly && record.layer.kind == .active {
                throw DriverError(
                    .storeReadOnly,
                    "layer \(record.layer.id) cannot be mounted writable: the store is read-only")
            }
            return try body(table, record, parents)
        }
    }

    /// What has to be attached: the driver's mounts, or a bind of what is mounted already.
    private func mountsToAttach(
        _ record: LayerRecord, _ parents: [LayerNumber], _ live: [MountRecord],
        hasLostMount: Bool
    ) throws(DriverError) -> [Mount] {
        let isWritable = record.layer.kind == .active
        // One that something else was mounted over would show that instead.
        for mount in live where try registry.mountID(at: mount.target) == mount.mountID {
            return [Mount(.bind(mount.target), attributes: isWritable ? [] : .readOnly)]
        }
        if let hidden = live.first, isWritable {
            throw DriverError(
                .layerInUse,
                "layer \(record.layer.id) is mounted at \(hidden.target), with something else over it"
            )
        }
        guard let content = LayerStack(of: record, parents) else {
            return [Mount(.empty, attributes: .readOnly)]
        }
        if isWritable {
            try use.refuseUnrecorded(record, before: .mounting, hasLostMount: hasLostMount)
            try driver.reopen(content.number)
        }
        let mounts = try driver.mounts(
            for: content.number, parents: content.parents, writable: isWritable)
        if mounts.isEmpty {
            throw DriverError(.system, "driver \(driver.name) gave nothing to mount")
        }
        return isOnLoopImage ? mounts.map(Self.asLayer) : mounts
    }

    /// What a layer shows works as in the system that it is of: a loop image forbids what is for layers
    /// alone, and a bind mount takes that over.
    private static func asLayer(_ mount: Mount) -> Mount {
        guard case .bind = mount.source else { return mount }
        return Mount(
            mount.source, attributes: mount.attributes, allowing: LoopImageLayout.forbidden)
    }

    /// Mounts, with a record before.
    ///
    /// One is enough for a mount whose id the kernel tells before it has its place: should this process die in
    /// between, the kernel has no such mount.
    private func attach(
        _ mounts: [Mount], _ table: MountTable, _ intent: MountRecord
    ) throws(DriverError) {
        let action = "mount layer number \(intent.layer) at \(intent.target)"
        if mounts.count == 1 {
            let prepared: PreparedMount?
            do throws(SyscallError) {
                prepared = try mounts[0].prepare()
            } catch {
                throw space.naming(DriverError(action, error))
            }
            if let prepared {
                var record = intent
                record.mountID = try attempting(action, try prepared.id())
                try table.put(record)
                do throws(SyscallError) {
                    return try prepared.attach(at: record.target)
                } catch {
                    try? table.forget(record)
                    throw space.naming(DriverError(action, error))
                }
            }
        }
        try attachInPlace(mounts, table, intent, action)
    }

    /// Mounts, with a record before and after: whoever finds the first alone knows that its maker
    /// died, because it holds the layer's lock.
    private func attachInPlace(
        _ mounts: [Mount], _ table: MountTable, _ intent: MountRecord, _ action: String
    ) throws(DriverError) {
        var record = intent
        try table.put(record)
        var attached = 0
        do throws(DriverError) {
            for mount in mounts {
                do throws(SyscallError) {
                    try mount.attach(at: record.target)
                } catch {
                    throw space.naming(DriverError(action, error))
                }
                attached += 1
            }
            record.mountID = try registry.mountID(at: record.target)
            try table.put(record)
        } catch {
            for _ in 0..<attached { try? MountPoint(record.target).unmount(detaching: true) }
            try? table.forget(record)
            throw error
        }
    }

    private func refuseCommitted(_ layer: Layer) throws(DriverError) {
        if layer.kind != .committed { return }
        throw DriverError(
            .wrongKind, "layer \(layer.id) is committed; make a view of it to mount it")
    }

    /// Refuses a place where another layer is mounted.
    private func refuseUsed(
        _ place: FilePath, _ table: MountTable, _ namespace: UInt64
    ) throws(DriverError) {
        guard let other = try table.record(at: place, in: namespace),
            try registry.state(of: other, namespace).isMounted
        else { return }
        throw DriverError(
            .layerInUse, "layer number \(other.layer) is mounted at \(place) already")
    }
}
