// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

extension LayerStore {
    /// How long a busy mount is tried again, and how often: a process that is just ending needs a
    /// moment, and one that stays needs an answer.
    private static let busyTries = 25
    private static let busyWaitMicroseconds: UInt32 = 20_000

    /// The mounts of a layer that the kernel still has, in this namespace.
    ///
    /// Those that somebody else took away are added to `lost`, and are forgotten by whoever has made sure that
    /// nobody uses them still; of a layer that is only read they are forgotten here.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` when a layer that is to be mounted
    ///   writable is mounted in another namespace, be there a process in it or not.
    func liveMounts(
        of record: LayerRecord, _ table: MountTable, _ namespace: UInt64, isMounting: Bool,
        lost: inout [MountRecord]
    ) throws(DriverError) -> [MountRecord] {
        var live: [MountRecord] = []
        for mount in try table.records(of: record.number) {
            if mount.isDevice {
                if try isKept(mount, table) { live.append(mount) }
            } else if mount.namespace != namespace {
                guard let keeper = try keeper(of: mount) else {
                    try table.forget(mount)
                    continue
                }
                if record.layer.kind == .active && isMounting {
                    throw Self.inOtherNamespace(record.layer, keeper)
                }
            } else if mount.mountID == nil {
                try clearInterrupted(mount, table)
            } else if try isLive(mount, namespace) {
                live.append(mount)
            } else if record.layer.kind == .active {
                lost.append(mount)
            } else {
                try forget([mount], table)
            }
        }
        return live
    }

    /// Forgets mounts that the kernel has no more.
    func forget(_ mounts: [MountRecord], _ table: MountTable) throws(DriverError) {
        for mount in mounts {
            removeMountPoint(mount)
            try table.forget(mount)
        }
    }

    /// Refuses to go on with a layer that is mounted anywhere, or used by anybody; the caller holds its lock.
    func refuseUsed(_ record: LayerRecord, before step: LayerStep) throws(DriverError) {
        guard let table = try mountTableIfAny() else {
            return try refuseUnrecordedUse(of: record, before: step, hasLostMount: false)
        }
        let lost = try refuseMounted(record.layer, table, before: step)
        try refuseUnrecordedUse(of: record, before: step, hasLostMount: !lost.isEmpty)
        try forget(lost, table)
    }

    /// Refuses a layer whose mounts the kernel has, and returns those that it has no more.
    private func refuseMounted(
        _ layer: Layer, _ table: MountTable, before step: LayerStep
    ) throws(DriverError) -> [MountRecord] {
        var lost: [MountRecord] = []
        let namespace = try currentNamespace()
        var targets: [String] = []
        for mount in try table.records(of: layer.number) {
            if mount.isDevice {
                if try isKept(mount, table) { targets.append(try place(of: mount).string) }
                continue
            }
            if mount.namespace != namespace {
                if let keeper = try keeper(of: mount) {
                    throw Self.inOtherNamespace(layer, keeper)
                }
                try table.forget(mount)
            } else if mount.mountID == nil {
                try clearInterrupted(mount, table)
            } else if try isLive(mount, namespace) {
                targets.append(mount.target.string)
            } else {
                lost.append(mount)
            }
        }
        if targets.isEmpty {
            // Whoever died between making the place and recording it has left it.
            removeMountPoint(of: layer.number)
            return lost
        }
        throw DriverError(
            .layerInUse,
            "layer \(layer.id) is mounted at \(Self.list(targets)) and cannot be \(step.done)")
    }

