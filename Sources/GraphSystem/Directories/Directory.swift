// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
public import SystemPackage

/// An open directory, shared by whoever holds it and closed when the last holder lets go.
///
/// Every name given to a method is one entry of this directory and is never followed when it is a
/// symbolic link, unless the method says otherwise.
public final class Directory: Sendable {
    /// The open directory, for calls that want a descriptor.
    package let descriptor: OwnedDescriptor

    /// Takes over a descriptor that is open on a directory.
    package init(owning descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// Opens a directory by path, following symbolic links in it.
    public convenience init(opening path: FilePath) throws(SyscallError) {
        self.init(owning: try OwnedDescriptor.open(path, [.readOnly, .directory]))
    }

    var raw: CInt { descriptor.rawValue }

    /// Opens a directory in this one; `openat(2)`.
    ///
    /// - Throws: `ELOOP` or `ENOTDIR` when the name is not a directory.
    public func openDirectory(_ name: RawPath) throws(SyscallError) -> Directory {
        Directory(owning: try open(name, [.readOnly, .directory]))
    }

    /// Opens a name in this directory; `openat(2)` with `O_NOFOLLOW` and `O_CLOEXEC`.
    package func open(
        _ name: RawPath, _ flags: OpenFlags, permissions: UInt16 = 0
    ) throws(SyscallError) -> OwnedDescriptor {
        let all = flags.union(.noFollow).rawValue | O_CLOEXEC
        let opened = try checked("openat(\(name))") {
            name.withCString { cgraph_openat(raw, $0, all, CUnsignedInt(permissions)) }
        }
        return OwnedDescriptor(owning: opened)
    }

    /// Opens a path below this directory as if it were the root: absolute links and `..` stay
    /// inside; `openat2(2)` with `RESOLVE_IN_ROOT`.
    package func resolve(
        _ path: RawPath, _ flags: OpenFlags
    ) throws(SyscallError) -> OwnedDescriptor {
        let resolution = CGRAPH_RESOLVE_IN_ROOT | CGRAPH_RESOLVE_NO_MAGICLINKS
        let opened = try checked("openat2(\(path))") {
            path.withCString {
                cgraph_openat2(
                    raw, $0, UInt64(flags.rawValue | O_CLOEXEC), 0, UInt64(resolution))
            }
        }
        return OwnedDescriptor(owning: opened)
    }

    /// Opens a path below this directory without following any symbolic link on the way or at its
    /// end; `openat2(2)` with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`.
    package func openBeneath(
        _ path: RawPath, _ flags: OpenFlags
    ) throws(SyscallError) -> OwnedDescriptor {
        let resolution = CGRAPH_RESOLVE_BENEATH | CGRAPH_RESOLVE_NO_SYMLINKS
        let opened = try checked("openat2(\(path))") {
            path.withCString {
                cgraph_openat2(
                    raw, $0, UInt64(flags.rawValue | O_CLOEXEC), 0, UInt64(resolution))
            }
        }
        return OwnedDescriptor(owning: opened)
    }

    /// Opens a directory below this one, without following any symbolic link; nil when there is none of
    /// that path.
    package func openIfPresent(_ path: RawPath) throws(SyscallError) -> Directory? {
        if path.isEmpty { return try openDirectory(".") }
        do throws(SyscallError) {
            return Directory(owning: try openBeneath(path, [.readOnly, .directory]))
        } catch let error where Self.absent.contains(error.errno) {
            return nil
        }
    }

    /// There is nothing of that name, or a file or link on the way.
    private static let absent: [Errno] = [
        .noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels,
    ]

    /// Opens a regular file, wherever symbolic links on the way lead; what else is there is not opened at all.
    ///
    /// - Returns: The file for reading; nil where the path ends at something else.
    package func openRegularFile(
        following path: RawPath
    ) throws(SyscallError) -> OwnedDescriptor? {
        let found = try checked("openat(\(path))") {
            path.withCString { cgraph_openat(raw, $0, OpenFlags.path.rawValue | O_CLOEXEC, 0) }
        }
        let place = OwnedDescriptor(owning: found)
        if try place.status().type != .regular { return nil }
        return try place.reopened(.readOnly)
    }

    /// What is known about a name; `statx(2)`.
    package func status(of name: RawPath) throws(SyscallError) -> FileStatus {
        try statusOf(raw, name)
    }

    /// What is known about a name, or nil when there is no such name.
    package func statusIfPresent(of name: RawPath) throws(SyscallError) -> FileStatus? {
        try GraphSystem.statusIfPresent(raw, name)
    }

    /// What is known about this directory itself.
    package func status() throws(SyscallError) -> FileStatus { try descriptor.status() }

    /// Reads where a symbolic link points; `readlinkat(2)`.
    package func readLink(_ name: RawPath) throws(SyscallError) -> RawPath {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try checked("readlinkat(\(name))") {
            name.withCString { readlinkat(raw, $0, &buffer, buffer.count) }
        }
        return RawPath(trusted: buffer[..<count].map { UInt8(bitPattern: $0) })
    }

    /// Puts the names in this directory on disk; `fsync(2)`.
    public func sync() throws(SyscallError) { try descriptor.sync() }
}
