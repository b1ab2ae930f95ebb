// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import SystemPackage

/// The flags of an inode that chattr(1) shows; ioctl_iflags(2).
package struct InodeFlags: OptionSet, Sendable {
    package let rawValue: CInt

    /// Takes raw flags of `FS_IOC_GETFLAGS`.
    package init(rawValue: CInt) { self.rawValue = rawValue }

    /// What refuses changes: immutable and append-only.
    static let locks = InodeFlags(
        rawValue: CInt(CGRAPH_FS_IMMUTABLE_FL | CGRAPH_FS_APPEND_FL))
    /// btrfs writes the file's blocks in place, without checksums.
    static let noCopyOnWrite = InodeFlags(rawValue: CInt(CGRAPH_FS_NOCOW_FL))

    /// Reads the flags of an open file; `FS_IOC_GETFLAGS`.
    init(of file: borrowing OwnedDescriptor) throws(SyscallError) {
        let raw = file.rawValue
        var flags: CInt = 0
        try checked("ioctl(FS_IOC_GETFLAGS)") { cgraph_get_flags(raw, &flags) }
        self.init(rawValue: flags)
    }

    /// Gives an open file exactly these; `FS_IOC_SETFLAGS`.
    private func set(on file: borrowing OwnedDescriptor) throws(SyscallError) {
        let raw = file.rawValue
        try checked("ioctl(FS_IOC_SETFLAGS)") { cgraph_set_flags(raw, rawValue) }
    }

    /// Clears what refuses changes of an open file.
    package static func clearLocks(of file: borrowing OwnedDescriptor) throws(SyscallError) {
        try InodeFlags(of: file).subtracting(.locks).set(on: file)
    }

    /// The same; where a user namespace may not, they stay.
    package static func clearLocksIfAllowed(
        of file: borrowing OwnedDescriptor
    ) throws(SyscallError) {
        do throws(SyscallError) {
            try clearLocks(of: file)
        } catch  where error.errno == .notPermitted {
            return
        }
    }

    /// Has btrfs write an empty file's blocks in place from now on.
    package static func disableCopyOnWrite(
        of file: borrowing OwnedDescriptor
    ) throws(SyscallError) {
        try InodeFlags(of: file).union(.noCopyOnWrite).set(on: file)
    }
}
