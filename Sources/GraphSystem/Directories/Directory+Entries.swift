// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

extension Directory {
    /// Makes a directory; `mkdirat(2)`.
    ///
    /// The umask applies.
    public func makeDirectory(_ name: RawPath, permissions: UInt16) throws(SyscallError) {
        try checked("mkdirat(\(name))") {
            name.withCString { mkdirat(raw, $0, mode_t(permissions)) }
        }
    }

    /// Makes a directory where there is none of that name, and opens it.
    package func makeOrOpenDirectory(
        _ name: RawPath, permissions: UInt16
    ) throws(SyscallError) -> Directory {
        do throws(SyscallError) {
            try makeDirectory(name, permissions: permissions)
        } catch  where error.errno == .fileExists {
            // Somebody made it: that is what was asked for, and opening it says if it is not one.
        }
        return try openDirectory(name)
    }

    /// Makes a symbolic link; `symlinkat(2)`.
    package func makeSymbolicLink(_ name: RawPath, to target: RawPath) throws(SyscallError) {
        try checked("symlinkat(\(name))") {
            name.withCString { cName in target.withCString { symlinkat($0, raw, cName) } }
        }
    }

    /// Makes a further name for an inode; `linkat(2)`, which does not follow a symbolic link.
    package func makeHardLink(
        _ name: RawPath, to source: RawPath, in directory: Directory
    ) throws(SyscallError) {
        try checked("linkat(\(name))") {
            name.withCString { cName in
                source.withCString { linkat(directory.raw, $0, raw, cName, 0) }
            }
        }
    }

    /// Makes a device node, a FIFO or a socket; `mknodat(2)`.
    ///
    /// The umask applies.
    package func makeSpecial(
        _ name: RawPath, _ type: FileType, permissions: UInt16, device: DeviceNumber = .zero
    ) throws(SyscallError) {
        let kind: mode_t =
            switch type {
            case .characterDevice: S_IFCHR
            case .blockDevice: S_IFBLK
            case .fifo: S_IFIFO
            case .socket: S_IFSOCK
            case .regular, .directory, .symbolicLink: preconditionFailure("\(type) is not special")
            }
        try checked("mknodat(\(name))") {
            name.withCString {
                cgraph_mknodat(raw, $0, kind | mode_t(permissions), device.major, device.minor)
            }
        }
    }

    /// Removes a name that is not a directory; `unlinkat(2)`.
    package func removeFile(_ name: RawPath) throws(SyscallError) {
        try checked("unlinkat(\(name))") { name.withCString { unlinkat(raw, $0, 0) } }
    }

    /// Removes an empty directory; `unlinkat(2)` with `AT_REMOVEDIR`.
    package func removeDirectory(_ name: RawPath) throws(SyscallError) {
        try checked("unlinkat(\(name), AT_REMOVEDIR)") {
            name.withCString { unlinkat(raw, $0, AT_REMOVEDIR) }
        }
    }

    /// Moves a name, replacing what a file replaces; `renameat2(2)`.
    ///
    /// `exclusively` fails with `EEXIST` instead of replacing (`RENAME_NOREPLACE`).
    package func rename(
        _ name: RawPath, to newName: RawPath, in directory: Directory, exclusively: Bool = false
    ) throws(SyscallError) {
        let flags = CUnsignedInt(exclusively ? CGRAPH_RENAME_NOREPLACE : 0)
        try checked("renameat2(\(name), \(newName))") {
            name.withCString { old in
                newName.withCString { cgraph_renameat2(raw, old, directory.raw, $0, flags) }
            }
        }
    }

    /// Has two names change places in one step; `renameat2(2)` with `RENAME_EXCHANGE`.
    package func exchange(
        _ name: RawPath, with other: RawPath, in directory: Directory
    ) throws(SyscallError) {
        try checked("renameat2(\(name), \(other), RENAME_EXCHANGE)") {
            name.withCString { old in
                other.withCString {
                    cgraph_renameat2(
                        raw, old, directory.raw, $0, CUnsignedInt(CGRAPH_RENAME_EXCHANGE))
                }
            }
        }
    }

    /// Sets owner and group of a name; `fchownat(2)`, which does not follow a symbolic link.
    package func setOwner(of name: RawPath, uid: UInt32, gid: UInt32) throws(SyscallError) {
        try checked("fchownat(\(name), \(uid):\(gid))") {
            name.withCString { fchownat(raw, $0, uid, gid, AT_SYMLINK_NOFOLLOW) }
        }
    }

    /// Sets the low twelve bits of the mode of a name that is no symbolic link; `fchmodat(2)`.
    ///
    /// The call follows links: only for names that the caller has just made or looked at in a
    /// directory that nobody else writes.
    package func setPermissions(of name: RawPath, _ permissions: UInt16) throws(SyscallError) {
        try checked("fchmodat(\(name))") {
            name.withCString { fchmodat(raw, $0, mode_t(permissions), 0) }
        }
    }

    /// Sets modification and access time of a name; `utimensat(2)`, which does not follow a link.
    package func setTimes(of name: RawPath, _ time: Timestamp) throws(SyscallError) {
        let pair = [time.timespec, time.timespec]
        try checked("utimensat(\(name))") {
            name.withCString { utimensat(raw, $0, pair, AT_SYMLINK_NOFOLLOW) }
        }
    }
}
