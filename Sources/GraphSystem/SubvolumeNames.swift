// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// One name of an inode.
public struct InodeName: Hashable, Sendable {
    /// The inode number of the directory that has the name.
    public let directory: UInt64
    public let name: RawPath

    /// Puts a name together.
    public init(directory: UInt64, name: RawPath) {
        (self.directory, self.name) = (directory, name)
    }
}

extension Directory {
    /// All names of an inode of the subvolume that this directory lies in, however many there are;
    /// `BTRFS_IOC_TREE_SEARCH_V2`, which needs privileges.
    ///
    /// No names for a number that is no inode's.
    public func subvolumeNames(ofInode inode: UInt64) throws(SyscallError) -> [InodeName] {
        var found: [InodeName] = []
        var cursor = cgraph_btrfs_cursor()
        var buffer = [UInt8](repeating: 0, count: 128 << 10)
        while true {
            let count = try checked("ioctl(BTRFS_IOC_TREE_SEARCH_V2)") {
                cgraph_btrfs_names(raw, inode, &cursor, &buffer)
            }
            if count == 0 { return found }
            Self.take(buffer[..<Int(count)], into: &found)
        }
    }

    private static func take(_ filled: ArraySlice<UInt8>, into found: inout [InodeName]) {
        filled.withUnsafeBytes { bytes in
            var position = 0
            while position < bytes.count {
                let directory = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
                let length = Int(
                    bytes.loadUnaligned(fromByteOffset: position + 8, as: UInt16.self))
                let name = bytes[(position + 10)..<(position + 10 + length)]
                found.append(InodeName(directory: directory, name: RawPath(trusted: name)))
                position += 10 + length
            }
        }
    }

    /// The path of a directory in the subvolume that this one lies in, from the subvolume's root;
    /// `BTRFS_IOC_INO_LOOKUP`, which needs privileges.
    ///
    /// - Throws: `ENAMETOOLONG` where the path is longer than 4,079 bytes.
    public func subvolumePath(ofDirectory inode: UInt64) throws(SyscallError) -> RawPath {
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
