// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Keeps a pool from running full: refuses what it may have no room for, and makes it larger.
struct PoolGrowth {
    private let pool: ThinPool

    init(of pool: ThinPool) { self.pool = pool }

    /// What the filesystem below a pool on files keeps free: a pool that cannot write its metadata
    /// fails, and with it every layer in use.
    private static let roomBytesMin: UInt64 = 64 << 20

    /// How much of the metadata file has its blocks beyond twice what is used.
    private static let aheadBytes: UInt64 = 8 << 20

    /// Refuses to begin something where little is left, once the files of a pool for trying out are
    /// as large as the options let them grow.
    func requireReserve(_ options: DeviceMapperOptions) throws(DriverError) {
        if pool.settings.kind == .files { try requireRoomForFiles() }
        while true {
            do throws(DriverError) {
                return try pool.status()
                    .requireReserve(percent: options.reservePercent, pool.name)
            } catch {
                guard error.code == .noSpace, pool.settings.kind == .files,
                    try growOnce(error.resource, options)
                else { throw error }
            }
        }
    }

    /// Refuses to begin something where the sparse files may soon find no blocks, and has blocks ready
    /// for what the metadata file is about to be written.
    private func requireRoomForFiles() throws(DriverError) {
        let available = try attempting(
            "look at \(pool.path)", try pool.directory.descriptor.filesystem().availableBytes)
        if available < Self.roomBytesMin {
            throw DriverError(
                .noSpace,
                "the filesystem of \(pool.path), where the pool's files grow, has \(available) bytes left, "
                    + "and \(Self.roomBytesMin) are kept free for the pool",
                resource: .bytes)
        }
        let used = try pool.status().metadataBlocksUsed * 4_096
        do throws(SyscallError) {
            // The kernel takes the first free blocks, and not again before a commit those it left.
            let file = try pool.directory.open(DeviceMapperLayout.metadata, .readWrite)
            try file.allocate(firstBytes: min(file.status().size, used * 2 + Self.aheadBytes))
        } catch  where error.errno == .notSupported {
            // Filesystems that cannot have this risk.
        } catch {
            throw DriverError("keep room for the pool's metadata", error)
        }
    }

    /// Makes the file of what is short twice as large, at most as large as allowed.
    ///
    /// - Returns: Whether another look is worth while: it grew, or another process has grown it.
    private func growOnce(
        _ resource: DriverError.Resource?, _ options: DeviceMapperOptions
    ) throws(DriverError) -> Bool {
        let isData = resource == .poolData
        guard let limit = isData ? options.dataBytesMax : options.metadataBytesMax else {
            return false
        }
        let lock = try ThinPool.lock(in: pool.path)
        defer { withExtendedLifetime(lock) {} }
        do throws(DriverError) {
            try pool.status().requireReserve(percent: options.reservePercent, pool.name)
            return true
        } catch  where error.resource != resource {
            return true
        } catch {
            // Still short.
        }
        let file = isData ? DeviceMapperLayout.data : DeviceMapperLayout.metadata
        let size = try attempting(
            "look at the pool's files", try pool.directory.status(of: file).size)
        let unit = isData ? pool.blockSectors * 512 : 4_096
        let wanted = min(size * 2, limit) / unit * unit
        if wanted <= size { return false }
        try growLocked(dataBytes: isData ? wanted : nil, metadataBytes: isData ? nil : wanted)
        return true
    }

    /// Lets the pool take all of its devices, after the files of a pool for trying out have been made
    /// larger: nil leaves one as it is; the caller holds the pool's lock.
    func growLocked(dataBytes: UInt64?, metadataBytes: UInt64?) throws(DriverError) {
        if case .existing(let name) = pool.settings.kind {
            throw DriverError(
                .unsupported,
                "pool \(name) was not made by this store; grow it with the tool that made it")
        }
        do throws(SyscallError) {
            for (file, bytes) in [
                (DeviceMapperLayout.data, dataBytes), (DeviceMapperLayout.metadata, metadataBytes),
            ] {
                guard let bytes else { continue }
                try enlarge(file, bytes)
            }
            try takeAll()
        } catch {
            throw DriverError("grow pool \(pool.name)", error)
        }
    }

    /// Makes a file larger, never smaller.
    private func enlarge(_ name: RawPath, _ bytes: UInt64) throws(SyscallError) {
        guard pool.settings.kind == .files else {
            throw SyscallError(
                call: "ftruncate(\(name))", errno: .notSupported,
                detail: "the pool lies on devices: make those larger, and grow without sizes")
        }
        let file = try pool.directory.open(name, .readWrite)
        if try file.status().size > bytes {
            throw SyscallError(
                call: "ftruncate(\(name))", errno: .invalidArgument, detail: "it is larger already")
        }
        let block = name == DeviceMapperLayout.data ? pool.blockSectors * 512 : 4_096
        try file.truncate(to: bytes / block * block)
        try file.sync()
    }

    /// Gives the pool a table over the whole of its devices; its volumes stay in use meanwhile.
    private func takeAll() throws(SyscallError) {
        let (name, mapper) = (pool.name, pool.mapper)
        guard let table = try mapper.target(of: name) else { return }
        let numbers = table.parameters.split(separator: " ").prefix(2)
            .compactMap { DeviceNumber($0) }
        guard numbers.count == 2 else {
            throw SyscallError.damage("pool \(name)", "a table of an unknown form")
        }
        let parts = PoolDevices(
            data: try BlockDevice(numbers[1]), metadata: try BlockDevice(numbers[0]))
        if pool.settings.kind == .files {
            try LoopDevice.refresh(parts.data)
            try LoopDevice.refresh(parts.metadata)
        }
        try mapper.load(name, try parts.table(blockSectors: pool.blockSectors))
        try mapper.suspend(name)
        try mapper.resume(name)
    }
}
