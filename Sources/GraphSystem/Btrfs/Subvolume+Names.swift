// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// One name of an inode.
package struct InodeName: Hashable, Sendable {
    /// The inode number of the directory that has the name.
    package let directory: UInt64
    package let name: RawPath

    /// Puts a name together.
    package init(directory: UInt64, name: RawPath) {
        (self.directory, self.name) = (directory, name)
    }
}

extension Subvolume {
    /// All names of an inode of the subvolume, however many there are; `BTRFS_IOC_TREE_SEARCH_V2`,
    /// which needs privileges.
    ///
    /// No names for a number that is no inode's.
    ///
    /// - Throws: `EUCLEAN` where the tree makes no sense.
    package func names(ofInode inode: UInt64) throws(SyscallError) -> [InodeName] {
        var found: [InodeName] = []
        let last = SubvolumeItemKey(object: inode, type: CGRAPH_BTRFS_NAMES_LAST, offset: .max)
        var position: SubvolumeItemKey? = SubvolumeItemKey(
            object: inode, type: CGRAPH_BTRFS_NAMES_FIRST, offset: 0)
        var buffer = [UInt8](repeating: 0, count: Self.itemsBytes)
        while let first = position, first <= last {
            let count = try search(from: first, through: last, &buffer)
            if count == 0 { break }
            let items = buffer.span.extracting(Int(CGRAPH_BTRFS_ITEMS_START)...)
            position = try Self.takeItems(items, count, into: &found).next
        }
        return found
    }

    /// Takes the names in some items; returns the key of the last item.
    private static func takeItems(
        _ bytes: Span<UInt8>, _ count: Int, into found: inout [InodeName]
    ) throws(SyscallError) -> SubvolumeItemKey {
        var key = SubvolumeItemKey(object: 0, type: 0, offset: 0)
        var position = 0
        for _ in 0..<count {
            // `struct btrfs_ioctl_search_header`: a transaction, the key, the length of the item.
            guard bytes.count - position >= 32 else { throw brokenNames }
            key = SubvolumeItemKey(
                object: bytes.littleEndian64(at: position + 8),
                type: UInt8(truncatingIfNeeded: bytes.littleEndian32(at: position + 24)),
                offset: bytes.littleEndian64(at: position + 16))
            let start = position + 32
            let length = Int(bytes.littleEndian32(at: position + 28))
            guard bytes.count - start >= length else { throw brokenNames }
            position = start + length
            try takeNames(key, bytes.extracting(start..<position), into: &found)
        }
        return key
    }

    /// Takes the names in an item: `struct btrfs_inode_ref`, of one directory, or
    /// `struct btrfs_inode_extref`, each with a name behind it.
    private static func takeNames(
        _ key: SubvolumeItemKey, _ item: Span<UInt8>, into found: inout [InodeName]
    ) throws(SyscallError) {
        let isExtended = key.type == CGRAPH_BTRFS_NAMES_LAST
        let fixed = isExtended ? 18 : 10
        var position = 0
        while position < item.count {
            guard item.count - position >= fixed else { throw brokenNames }
            let directory = isExtended ? item.littleEndian64(at: position) : key.offset
            let length = Int(item.littleEndian16(at: position + fixed - 2))
            position += fixed
            guard item.count - position >= length else { throw brokenNames }
            let name = (position..<(position + length)).map { item[$0] }
            found.append(InodeName(directory: directory, name: RawPath(trusted: name)))
            position += length
        }
    }

    private static var brokenNames: SyscallError {
        .damage("ioctl(BTRFS_IOC_TREE_SEARCH_V2)", "an item of names that ends too early")
    }

    /// The path of a directory in the subvolume, from its root; `BTRFS_IOC_INO_LOOKUP`, which needs privileges.
    ///
    /// - Throws: `ENAMETOOLONG` where the path is longer than 4,079 bytes.
    package func path(ofDirectory inode: UInt64) throws(SyscallError) -> RawPath {
        var path = [CChar](repeating: 0, count: 4_096)
        try checked("ioctl(BTRFS_IOC_INO_LOOKUP)") {
            cgraph_btrfs_directory_path(raw, inode, &path)
        }
        return path.withUnsafeBytes { bytes in
            // There is a slash at its end.
            RawPath(trusted: bytes.prefix { $0 != 0 }.dropLast())
        }
    }
}
