// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Opens the pool of a store, and makes it active where it is not, as after a restart of the machine.
struct PoolOpening {
    private let mapper: DeviceMapper
    /// `ROOT/devicemapper/pool`.
    private let path: FilePath
    private let directory: Directory

    /// Refuses settings and files of a pool that somebody else could change: they say what becomes a
    /// block device, and what is mounted.
    private init(
        _ mapper: DeviceMapper, at path: FilePath, _ directory: Directory
    ) throws(DriverError) {
        (self.mapper, self.path, self.directory) = (mapper, path, directory)
        let status = try attempting("look at \(path)", try directory.status())
        try Trust.require(status, .directory, at: path)
        let names: [RawPath] = [
            DeviceMapperLayout.settings, DeviceMapperLayout.transaction, DeviceMapperLayout.data,
            DeviceMapperLayout.metadata, RawPath(DeviceMapperLayout.lock),
        ]
        try Trust.require(names.map { ($0, .regular) }, in: directory, path)
    }

    /// Opens the pool of the store at `root`.
    ///
    /// A store without a pool gets what the options say; nil when there are none, and no pool.
    static func open(
        root: FilePath, options: DeviceMapperOptions?
    ) throws(DriverError) -> ThinPool? {
        let mapper = try attempting("use device mapper", try DeviceMapper())
        let path = DeviceMapperLayout.directory(root)
        guard let options else {
            guard let directory = try? Directory(opening: path) else { return nil }
            return try PoolOpening(mapper, at: path, directory).activateMade()
        }
        let directory = try attempting(
            "make \(path)",
            try Directory(opening: path.removingLastComponent())
                .makeOrOpenDirectory(RawPath(DeviceMapperLayout.pool), permissions: 0o700))
        let opening = try PoolOpening(mapper, at: path, directory)
        if let pool = try opening.activateMade() { return pool }
        let lock = try ThinPool.lock(in: path)
        let pool = try opening.make(options)
        _ = consume lock
        return pool
    }

    /// The pool, active; nil where it was not made, or not to the end.
    private func activateMade() throws(DriverError) -> ThinPool? {
        guard let settings = try settings(), settings.hasBase else { return nil }
        return try activate(settings)
    }

    private func settings() throws(DriverError) -> PoolSettings? {
        try attempting("read the pool's settings", try PoolSettings(in: directory))
    }

    /// Makes the pool and the volume that all others begin as, or finishes making them; the caller
    /// holds the lock.
    private func make(_ options: DeviceMapperOptions) throws(DriverError) -> ThinPool {
        var settings: PoolSettings
        if let begun = try self.settings() {
            // Somebody else was quicker; the lock, which activating it would take, is ours.
            if begun.hasBase { return try bringUp(begun) }
            settings = begun
        } else {
            settings = PoolSettings(options)
            try requireUnused(settings)
            try attempting("write the pool's settings", try settings.write(in: directory))
        }
        if case .files(let dataBytes, let metadataBytes) = options.pool, settings.kind == .files {
            try attempting(
                "make the pool's files",
                try makeFiles(data: dataBytes, metadata: metadataBytes))
        }
        let begun: ThinPool
        do throws(DriverError) {
            begun = try bringUp(settings)
        } catch {
            // What cannot be used is not kept: other options may name what can.
            try? directory.removeFile(DeviceMapperLayout.settings)
            throw error
        }
        do throws(DriverError) {
            try PoolBase(of: begun).make(options)
            settings.hasBase = true
            try attempting("write the pool's settings", try settings.write(in: directory))
        } catch {
            try? begun.removeUnused("\(settings.prefix)\(DeviceMapperLayout.base)")
            if settings.poolName.hasPrefix(settings.prefix) { try? mapper.remove(begun.name) }
            throw error
        }
        return pool(settings, begun.number, blockSectors: begun.blockSectors)
    }

    /// Refuses to take over what has something on it.
    private func requireUnused(_ settings: PoolSettings) throws(DriverError) {
        switch settings.kind {
        case .files: return
        case .devices(_, let metadata):
            let head = try attempting(
                "look at \(metadata)",
                try DirectFile(opening: FilePath(metadata)).block(at: 0))
            if head.allSatisfy({ $0 == 0 }) { return }
            throw DriverError(
                .invalidArgument,
                "\(metadata) has something on it; for a new pool its first 4 KiB must be zeros")
        case .existing(let name):
            let target = try attempting(
                "ask pool \(name)", try mapper.target(of: name, status: true))
            guard let target, let status = PoolStatus(target, blockSectors: 128) else {
                throw DriverError(
                    .invalidArgument, "dm.thinpooldev: there is no active thin pool \(name)")
            }
            if status.transaction == 0 && status.dataBlocksUsed == 0 { return }
            throw DriverError(
                .invalidArgument,
                "pool \(name) is used already, by LVM or another store: a new store takes one with "
                    + "transaction 0 and no data")
        }
    }

