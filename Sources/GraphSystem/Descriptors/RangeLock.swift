// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
package import SystemPackage

/// A lock on one number, shared by all processes that open the same file.
///
/// Open file description locks (fcntl(2), `F_OFD_SETLK`): the kernel releases them when the
/// descriptor closes, so also when the process dies. One file serves any number of locks, and
/// nothing has to be cleaned up.
package struct RangeLock: ~Copyable, Sendable {
    private let descriptor: OwnedDescriptor

    /// Waits until no other holder has the number, and holds it until this value's lifetime ends.
    package init(waitingFor number: Int64, in path: FilePath) throws(SyscallError) {
        let file = try OwnedDescriptor.open(
            path, [.readWrite, .create, .noFollow], permissions: 0o600)
        try checked("fcntl(F_OFD_SETLKW)") { cgraph_ofd_lock(file.rawValue, number, 1, 1) }
        descriptor = file
    }

    /// Waits until nobody holds the number alone, and shares it with others who do this; the file must
    /// exist, and need not be writable.
    package init(sharing number: Int64, in path: FilePath) throws(SyscallError) {
        let file = try OwnedDescriptor.open(path, .readOnly)
        try checked("fcntl(F_OFD_SETLKW)") { cgraph_ofd_lock(file.rawValue, number, 0, 1) }
        descriptor = file
    }

    /// Holds the number, or returns nil when somebody else does.
    package init?(trying number: Int64, in path: FilePath) throws(SyscallError) {
        let file = try OwnedDescriptor.open(
            path, [.readWrite, .create, .noFollow], permissions: 0o600)
        do throws(SyscallError) {
            try checked("fcntl(F_OFD_SETLK)") { cgraph_ofd_lock(file.rawValue, number, 1, 0) }
        } catch  where error.errno == .resourceTemporarilyUnavailable {
            return nil
        }
        descriptor = file
    }

    /// Whether somebody holds the number; `F_OFD_GETLK`.
    ///
    /// False when there is no such file.
    package static func isHeld(_ number: Int64, in path: FilePath) throws(SyscallError) -> Bool {
        do throws(SyscallError) {
            // Asking needs no right to write.
            let file = try OwnedDescriptor.open(path, .readOnly)
            return try checked("fcntl(F_OFD_GETLK)") {
                cgraph_ofd_is_locked(file.rawValue, number)
            } == 1
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }
}
