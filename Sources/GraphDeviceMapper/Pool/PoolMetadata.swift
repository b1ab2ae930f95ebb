// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// What the metadata of a pool say, read from a snapshot that the kernel reserves for that
/// (`drivers/md/dm-thin-metadata.c`, `drivers/md/persistent-data/dm-btree-internal.h`).
struct PoolMetadata {
    /// A volume.
    struct Volume: Hashable, Sendable {
        let number: UInt32
        /// Where its map begins: volumes with the same one have the same content.
        let mapRoot: UInt64
    }

    private let file: DirectFile

    /// The volumes as they are at this moment.
    static func volumes(of pool: ThinPool) throws(DriverError) -> [Volume] {
        try read(pool, "list the volumes of") { (metadata, superblock) throws(SyscallError) in
            try metadata.volumes(superblock)
        }
    }

    /// How many blocks a volume has that another one does not have at the same place.
    static func ownBlocks(
        of volume: UInt32, beyond other: UInt32, in pool: ThinPool
    ) throws(DriverError) -> UInt64 {
        try read(pool, "measure volume \(volume) of") {
            (metadata, superblock) throws(SyscallError) in
            let roots = try metadata.volumes(superblock)
            func map(_ number: UInt32) -> MetadataWalk {
                let found = roots.first { $0.number == number }
                return MetadataWalk(found.map { [$0.mapRoot] } ?? [], in: metadata)
            }
            var (own, others) = (map(volume), map(other))
            return try own.countEntries(notIn: &others)
        }
    }

    /// Lends the metadata of this moment, which the kernel keeps while it goes on changing them.
    private static func read<Value>(
        _ pool: ThinPool, _ action: String,
        _ body: (PoolMetadata, MetadataBlock) throws(SyscallError) -> Value
    ) throws(DriverError) -> Value {
        let lock = try ThinPool.lock(in: pool.path)
        let status = try pool.status()
        try status.requireWritable(pool.name)
        let result: Result<Value, SyscallError> = Result { () throws(SyscallError) in
            // Left by a process that died over this, since the lock is ours.
            if status.reservedRoot != nil {
                try pool.mapper.send("release_metadata_snap", to: pool.name)
            }
            try pool.mapper.send("reserve_metadata_snap", to: pool.name)
            let value = Result { () throws(SyscallError) in
                let (metadata, superblock) = try openReserved(pool)
                return try body(metadata, superblock)
            }
            try pool.mapper.send("release_metadata_snap", to: pool.name)
            return try value.get()
        }
        _ = consume lock
        return try attempting("\(action) pool \(pool.name)", try result.get())
    }

    private static func openReserved(
        _ pool: ThinPool
    ) throws(SyscallError) -> (PoolMetadata, MetadataBlock) {
        let table = try pool.mapper.target(of: pool.name)
        let place = table?.parameters.split(separator: " ").first.flatMap { DeviceNumber($0) }
        let target = try pool.mapper.target(of: pool.name, status: true)
        let status = target.flatMap { PoolStatus($0, blockSectors: pool.blockSectors) }
        guard let place, let start = status?.reservedRoot else {
            throw SyscallError.damage("pool \(pool.name)", "no metadata were reserved")
        }
        let device = try BlockDevice(place, readOnly: true)
        // What the kernel writes there is not in the page cache.
        let metadata = PoolMetadata(
            file: try DirectFile(reopening: device))
        let superblock = try metadata.block(start)
        if superblock.number(at: 32, bytes: 8) != 27_022_010 {
            throw SyscallError.damage("block \(start) of the metadata", "no superblock")
        }
        return (metadata, superblock)
    }

    private func volumes(_ superblock: MetadataBlock) throws(SyscallError) -> [Volume] {
        var volumes: [Volume] = []
        var walk = MetadataWalk([superblock.number(at: 320, bytes: 8)], in: self)
        while let entry = try walk.next() {
            volumes.append(
                Volume(number: UInt32(truncatingIfNeeded: entry.key), mapRoot: entry.value))
        }
        return volumes
    }

    func block(_ number: UInt64) throws(SyscallError) -> MetadataBlock {
        MetadataBlock(bytes: try file.block(at: number * 4_096))
    }
}

/// A block of metadata, in little-endian numbers.
struct MetadataBlock {
    let bytes: [UInt8]

    func number(at offset: Int, bytes count: Int) -> UInt64 {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
