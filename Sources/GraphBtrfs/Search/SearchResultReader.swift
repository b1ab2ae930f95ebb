// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphSystem

/// An inode that was changed, as a search of a subvolume's tree tells of it.
package struct ChangedInode: Hashable, Sendable {
    package let number: UInt64
    /// The transaction in which it was made.
    package let madeTransaction: UInt64
    /// How many names it has.
    package let links: UInt32
    package let isDirectory: Bool
    /// Those of its names that lie in blocks that were searched; a directory's are not told.
    package internal(set) var names: [InodeName] = []
}

/// Reads what a search of a subvolume's tree gives (`BTRFS_IOC_TREE_SEARCH_V2`), a buffer at a time:
/// which inodes were changed in a transaction or later, and names of theirs.
///
/// Holds one inode at a time. Whatever the bytes are, it gives inodes in the order of their numbers or
/// one error, and names that a directory could have.
package struct SearchResultReader {
    /// `struct btrfs_ioctl_search_header`: transaction of the block 8 bytes, object 8, offset 8, type
    /// 4, length 4.
    private static let headerBytes = 32
    /// `struct btrfs_inode_item`.
    private static let inodeBytes = 160
    /// More than the largest block of metadata has.
    private static let itemBytesMax = 64 << 10
    /// More names than an inode has.
    private static let namesMax = 1 << 16
    /// The directory at a subvolume's root, which has no name.
    private static let rootNumber: UInt64 = 256

    /// `BTRFS_INODE_ITEM_KEY` and the two items that hold names.
    private static let inodeType: UInt8 = 1
    private static let nameType: UInt8 = 12
    private static let extendedNameType: UInt8 = 13

    private let transaction: UInt64
    private var current: ChangedInode?
    private var last: SubvolumeItemKey?
    /// How many bytes have been read.
    private var offset: UInt64 = 0

    /// Begins; inodes that were last changed before `transaction` are left out.
    package init(since transaction: UInt64) { self.transaction = transaction }

    /// Takes the items that a buffer begins with, and hands over the inodes that are complete with
    /// them.
    ///
    /// - Returns: The key of the last item.
    /// - Throws: ``GraphArchive/ArchiveError/Code/malformed``.
    package mutating func take(
        _ bytes: Span<UInt8>, items: Int, _ body: (ChangedInode) -> Void
    ) throws(ArchiveError) -> SubvolumeItemKey? {
        var position = 0
        for _ in 0..<items {
            guard bytes.count - position >= Self.headerBytes else {
                throw malformed("half an item", position)
            }
            let length = Int(bytes.littleEndian32(at: position + 28))
            let type = bytes.littleEndian32(at: position + 24)
            let start = position + Self.headerBytes
            guard length <= Self.itemBytesMax, bytes.count - start >= length else {
                throw malformed("an item of \(length) bytes", position)
            }
            guard let type = UInt8(exactly: type) else {
                throw malformed("an item of type \(type)", position)
            }
            let key = SubvolumeItemKey(
                object: bytes.littleEndian64(at: position + 8), type: type,
                offset: bytes.littleEndian64(at: position + 16))
            // Or a search would never end.
            if let last, key <= last { throw malformed("items out of order", position) }
            last = key
            if type <= Self.extendedNameType {
                try take(key, bytes.extracting(start..<(start + length)), at: position, body)
            }
            position = start + length
        }
        offset += UInt64(position)
        return last
    }

    /// Ends: the last inode, if there was one.
    package mutating func finish() -> ChangedInode? {
        defer { current = nil }
        return current
    }

    private mutating func take(
        _ key: SubvolumeItemKey, _ item: Span<UInt8>, at position: Int,
        _ body: (ChangedInode) -> Void
    ) throws(ArchiveError) {
        switch key.type {
        case Self.inodeType:
            if let complete = finish() { body(complete) }
            guard key.offset == 0 else { throw malformed("an inode twice", position) }
            guard item.count >= Self.inodeBytes else { throw malformed("half an inode", position) }
            // The block may be newer than what is in it: its neighbours were changed, or it was moved.
            if item.littleEndian64(at: 8) < transaction { return }
            current = ChangedInode(
                number: key.object, madeTransaction: item.littleEndian64(at: 0),
                links: item.littleEndian32(at: 40),
                isDirectory: item.littleEndian32(at: 52) & 0o170000 == 0o040000)
        case Self.nameType, Self.extendedNameType:
            guard let inode = current, inode.number == key.object, !inode.isDirectory,
                inode.number != Self.rootNumber
            else { return }
            try takeNames(key, item, at: position)
        default:
            return
        }
    }

    /// Takes the names that an item holds: those in one directory, or those of which the hash is one.
    private mutating func takeNames(
        _ key: SubvolumeItemKey, _ item: Span<UInt8>, at position: Int
    ) throws(ArchiveError) {
        var next = 0
        // `struct btrfs_inode_ref` and `struct btrfs_inode_extref`, without the name.
        let isExtended = key.type == Self.extendedNameType
        let fixed = isExtended ? 18 : 10
        while next < item.count {
            guard item.count - next >= fixed else { throw malformed("half a name", position) }
            let directory = isExtended ? item.littleEndian64(at: next) : key.offset
            let length = Int(item.littleEndian16(at: next + fixed - 2))
            let start = next + fixed
            guard length > 0, length <= 255, item.count - start >= length else {
                throw malformed("a name of \(length) bytes", position)
            }
            next = start + length
            var bytes: [UInt8] = []
            bytes.reserveCapacity(length)
            for index in start..<next { bytes.append(item[index]) }
            guard let name = RawPath(validating: bytes), name != ".", name != "..",
                !bytes.contains(UInt8(ascii: "/"))
            else { throw malformed("a name that no file has", position) }
            current?.names.append(InodeName(directory: directory, name: name))
        }
        if let count = current?.names.count, count > Self.namesMax {
            throw malformed("a file with \(count) names", position)
        }
    }

    private func malformed(_ what: String, _ position: Int) -> ArchiveError {
        ArchiveError(
            .malformed, "the tree of the subvolume has \(what)",
            offset: offset + UInt64(position))
    }
}
