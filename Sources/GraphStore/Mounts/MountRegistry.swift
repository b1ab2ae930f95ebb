// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

/// Which layers are mounted where: the records in RUN-ROOT, and what the kernel says of each.
///
/// A record is proved by the kernel's id of the mount; see ``State``.
final class MountRegistry: Sendable {
    private let paths: StorePaths
    private let storeID: String
    private let isReadOnly: Bool
    let driver: any Driver
    private let locks: LayerLocks
    /// Of the start of the machine.
    let mark: BootMark
    private let isMarked = Mutex(false)
    private let tableIfOpen = Mutex(OpenMountTable())
    let points: MountPoints

    init(_ paths: StorePaths, _ storeID: String, _ driver: any Driver, _ locks: LayerLocks) {
        (self.paths, self.storeID, self.driver, self.locks) = (paths, storeID, driver, locks)
        isReadOnly = locks.isReadOnly
        mark = BootMark(path: paths.boot(storeID))
        points = MountPoints(paths)
    }

    /// The records of mounts, opened when the first operation needs them, and made where there are
    /// none.
    func table() throws(DriverError) -> MountTable {
        // Others would take what is recorded now for mounts before the machine's start.
        try requireBootMark()
        return try tableIfOpen.withLock { table throws(DriverError) in
            if let known = table.table { return known }
            try paths.makeRunRoot()
            let new = try MountTable(paths.mounts, lock: paths.layerLocks, store: storeID)
            table.keep(new)
            return new
        }
    }

    /// The records of mounts, unless nothing was ever mounted or they are not ours to see.
    func tableIfAny() throws(DriverError) -> MountTable? {
        try tableIfOpen.withLock { table throws(DriverError) in
            if let known = table.table { return known }
            do throws(SyscallError) {
                if try MountTable.isMissing(paths.mounts) { return nil }
            } catch  where error.errno == .permissionDenied {
                return nil
            } catch {
                throw DriverError("look at \(paths.runRoot)", error)
            }
            let found = try MountTable(opening: paths.mounts, storeID)
            table.keep(found)
            return found
        }
    }

    /// Makes sure that the next opening does not forget what is mounted from now on.
    private func requireBootMark() throws(DriverError) {
        if isReadOnly || isMarked.withLock({ $0 }) { return }
        let boot = try BootMark.currentBoot()
        try paths.makeRunRoot()
        try locks.with(LayerLocks.boot) { () throws(DriverError) in try forgetAll(before: boot) }
    }

    /// Forgets the mounts of an earlier start of the machine, once; the caller holds ``LayerLocks/boot``.
    func forgetAll(before boot: String) throws(DriverError) {
        if case .old = mark.state(of: boot) {
            try tableIfAny()?.clear()
            // At once: were it not written, the next opening would forget mounts of this boot.
            try mark.write(boot, isCompared: false)
        }
        isMarked.withLock { $0 = true }
    }

    /// What the mark says of this start of the machine.
    func bootState(_ boot: String) -> BootMark.State {
        let state = mark.state(of: boot)
        if case .old = state { return state }
        isMarked.withLock { $0 = true }
        return state
    }

    /// What the kernel says of a record.
    enum State {
        /// It is mounted here, or the device is there.
        case live
        /// It is mounted in another mount namespace; where, in words.
        case elsewhere(String)
        /// Its maker died over it, or is at it: who holds the layer's lock knows which.
        case interrupted
        /// It was mounted in this namespace, and was unmounted by hand: lazily unmounted, it may be in use.
        case lost
        /// Its namespace or its device has ended, and with that every use of it.
        case gone

        /// Whether the layer is there, wherever that is.
        var isMounted: Bool {
            switch self {
            case .live, .elsewhere: true
            case .interrupted, .lost, .gone: false
            }
        }
    }

    /// Asks the kernel for a mount or a device.
    func state(of mount: MountRecord, _ namespace: UInt64) throws(DriverError) -> State {
        if mount.isDevice {
            if mount.mountID == nil { return .interrupted }
            return try device(for: mount.layer) == nil ? .gone : .live
        }
        if mount.namespace != namespace {
            guard let keeper = try keeper(of: mount) else { return .gone }
            return .elsewhere(keeper)
        }
        guard let id = mount.mountID else { return .interrupted }
        if try mountID(at: mount.target) == id { return .live }
        // It may be there, with something else mounted over it.
        let exists = try attempting(
            "ask for the mount at \(mount.target)", try MountPoint.exists(mountID: id))
        return exists ?? false ? .live : .lost
    }

