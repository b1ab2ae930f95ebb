// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

extension LayerStore {
    /// Shows an active layer or a view as a directory, and counts.
    ///
    /// A layer that is mounted already is counted where the target is the same, and shown by a bind
    /// mount of the first where it is another: the writable layer of an overlay is never mounted
    /// twice.
    ///
    /// An active layer can be written to where it is mounted, or is not mounted: a filesystem that
    /// comes back read-only, as overlayfs does on a full disk, is refused.
    ///
    /// - Parameters:
    ///   - reference: An active layer or a view.
    ///   - target: An existing directory; nil for one below RUN-ROOT that the store makes.
    /// - Returns: The place, and how often the layer was mounted there.
    /// - Throws: ``GraphCore/DriverError/Code/wrongKind`` for a committed layer,
    ///   ``GraphCore/DriverError/Code/layerInUse`` when an active layer is mounted in another mount
    ///   namespace, or by way of another run root, or in use by who unmounted it lazily,
    ///   ``GraphCore/DriverError/Code/noSpace`` when ROOT or RUN-ROOT has no room for what mounting
    ///   needs, ``GraphCore/DriverError/Code/storeReadOnly`` when an active layer could not be written
    ///   to.
    public func mount(
        _ reference: String, at target: FilePath? = nil
    ) throws(DriverError) -> MountedLayer {
        try withMountable(reference) { (table, record, parents) throws(DriverError) in
            let namespace = try currentNamespace()
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, table, namespace, isMounting: true, lost: &lost)
            try refuseGivenOut(record.layer, live)
            let place = try resolve(target, for: record.number)
            do throws(DriverError) {
                if var mount = live.first(where: { $0.target == place }) {
                    try refuseReadOnly(record.layer, mount)
                    mount.count += 1
                    try table.put(mount)
                    return MountedLayer(layer: record.layer, path: place, count: mount.count)
                }
                let previousID = try mountID(at: place)
                // Where nothing is mounted, no layer is.
                if previousID != nil { try refuseUsed(place, table, namespace) }
                let mounts = try mountsToAttach(record, parents, live, hasLostMount: !lost.isEmpty)
                try forget(lost.filter { $0.target != place }, table)
                try attach(
                    mounts, table,
                    MountRecord(
                        layer: record.number, target: place, namespace: namespace, count: 1,
                        mountID: nil, previousID: previousID, stacked: mounts.count,
                        ownsTarget: target == nil))
            } catch {
                // It stays where something is mounted.
                if target == nil { removeMountPoint(of: record.number) }
                throw error
            }
            return MountedLayer(layer: record.layer, path: place, count: 1)
        }
    }

    /// Refuses to count a mount of an active layer whose filesystem has become read-only.
    private func refuseReadOnly(_ layer: Layer, _ mount: MountRecord) throws(DriverError) {
        guard layer.kind == .active, try mountID(at: mount.target) == mount.mountID,
            try attempting("look at \(mount.target)", try MountPoint(mount.target).isReadOnly())
        else { return }
        throw DriverError(
            .storeReadOnly,
            "layer \(layer.id) is mounted at \(mount.target), and has become read-only there")
    }

    /// Lends a layer that can be mounted, with its lock held and nobody's remains.
    func withMountable<Value>(
        _ reference: String,
        _ body: (MountTable, LayerRecord, [LayerNumber]) throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        let table = try mountTable()
        let found = try record(reference)
        try refuseCommitted(found.layer)
        return try withLock(on: found.number) { () throws(DriverError) in
            try recoverIfAbandoned(found)
            let (record, parents) = try recordWithParents(found.layer.id)
            try refuseCommitted(record.layer)
            if record.layer.kind == .active { try refuseLoss("mount layer \(record.layer.id)") }
            if isReadOnly && record.layer.kind == .active {
                throw DriverError(
                    .storeReadOnly,
                    "layer \(record.layer.id) cannot be mounted writable: the store is read-only")
            }
            return try body(table, record, parents)
        }
    }

    /// Takes back one mounting of a layer, or of its device: at the place that the store made, or else at the one
    /// that is left.
    ///
    /// - Returns: How many mountings are left at that place; with 0 the mount is gone.
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` when the mount is busy, naming processes;
    ///   ``GraphCore/DriverError/Code/invalidArgument`` when there is nothing to unmount.
    @discardableResult
    public func unmount(layer reference: String) throws(DriverError) -> MountedLayer {
        let record = try record(reference)
        let isNone = DriverError(.invalidArgument, "layer \(record.layer.id) is not mounted")
        guard let table = try mountTableIfAny() else { throw isNone }
        return try withLock(on: record.number) { () throws(DriverError) in
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, table, try currentNamespace(), isMounting: false, lost: &lost)
            guard let mount = live.first(where: \.ownsTarget) ?? live.last else { throw isNone }
            return try release(mount, record.layer, table)
        }
    }

    /// Takes back one mounting at a place, or of a device.
    ///
    /// - Returns: How many mountings are left there; with 0 the mount is gone.
    @discardableResult
    public func unmount(target: FilePath) throws(DriverError) -> MountedLayer {
        let table = try mountTableIfAny()
        let namespace = try currentNamespace()
        if let table, let device = try unmountDevice(at: target, table) { return device }
        let place = try canonical(target)
        let isNone = DriverError(
            .invalidArgument, "no layer of this store is mounted at \(place)")
        guard let table, let found = try table.record(at: place, in: namespace) else {
            throw isNone
        }
        let record = try database.consistent("look for layer number \(found.layer)") {
            try LayerQueries($0).layer(found.layer)
        }
        guard let record else { throw isNone }
        return try withLock(on: found.layer) { () throws(DriverError) in
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, table, namespace, isMounting: false, lost: &lost)
            guard let mount = live.first(where: { $0.target == place }) else { throw isNone }
            return try release(mount, record.layer, table)
        }
    }

    /// Lists where a layer is mounted, in this mount namespace and in others.
    public func mounted(_ reference: String) throws(DriverError) -> [MountedLayer] {
        let layer = try record(reference).layer
        guard let table = try mountTableIfAny() else { return [] }
        let namespace = try currentNamespace()
        var mounted: [MountedLayer] = []
        for mount in try table.records(of: layer.number) where try isLive(mount, namespace) {
            mounted.append(
                MountedLayer(layer: layer, path: try place(of: mount), count: mount.count))
        }
        return mounted
    }

    /// What has to be attached: the driver's mounts, or a bind of what is mounted already.
    private func mountsToAttach(
        _ record: LayerRecord, _ parents: [LayerNumber], _ live: [MountRecord],
        hasLostMount: Bool
    ) throws(DriverError) -> [Mount] {
        let isWritable = record.layer.kind == .active
        // One that something else was mounted over would show that instead.
        for mount in live where try mountID(at: mount.target) == mount.mountID {
            return [Mount(.bind(mount.target), attributes: isWritable ? [] : .readOnly)]
        }
        if let hidden = live.first, isWritable {
            throw DriverError(
                .layerInUse,
                "layer \(record.layer.id) is mounted at \(hidden.target), with something else over it"
            )
        }
        guard let content = Self.content(of: record, parents) else {
            return [Mount(.empty, attributes: .readOnly)]
        }
        if isWritable {
            try refuseUnrecordedUse(of: record, before: .mounting, hasLostMount: hasLostMount)
            try driver.reopen(content.number)
        }
        let mounts = try driver.mounts(
            for: content.number, above: content.parents, writable: isWritable)
        if mounts.isEmpty {
            throw DriverError(.system, "driver \(driver.name) gave nothing to mount")
        }
        return bed == nil ? mounts : mounts.map(Self.asLayer)
    }

    /// What a layer shows works as in the system that it is of: a bed forbids what is for layers
    /// alone, and a bind mount takes that over.
    private static func asLayer(_ mount: Mount) -> Mount {
        guard case .bind = mount.source else { return mount }
        return Mount(mount.source, attributes: mount.attributes, allowing: BedLayout.forbidden)
    }

    /// Mounts, with a record before and after: whoever finds the first alone knows that its maker
    /// died, because it holds the layer's lock.
    private func attach(
        _ mounts: [Mount], _ table: MountTable, _ intent: MountRecord
    ) throws(DriverError) {
        var record = intent
        try table.put(record)
        var attached = 0
        do throws(DriverError) {
            for mount in mounts {
                do throws(SyscallError) {
                    try mount.attach(at: record.target)
                } catch {
                    throw withResource(
                        DriverError(
                            "mount layer number \(record.layer) at \(record.target)", error))
                }
                attached += 1
            }
            record.mountID = try mountID(at: record.target)
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
            try isLive(other, namespace)
        else { return }
        throw DriverError(
            .layerInUse, "layer number \(other.layer) is mounted at \(place) already")
    }
}
