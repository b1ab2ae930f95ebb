// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
package import SystemPackage

/// A file descriptor with one owner, closed when that owner's lifetime ends.
public struct OwnedDescriptor: ~Copyable, Sendable {
    let rawValue: CInt

    /// Takes over an open descriptor that nobody else will close.
    public init(owning rawValue: CInt) { self.rawValue = rawValue }

    deinit { _ = Glibc.close(rawValue) }

    /// Closes the descriptor and reports the error that `deinit` would drop.
    ///
    /// For descriptors written to: `close(2)` may report a failed delayed write. Not retried on
    /// `EINTR`, because Linux has released the descriptor by then.
    public consuming func close() throws(SyscallError) {
        let descriptor = rawValue
        discard self
        if Glibc.close(descriptor) == -1 {
            throw SyscallError(call: "close", errno: Errno(rawValue: Glibc.errno))
        }
    }

    /// Gives the descriptor up without closing it.
    consuming func release() -> CInt {
        let descriptor = rawValue
        discard self
        return descriptor
    }

    /// Opens a path; `open(2)` with `O_CLOEXEC`.
    package static func open(
        _ path: FilePath, _ flags: OpenFlags, permissions: UInt16 = 0
    ) throws(SyscallError) -> OwnedDescriptor {
        let raw = try checked("open(\(path))") {
            path.withPlatformString {
                cgraph_openat(
                    AT_FDCWD, $0, flags.rawValue | Glibc.O_CLOEXEC, CUnsignedInt(permissions))
            }
        }
        return OwnedDescriptor(owning: raw)
    }

    /// Duplicates the descriptor; `fcntl(2)` with `F_DUPFD_CLOEXEC`.
    package func duplicate() throws(SyscallError) -> OwnedDescriptor {
        let copy = try checked("fcntl(F_DUPFD_CLOEXEC)") { fcntl(rawValue, F_DUPFD_CLOEXEC, 0) }
        return OwnedDescriptor(owning: copy)
    }

    /// Opens the same file once more, with other flags.
    package func reopened(_ flags: OpenFlags) throws(SyscallError) -> OwnedDescriptor {
        try OwnedDescriptor.open(procPath, flags)
    }

    /// A path by which any system call reaches this open file: `/proc/self/fd/N`.
    package var procPath: FilePath { FilePath("/proc/self/fd/\(rawValue)") }

    /// Where the kernel says that the open file is, without symbolic links; `readlink(2)` of
    /// ``procPath``.
    package func name() throws(SyscallError) -> RawPath {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let path = procPath
        let count = try checked("readlink(\(path))") {
            path.withPlatformString { readlink($0, &buffer, buffer.count) }
        }
        return RawPath(trusted: buffer[..<count].map { UInt8(bitPattern: $0) })
    }

    /// The descriptor's number, for calls outside this module; still owned by this value.
    package var number: CInt { rawValue }
}

/// How to open a file: the flags of `open(2)`.
package struct OpenFlags: OptionSet, Sendable {
    package let rawValue: CInt
    /// Takes raw flags of `open(2)`.
    package init(rawValue: CInt) { self.rawValue = rawValue }

    // The protocol's own is generic over sequences: a short command would pay for the search of a conformance.
    package init(arrayLiteral flags: OpenFlags...) {
        var all: CInt = 0
        for flag in flags { all |= flag.rawValue }
        self.init(rawValue: all)
    }

    /// `O_RDONLY`.
    package static let readOnly = OpenFlags([])
    /// `O_WRONLY`.
    package static let writeOnly = OpenFlags(rawValue: Glibc.O_WRONLY)
    /// `O_RDWR`.
    package static let readWrite = OpenFlags(rawValue: Glibc.O_RDWR)
    /// `O_CREAT`.
    package static let create = OpenFlags(rawValue: Glibc.O_CREAT)
    /// `O_EXCL`.
    package static let exclusive = OpenFlags(rawValue: Glibc.O_EXCL)
    /// `O_TRUNC`.
    package static let truncate = OpenFlags(rawValue: Glibc.O_TRUNC)
    /// `O_APPEND`.
    package static let append = OpenFlags(rawValue: Glibc.O_APPEND)
    /// `O_NOFOLLOW`.
    package static let noFollow = OpenFlags(rawValue: CInt(CGRAPH_O_NOFOLLOW))
    /// `O_DIRECTORY`.
    package static let directory = OpenFlags(rawValue: CInt(CGRAPH_O_DIRECTORY))
    /// `O_PATH`.
    package static let path = OpenFlags(rawValue: CInt(CGRAPH_O_PATH))
    /// `O_NONBLOCK`, so that opening a FIFO never waits.
    package static let nonBlocking = OpenFlags(rawValue: Glibc.O_NONBLOCK)
    /// `O_NOATIME`, for the owner of a file and for root.
    package static let noAccessTime = OpenFlags(rawValue: CInt(CGRAPH_O_NOATIME))
}