    /// What is left to decide of a record once the others were cleared.
    enum Remaining {
        case live
        case elsewhere(String)
        case lost
    }

    /// The records of a layer with what the kernel says of them, after interrupted ones and those that are
    /// gone were cleared; the caller holds the layer's lock.
    ///
    /// Lost ones are forgotten by who has made sure that the layer is not in use, and until then tell the
    /// driver to look closely.
    func reconcile(
        _ layer: LayerNumber, _ namespace: UInt64
    ) throws(DriverError) -> [(mount: MountRecord, state: Remaining)] {
        guard let table = try tableIfAny() else { return [] }
        var found: [(mount: MountRecord, state: Remaining)] = []
        for mount in try table.records(of: layer) {
            switch try state(of: mount, namespace) {
            case .live: found.append((mount, .live))
            case .elsewhere(let keeper): found.append((mount, .elsewhere(keeper)))
            case .lost: found.append((mount, .lost))
            case .interrupted: try clearInterrupted(mount)
            case .gone: try forget([mount])
            }
        }
        return found
    }

    /// Forgets mounts that the kernel has no more.
    func forget(_ mounts: [MountRecord]) throws(DriverError) {
        guard !mounts.isEmpty, let table = try tableIfAny() else { return }
        for mount in mounts {
            removeMountPoint(mount)
            try table.forget(mount)
        }
    }

    /// Ends what a process began that died: what it had attached is taken away.
    private func clearInterrupted(_ mount: MountRecord) throws(DriverError) {
        if mount.isDevice {
            try driver.withDevices().detachDevice(for: mount.layer)
        } else {
            for _ in 0..<mount.stacked {
                let now = try mountID(at: mount.target)
                if now == nil || now == mount.previousID { break }
                try attempting(
                    "clear \(mount.target)", try MountPoint(mount.target).unmount(detaching: true))
            }
        }
        try forget([mount])
    }

    /// Forgets all records of which the kernel has no mount, layer by layer; those that are lost unless
    /// their layer is in use.
    func forgetStale(
        unlessUsed isUsed: (LayerNumber) throws(DriverError) -> Bool
    ) throws(DriverError) {
        guard let table = try tableIfAny() else { return }
        defer { withExtendedLifetime(table) {} }
        let namespace = try currentNamespace()
        for layer in Set(try table.all().map(\.layer)) {
            try locks.with(layer) { () throws(DriverError) in
                var lost: [MountRecord] = []
                for (mount, state) in try reconcile(layer, namespace) {
                    if case .lost = state { lost.append(mount) }
                }
                if lost.isEmpty { return }
                if try !isUsed(layer) { try forget(lost) }
            }
        }
    }

    /// Records of which the kernel has no mount.
    func stale() throws(DriverError) -> [MountRecord] {
        guard let table = try tableIfAny() else { return [] }
        let namespace = try currentNamespace()
        var stale: [MountRecord] = []
        for mount in try table.all() {
            switch try state(of: mount, namespace) {
            case .lost, .gone: stale.append(mount)
            // An interrupted one may be going on; its lock would tell.
            case .live, .elsewhere, .interrupted: continue
            }
        }
        return stale
    }

    /// How many layers are mounted.
    func mountedLayerCount() throws(DriverError) -> Int {
        guard let table = try tableIfAny() else { return 0 }
        let namespace = try currentNamespace()
        var layers: Set<LayerNumber> = []
        for mount in try table.all() where try state(of: mount, namespace).isMounted {
            layers.insert(mount.layer)
        }
        return layers.count
    }

    /// Where a layer is mounted, in this mount namespace and in others.
    func mounted(_ layer: Layer) throws(DriverError) -> [MountedLayer] {
        guard let table = try tableIfAny() else { return [] }
        let namespace = try currentNamespace()
        var mounted: [MountedLayer] = []
        for mount in try table.records(of: layer.number)
        where try state(of: mount, namespace).isMounted {
            mounted.append(
                MountedLayer(layer: layer, path: try place(of: mount), count: mount.count))
        }
        return mounted
    }
}
