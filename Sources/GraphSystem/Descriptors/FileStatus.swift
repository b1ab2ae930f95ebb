// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
package import SystemPackage

/// A point in time as filesystems keep it.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Whole seconds since 1970, negative before.
    public let seconds: Int64
    /// Nanoseconds that follow the second, 0 to 999,999,999.
    public let nanoseconds: UInt32

    /// Makes a time.
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
        (self.seconds, self.nanoseconds) = (seconds, nanoseconds)
    }

    /// The time now, of the realtime clock.
    public static var now: Timestamp {
        var value = Glibc.timespec()
        clock_gettime(CLOCK_REALTIME, &value)
        return Timestamp(seconds: Int64(value.tv_sec), nanoseconds: UInt32(value.tv_nsec))
    }

    /// Orders by time.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}

/// What kind of thing a directory entry is.
package enum FileType: UInt8, Hashable, Sendable {
    case regular, directory, symbolicLink, characterDevice, blockDevice, fifo, socket
}

/// The number of a device.
public struct DeviceNumber: Hashable, Sendable {
    /// The driver's number.
    public let major: UInt32
    /// The device's number with that driver.
    public let minor: UInt32

    /// Makes a device number.
    public init(major: UInt32, minor: UInt32) { (self.major, self.minor) = (major, minor) }

    /// 0:0, which overlayfs takes for a whiteout when a character device carries it.
    public static let zero = DeviceNumber(major: 0, minor: 0)
}

/// What `statx(2)` tells about a file.
package struct FileStatus: Hashable, Sendable {
    package let type: FileType
    /// Permission bits with set-user-id, set-group-id and sticky: the low twelve bits of the mode.
    package let permissions: UInt16
    package let uid: UInt32
    package let gid: UInt32
    /// Bytes; for a symbolic link the length of its target.
    package let size: UInt64
    /// Bytes of disk blocks (`st_blocks` times 512).
    package let allocatedBytes: UInt64
    package var modified: Timestamp
    package let changed: Timestamp
    package let inode: UInt64
    package let links: UInt32
    /// The filesystem's device number.
    package let device: DeviceNumber
    /// The device that a device node stands for.
    package let special: DeviceNumber
    /// Whether the inode is immutable or append-only (`chattr +i`, `+a`).
    package let isLocked: Bool
    /// Whether something is mounted here: this is the root of a mount (Linux 5.8).
    package let isMountRoot: Bool

    /// What tells one inode from all others of the machine.
    package var identity: FileIdentity { FileIdentity(device: device, inode: inode) }

    /// Whether this is how overlayfs records a deletion: a character device 0:0.
    package var isWhiteoutDevice: Bool { type == .characterDevice && special == .zero }

    init?(_ raw: cgraph_status) {
        switch raw.mode & S_IFMT {
        case S_IFREG: type = .regular
        case S_IFDIR: type = .directory
        case S_IFLNK: type = .symbolicLink
        case S_IFCHR: type = .characterDevice
        case S_IFBLK: type = .blockDevice
        case S_IFIFO: type = .fifo
        case S_IFSOCK: type = .socket
        default: return nil
        }
        permissions = UInt16(raw.mode & 0o7777)
        (uid, gid, links, inode) = (raw.uid, raw.gid, raw.links, raw.inode)
        (size, allocatedBytes) = (raw.size, raw.blocks * 512)
        modified = Timestamp(seconds: raw.mtime_seconds, nanoseconds: raw.mtime_nanoseconds)
        changed = Timestamp(seconds: raw.ctime_seconds, nanoseconds: raw.ctime_nanoseconds)
        device = DeviceNumber(major: raw.device_major, minor: raw.device_minor)
        special = DeviceNumber(major: raw.special_major, minor: raw.special_minor)
        // STATX_ATTR_IMMUTABLE and STATX_ATTR_APPEND.
        isLocked = raw.attributes & 0x30 != 0
        // STATX_ATTR_MOUNT_ROOT.
        isMountRoot = raw.attributes & 0x2000 != 0
    }
}

extension FileStatus {
    /// Asks about a path; a symbolic link at its end is not followed.
    package init(of path: FilePath) throws(SyscallError) {
        self = try statusOf(AT_FDCWD, RawPath(path))
    }
}

/// One inode of the machine.
package struct FileIdentity: Hashable, Sendable {
    package let device: DeviceNumber
    package let inode: UInt64
}

/// Asks `statx(2)` about a name below a directory, or about the descriptor itself with an empty
/// name; never follows a symbolic link at the end.
func statusOf(_ descriptor: CInt, _ name: RawPath) throws(SyscallError) -> FileStatus {
    guard let status = try statusIfPresent(descriptor, name) else {
        throw SyscallError(call: "statx(\(name))", errno: .noSuchFileOrDirectory)
    }
    return status
}

/// The same; nil when there is no such name, which costs no more than an answer.
func statusIfPresent(_ descriptor: CInt, _ name: RawPath) throws(SyscallError) -> FileStatus? {
    var raw = cgraph_status()
    while true {
        let result = name.withCString {
            cgraph_statx(descriptor, $0, AT_SYMLINK_NOFOLLOW | CGRAPH_AT_EMPTY_PATH, 0, &raw)
        }
        if result == 0 { break }
        let errno = Errno(rawValue: Glibc.errno)
        if errno == .noSuchFileOrDirectory { return nil }
        if errno != .interrupted { throw SyscallError(call: "statx(\(name))", errno: errno) }
    }
    guard let status = FileStatus(raw) else {
        throw SyscallError(call: "statx(\(name))", errno: .invalidArgument)
    }
    return status
}
