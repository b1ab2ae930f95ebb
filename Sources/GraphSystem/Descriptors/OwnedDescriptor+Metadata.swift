// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

extension OwnedDescriptor {
    /// What the kernel knows about the open file; `statx(2)`.
    package func status() throws(SyscallError) -> FileStatus { try statusOf(rawValue, "") }

    /// Sets owner and group; `fchown(2)`.
    ///
    /// Clears set-user-id, set-group-id and capabilities.
    package func setOwner(uid: UInt32, gid: UInt32) throws(SyscallError) {
        try checked("fchown(\(uid):\(gid))") { fchown(rawValue, uid, gid) }
    }

    /// Sets the low twelve bits of the mode; `fchmod(2)`.
    package func setPermissions(_ permissions: UInt16) throws(SyscallError) {
        try checked("fchmod") { fchmod(rawValue, mode_t(permissions)) }
    }

    /// Sets both the modification and the access time; `futimens(3)`.
    package func setTimes(_ time: Timestamp) throws(SyscallError) {
        try checked("futimens") {
            withUnsafeTemporaryAllocation(of: timespec.self, capacity: 2) { pair in
                pair.initialize(repeating: time.timespec)
                return futimens(rawValue, pair.baseAddress)
            }
        }
    }

    /// Gives the file blocks for its first `bytes` bytes, so that writing them needs none later; its
    /// size and its content stay; `fallocate(2)`.
    ///
    /// - Throws: `ENOSPC` when there are no blocks left, `EOPNOTSUPP` where the filesystem cannot.
    package func allocate(firstBytes bytes: UInt64) throws(SyscallError) {
        try checked("fallocate") { cgraph_allocate(rawValue, bytes) }
    }

    /// What the filesystem of this file is and how full; `fstatfs(2)`.
    package func filesystem() throws(SyscallError) -> FilesystemStatus {
        var raw = cgraph_filesystem()
        try checked("fstatfs") { cgraph_fstatfs(rawValue, &raw) }
        return FilesystemStatus(raw)
    }
}

extension Timestamp {
    var timespec: timespec {
        Glibc.timespec(tv_sec: Int(seconds), tv_nsec: Int(nanoseconds))
    }
}

/// What `statfs(2)` tells about a filesystem.
package struct FilesystemStatus: Hashable, Sendable {
    /// The magic number of the filesystem's type.
    package let magic: UInt64
    /// The size of a block.
    package let blockBytes: UInt64
    package let totalBytes: UInt64
    /// Bytes that a process without privileges may still use.
    package let availableBytes: UInt64
    package let totalInodes: UInt64
    package let freeInodes: UInt64
    package let isReadOnly: Bool

    init(_ raw: cgraph_filesystem) {
        magic = raw.type
        blockBytes = raw.block_size
        totalBytes = raw.blocks * raw.block_size
        availableBytes = raw.blocks_available * raw.block_size
        (totalInodes, freeInodes) = (raw.files, raw.files_free)
        isReadOnly = raw.flags & 1 != 0
    }

    /// The name of the type, as mount(8) spells it, or the magic number.
    package var typeName: String {
        switch magic {
        case 0xEF53: "ext4"
        case 0x5846_5342: "xfs"
        case 0x9123_683E: "btrfs"
        case 0x0102_1994: "tmpfs"
        case 0x794C_7630: "overlay"
        case 0x00C0_FFEE: "hostfs"
        case 0x6969: "nfs"
        case 0x6573_5546: "fuse"
        case 0xFF53_4D42: "cifs"
        case 0xFE53_4D42: "smb3"
        case 0x00C3_6400: "ceph"
        case 0x0102_1997: "9p"
        default: "0x" + String(magic, radix: 16)
        }
    }

    /// Whether the files are kept by another machine or by a program, which may see and change them
    /// without this kernel knowing.
    package var isRemote: Bool {
        ["nfs", "fuse", "cifs", "smb3", "ceph", "9p", "hostfs"].contains(typeName)
    }

    /// Whether an fsync of any file also puts every earlier change of names on disk, because the
    /// filesystem has one journal and writes it in order.
    package var ordersNamesWithAnySync: Bool { magic == 0xEF53 || magic == 0x5846_5342 }
}
