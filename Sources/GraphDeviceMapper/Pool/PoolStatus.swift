// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem

/// How a thin pool fares, in the words of the kernel
/// (`Documentation/admin-guide/device-mapper/thin-provisioning.rst`).
package struct PoolStatus: Hashable, Sendable {
    /// Counts the changes that the pool's owner has made.
    package let transaction: UInt64
    /// Of 4,096 bytes.
    package let metadataBlocksUsed: UInt64
    package let metadataBlocks: UInt64
    /// Of ``blockBytes``.
    package let dataBlocksUsed: UInt64
    package let dataBlocks: UInt64
    package let blockBytes: UInt64
    /// `rw`, `ro`, `out_of_data_space` or `Fail`.
    package let mode: String
    /// Whether the kernel has found the metadata in need of `thin_check`.
    package let needsCheck: Bool
    /// Whether discarded blocks are given on to the data device.
    package let passesDiscards: Bool
    /// Where the metadata of a reserved snapshot begin, in blocks; nil when none is reserved.
    let reservedRoot: UInt64?

    init?(_ target: MappedTarget, blockSectors: UInt64) {
        blockBytes = blockSectors * 512
        let words = target.parameters.split(separator: " ").map(String.init)
        func pair(_ index: Int) -> (UInt64, UInt64)? {
            let parts = words[index].split(separator: "/").compactMap { UInt64($0) }
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
        guard target.type == "thin-pool", let first = words.first else { return nil }
        if words.count < 5 {
            // `Fail` and `Error` stand alone.
            (transaction, mode, needsCheck, passesDiscards) = (0, first, false, false)
            (metadataBlocksUsed, metadataBlocks, dataBlocksUsed, dataBlocks) = (0, 0, 0, 0)
            reservedRoot = nil
            return
        }
        guard let transaction = UInt64(first), let metadata = pair(1), let data = pair(2) else {
            return nil
        }
        self.transaction = transaction
        (metadataBlocksUsed, metadataBlocks) = metadata
        (dataBlocksUsed, dataBlocks) = data
        reservedRoot = UInt64(words[3])
        mode = words[4]
        needsCheck = words.contains("needs_check")
        passesDiscards = words.contains("discard_passdown")
    }

    /// Whether nothing can be changed for want of metadata: the kernel says no more than `ro` then.
    private var isOutOfMetadata: Bool {
        mode == "ro"
            && metadataBlocksUsed + Self.reserveBlocks(of: metadataBlocks) >= metadataBlocks
    }

    /// What the kernel keeps free of the metadata, so that deleting goes on.
    private static func reserveBlocks(of blocks: UInt64) -> UInt64 { min(blocks / 10, 4_096) }

    /// Refuses what cannot be changed.
    ///
    /// - Throws: ``DriverError/Code/noSpace`` for metadata, ``DriverError/Code/storeReadOnly`` and
    ///   ``DriverError/Code/storeDamaged`` with what to do.
    func requireWritable(_ pool: String) throws(DriverError) {
        if mode == "rw" || mode == "out_of_data_space" { return }
        if isOutOfMetadata && !needsCheck {
            throw DriverError(
                .noSpace,
                "pool \(pool) has no metadata left and takes no changes; `graphctl pool grow` adds "
                    + "some",
                resource: .poolMetadata)
        }
        if needsCheck {
            throw DriverError(
                .storeReadOnly,
                "pool \(pool) is read-only until its metadata are checked: unmount everything, "
                    + "`graphctl pool stop`, `thin_check --clear-needs-check-flag` or `thin_repair`"
                    + (isOutOfMetadata ? ", then `graphctl pool grow`" : ""))
        }
        throw DriverError(
            .storeDamaged,
            "pool \(pool) is in mode \(mode): its metadata cannot be written; see thin_repair(8)")
    }

    /// Refuses to begin something where little is left.
    ///
    /// - Throws: ``DriverError/Code/noSpace``, with what is short.
    func requireReserve(percent: UInt64, _ pool: String) throws(DriverError) {
        try requireWritable(pool)
        let parts: [(DriverError.Resource, UInt64, UInt64)] = [
            (.poolData, dataBlocksUsed, dataBlocks),
            (.poolMetadata, metadataBlocksUsed, metadataBlocks),
        ]
        for (resource, used, all) in parts {
            let free = all - min(used, all)
            // At least one block, or the first write would fail.
            if free > 0 && free * 100 >= all * percent { continue }
            throw DriverError(
                .noSpace,
                "\(resource.rawValue): \(used) of \(all) blocks of pool \(pool) are used, and "
                    + "\(percent)% are kept free (dm.min_free_space); remove layers, or "
                    + "`graphctl pool grow`",
                resource: resource)
        }
    }
}