    /// Counts down, and unmounts at zero.
    func release(
        _ record: MountRecord, _ layer: Layer, _ table: MountTable
    ) throws(DriverError) -> MountedLayer {
        var mount = record
        mount.count -= 1
        if mount.count > 0 {
            try table.put(mount)
        } else if mount.isDevice {
            let path = try place(of: mount)
            try driver.detachDevice(for: mount.layer)
            try table.forget(mount)
            return MountedLayer(layer: layer, path: path, count: 0)
        } else {
            if try mountID(at: mount.target) != mount.mountID {
                throw DriverError(
                    .layerInUse,
                    "something else is mounted over layer \(layer.id) at \(mount.target)")
            }
            for _ in 0..<mount.stacked { try detach(mount, layer) }
            try table.forget(mount)
            removeMountPoint(mount)
        }
        return MountedLayer(layer: layer, path: try place(of: mount), count: mount.count)
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
                let inner = Self.mounts(below: mount.target)
                if !inner.isEmpty {
                    throw DriverError(
                        .layerInUse,
                        "layer \(layer.id) is in use at \(mount.target) by what is mounted at "
                            + Self.list(inner.map(\.description)), cause: error)
                }
                let holders = Self.processes(using: mount.target)
                let who =
                    holders.isEmpty ? "a process" : "process " + Self.list(holders.map { "\($0)" })
                throw DriverError(
                    .layerInUse, "layer \(layer.id) is in use at \(mount.target) by \(who)",
                    cause: error)
            } catch {
                throw DriverError("unmount layer \(layer.id) from \(mount.target)", error)
            }
        }
    }

    /// Ends a mounting whose maker died: what it had attached is taken away.
    func clearInterrupted(
        _ mount: MountRecord, _ table: MountTable
    ) throws(DriverError) {
        for _ in 0..<mount.stacked {
            let now = try mountID(at: mount.target)
            if now == nil || now == mount.previousID { break }
            try attempting(
                "clear \(mount.target)", try MountPoint(mount.target).unmount(detaching: true))
        }
        try table.forget(mount)
        removeMountPoint(mount)
    }

    /// Whether the kernel still has a mount.
    func isLive(_ mount: MountRecord, _ namespace: UInt64) throws(DriverError) -> Bool {
        if mount.isDevice {
            let path = try driver.device(for: mount.layer)
            return mount.mountID != nil && path != nil
        }
        if mount.namespace != namespace { return try keeper(of: mount) != nil }
        guard let id = mount.mountID else { return false }
        if try mountID(at: mount.target) == id { return true }
        // It may be there, with something else mounted over it.
        return try attempting(
            "ask for the mount at \(mount.target)", try MountPoint.exists(mountID: id)) ?? false
    }

    /// Takes away a mount point that the store made, once nothing is mounted there.
    func removeMountPoint(_ mount: MountRecord) {
        if mount.ownsTarget { removeMountPoint(of: mount.layer) }
    }

    func removeMountPoint(of number: LayerNumber) {
        // It stays where something else is mounted there: then it is not ours any more.
        try? Directory(opening: paths.mountPoints)
            .removeDirectory(RawPath(String(number.rawValue)))
    }

    private static func inOtherNamespace(_ layer: Layer, _ keeper: String) -> DriverError {
        DriverError(.layerInUse, "layer \(layer.id) is mounted \(keeper)")
    }

    /// The processes that keep a mount busy, as far as they may be looked at.
    private static func processes(using target: FilePath) -> [Int] {
        let prefix = RawPath(target)
        let below = prefix.appending("")
        func isInside(_ path: RawPath?) -> Bool {
            path.map { $0 == prefix || $0.hasPrefix(below) } ?? false
        }
        guard let names = try? Directory(opening: "/proc").listing() else { return [] }
        return names.compactMap { entry in
            guard let process = Int(entry.name.description),
                let folder = try? Directory(opening: FilePath("/proc/\(process)"))
            else { return nil }
            if isInside(try? folder.readLink("cwd")) || isInside(try? folder.readLink("root")) {
                return process
            }
            guard let files = try? folder.openDirectory("fd"), let open = try? files.listing()
            else { return nil }
            return open.contains { isInside(try? files.readLink($0.name)) } ? process : nil
        }
    }

    /// How many layers are mounted in this namespace.
    func mountedLayerCount() throws(DriverError) -> Int {
        guard let table = try mountTableIfAny() else { return 0 }
        let namespace = try currentNamespace()
        var layers: Set<LayerNumber> = []
        for mount in try table.all() where try isLive(mount, namespace) {
            layers.insert(mount.layer)
        }
        return layers.count
    }
}

extension LayerStore {
    func currentNamespace() throws(DriverError) -> UInt64 {
        try attempting("look at the mount namespace", try MountPoint.currentNamespace())
    }

    func mountID(at place: FilePath) throws(DriverError) -> UInt64? {
        try attempting("look at \(place)", try MountPoint(place).mountID())
    }

    /// The place to mount at: the caller's, or the layer's own below RUN-ROOT, which is made.
    func resolve(
        _ target: FilePath?, for number: LayerNumber
    ) throws(DriverError) -> FilePath {
        if let target { return try canonical(target) }
        let name = RawPath(String(number.rawValue))
        var parent = try mountPoints()
        do throws(SyscallError) {
            try Directory(opening: parent).makeDirectory(name, permissions: 0o755)
        } catch  where error.errno == .fileExists {
            // Left by a process that died.
        } catch  where error.errno == .noSuchFileOrDirectory {
            // Somebody cleared RUN-ROOT.
            mountPointsIfKnown.withLock { $0 = nil }
            parent = try mountPoints()
            _ = try attempting(
                "make a mount point",
                try Directory(opening: parent).makeOrOpenDirectory(name, permissions: 0o755))
        } catch  where error.errno == .noSpace {
            throw DriverError(
                noSpace: "could not make a mount point", at: paths.mountPoints, cause: error)
        } catch {
            throw DriverError("make a mount point", error)
        }
        return parent.appending(String(number.rawValue))
    }

    /// The folder of the mount points that the store makes, by its one name.
    private func mountPoints() throws(DriverError) -> FilePath {
        try mountPointsIfKnown.withLock { known throws(DriverError) in
            if let known { return known }
            _ = try attempting(
                "make the folder \(paths.mountPoints)",
                try Directory(opening: paths.runRoot)
                    .makeOrOpenDirectory("mnt", permissions: 0o700))
            let path = try canonical(paths.mountPoints)
            known = path
            return path
        }
    }

    /// A directory's one name: absolute, without symbolic links.
    func canonical(_ target: FilePath) throws(DriverError) -> FilePath {
        let name = try attempting(
            "open the mount point \(target)",
            try OwnedDescriptor.open(target, [.path, .directory]).name())
        guard let text = String(validating: name.bytes, as: UTF8.self) else {
            throw DriverError(
                .invalidArgument, "the name of the mount point \(target) is not UTF-8")
        }
        return FilePath(text)
    }
}