    private func makeFiles(data: UInt64, metadata: UInt64) throws(SyscallError) {
        for (name, bytes) in [
            (DeviceMapperLayout.data, data), (DeviceMapperLayout.metadata, metadata),
        ] {
            if let status = try directory.statusIfPresent(of: name), status.size > 0 { continue }
            let file = try directory.open(name, [.writeOnly, .create], permissions: 0o600)
            try file.truncate(to: bytes)
        }
    }

    // MARK: Activation

    /// Makes the pool active unless it is, one process at a time.
    private func activate(_ settings: PoolSettings) throws(DriverError) -> ThinPool {
        let name = settings.poolName
        if let device = try attempting("look for pool \(name)", try mapper.status(of: name)),
            device.isActive, !device.isSuspended
        {
            return try found(device, settings)
        }
        let lock = try ThinPool.lock(in: path)
        let pool = try bringUp(settings)
        _ = consume lock
        return pool
    }

    /// The same; the caller holds the lock.
    private func bringUp(_ settings: PoolSettings) throws(DriverError) -> ThinPool {
        let name = settings.poolName
        let device = try attempting("look for pool \(name)", try mapper.status(of: name))
        if let device, device.isActive {
            // Whoever suspended it died, since the lock is ours.
            if device.isSuspended { try attempting("resume pool \(name)", try mapper.resume(name)) }
            return try found(device, settings)
        }
        let parts: PoolDevices
        switch settings.kind {
        case .existing:
            throw DriverError(
                .unsupported,
                "pool \(name) is not active; it was made outside of this store, and has to be "
                    + "activated first")
        case .devices(let data, let metadata):
            parts = try attempting(
                "open the pool's devices",
                try PoolDevices(
                    data: BlockDevice(opening: FilePath(data)),
                    metadata: BlockDevice(opening: FilePath(metadata))))
        case .files:
            parts = try attempting("open the pool's files", try PoolDevices(filesIn: directory))
        }
        do throws(SyscallError) {
            // Whoever made it died before it was active, since the lock is ours. A table that it may
            // have been given holds other loop devices, and the kernel keeps to those.
            if device != nil { try mapper.remove(name) }
            _ = try mapper.create(name, uuid: "GRAPH-\(settings.token)-pool")
            do throws(SyscallError) {
                try mapper.load(name, try parts.table(blockSectors: settings.blockSectors))
                try mapper.resume(name, awaitingNode: true)
            } catch {
                try? mapper.remove(name)
                throw error
            }
            guard let made = try mapper.status(of: name) else {
                throw SyscallError(
                    call: "dm_task_run(info, \(name))", errno: .noSuchAddressOrDevice)
            }
            return pool(settings, made.number, blockSectors: settings.blockSectors)
        } catch {
            throw DriverError("activate pool \(name)", error)
        }
    }

    /// Takes an active device for the store's pool, if it is that.
    private func found(
        _ device: MappedDevice, _ settings: PoolSettings
    ) throws(DriverError) -> ThinPool {
        let table = try attempting("ask pool \(device.name)", try mapper.target(of: device.name))
        let words = (table?.parameters ?? "").split(separator: " ")
        guard table?.type == "thin-pool", words.count > 2, let block = UInt64(words[2]) else {
            throw DriverError(.invalidArgument, "\(device.name) is not a thin pool")
        }
        if device.uuid.hasPrefix("LVM-") {
            throw DriverError(
                .invalidArgument,
                "pool \(device.name) belongs to LVM, whose transaction ids are its own: use a pool "
                    + "made with dmsetup, or dm.datadev and dm.metadatadev")
        }
        if settings.kind == .files {
            try requireOwnFile(words[1], device.name)
        }
        return pool(settings, device.number, blockSectors: block)
    }

    private func pool(
        _ settings: PoolSettings, _ number: DeviceNumber, blockSectors: UInt64
    ) -> ThinPool {
        ThinPool(mapper, settings, at: path, directory, number, blockSectors: blockSectors)
    }

    /// Refuses a pool over other files: that of the store of which this one is a copy.
    private func requireOwnFile(_ number: Substring, _ name: String) throws(DriverError) {
        let isOwn = try attempting(
            "look at the data of pool \(name)",
            try { () throws(SyscallError) in
                guard let number = DeviceNumber(number) else { return false }
                return try LoopDevice.isBacked(
                    BlockDevice(number, readOnly: true),
                    by: try directory.status(of: DeviceMapperLayout.data))
            }())
        if isOwn { return }
        throw DriverError(
            .invalidArgument,
            "pool \(name) is active with the files of another store, of which this is a copy: only one "
                + "of them can be used at a time")
    }
}
