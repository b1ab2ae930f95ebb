// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// Where in a subvolume's tree an item lies: the number of an inode, what the item holds of it, and a
/// number that means something else for each type.
package struct SubvolumeItemKey: Hashable, Comparable, Sendable {
    package let object: UInt64
    package let type: UInt8
    package let offset: UInt64

    /// Puts a key together.
    package init(object: UInt64, type: UInt8, offset: UInt64) {
        (self.object, self.type, self.offset) = (object, type, offset)
    }

    /// Orders as the tree does.
    package static func < (left: SubvolumeItemKey, right: SubvolumeItemKey) -> Bool {
        (left.object, left.type, left.offset) < (right.object, right.type, right.offset)
    }

    fileprivate var raw: cgraph_btrfs_key {
        cgraph_btrfs_key(object: object, type: UInt32(type), offset: offset)
    }

    /// The next key that there can be; nil behind the last.
    var next: SubvolumeItemKey? {
        if offset < .max { return SubvolumeItemKey(object: object, type: type, offset: offset + 1) }
        if type < .max { return SubvolumeItemKey(object: object, type: type + 1, offset: 0) }
        return object < .max ? SubvolumeItemKey(object: object + 1, type: 0, offset: 0) : nil
    }
}

extension Subvolume {
    /// Has the kernel write and commit what is in memory of this read-only subvolume, and of another
    /// one that is read-only as well; `BTRFS_IOC_SEND`, which needs privileges.
    ///
    /// As it does before it tells how they differ, and no further. A search finds all afterwards.
    package func settle(with other: UInt64) throws(SyscallError) {
        try checked("ioctl(BTRFS_IOC_SEND)") { cgraph_btrfs_settle(raw, other) }
    }

    /// Reads the items of some inodes of this subvolume that lie in blocks written in a transaction or
    /// later, in the order of their keys, a piece at a time; `BTRFS_IOC_TREE_SEARCH_V2`, which needs
    /// privileges.
    ///
    /// `take` gets a buffer that begins with as many items as it is told, each a
    /// `struct btrfs_ioctl_search_header` with its content behind it, and gives back the key of the
    /// last one; or nil, to hear no more.
    package func visitItems(
        of inodes: ClosedRange<UInt64> = allInodes, writtenSince transaction: UInt64,
        _ take: (Span<UInt8>, Int) -> SubvolumeItemKey?
    ) throws(SyscallError) {
        var buffer = [UInt8](repeating: 0, count: Self.itemsBytes)
        var position = SubvolumeItemKey(object: inodes.lowerBound, type: 0, offset: 0)
        while true {
            let count = try readItems(
                from: position, through: inodes.upperBound, transaction, countMax: .max, &buffer)
            if count == 0 { return }
            let items = buffer.span.extracting(Int(CGRAPH_BTRFS_ITEMS_START)...)
            guard let last = take(items, count), let next = last.next else { return }
            position = next
        }
    }

    /// Whether there are items of some inodes in such blocks; `BTRFS_IOC_TREE_SEARCH_V2`.
    package func hasItems(
        of inodes: ClosedRange<UInt64>, writtenSince transaction: UInt64
    ) throws(SyscallError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let first = SubvolumeItemKey(object: inodes.lowerBound, type: 0, offset: 0)
        do throws(SyscallError) {
            return try readItems(
                from: first, through: inodes.upperBound, transaction, countMax: 1, &buffer) > 0
        } catch  where error.errno.rawValue == EOVERFLOW {
            // There is one that is larger than this.
            return true
        }
    }

    private func readItems(
        from position: SubvolumeItemKey, through object: UInt64, _ transaction: UInt64,
        countMax: UInt32, _ buffer: inout [UInt8]
    ) throws(SyscallError) -> Int {
        try search(
            from: position, through: SubvolumeItemKey(object: object, type: .max, offset: .max),
            writtenSince: transaction, countMax: countMax, &buffer)
    }

    /// Fills a buffer with items, which begin at `CGRAPH_BTRFS_ITEMS_START`: how many.
    func search(
        from first: SubvolumeItemKey, through last: SubvolumeItemKey,
        writtenSince transaction: UInt64 = 0, countMax: UInt32 = .max, _ buffer: inout [UInt8]
    ) throws(SyscallError) -> Int {
        var (from, through) = (first.raw, last.raw)
        return Int(
            try checked("ioctl(BTRFS_IOC_TREE_SEARCH_V2)") {
                cgraph_btrfs_search(
                    raw, 0, &from, &through, transaction, countMax, &buffer, UInt32(buffer.count))
            })
    }

    /// The numbers that inodes can have; that of a subvolume's root is the first
    /// (`BTRFS_FIRST_FREE_OBJECTID`).
    package static var allInodes: ClosedRange<UInt64> { 256...CGRAPH_BTRFS_INODE_MAX }

    /// More than any item takes.
    ///
    /// The kernel touches each page for each block that it reads: a larger one slows a search down, as
    /// does one that the allocator gets from the kernel each time.
    static let itemsBytes = 96 << 10
}

extension Span<UInt8> {
    /// The number in the eight bytes at a position, the lowest first.
    @inlinable package func littleEndian64(at position: Int) -> UInt64 {
        precondition(position >= 0 && position <= count - 8)
        return UInt64(
            littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt64.self))
    }

    /// The number in the four bytes at a position, the lowest first.
    @inlinable package func littleEndian32(at position: Int) -> UInt32 {
        precondition(position >= 0 && position <= count - 4)
        return UInt32(
            littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt32.self))
    }

    /// The number in the two bytes at a position, the lowest first.
    @inlinable package func littleEndian16(at position: Int) -> UInt16 {
        precondition(position >= 0 && position <= count - 2)
        return UInt16(
            littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: position, as: UInt16.self))
    }
}
