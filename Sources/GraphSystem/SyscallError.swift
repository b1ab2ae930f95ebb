// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
public import SystemPackage

/// The failure of one system call.
public struct SyscallError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The call and its telling argument, such as `fsconfig(lowerdir+)`.
    public let call: String
    /// The error number that the kernel returned.
    public let errno: Errno
    /// What the kernel said beside the number, where the call has a way to tell (fsopen(2)).
    public let detail: String?

    /// Describes a failed call.
    public init(call: String, errno: Errno, detail: String? = nil) {
        (self.call, self.errno, self.detail) = (call, errno, detail)
    }

    /// The call, the kernel's text and number, and what it said beside them.
    public var description: String {
        let text = "\(call): \(errno) (errno \(errno.rawValue))"
        return detail.map { "\(text): \($0)" } ?? text
    }

    /// The number that filesystems give for structures on disk that make no sense.
    private static let damageNumber = Errno(rawValue: EUCLEAN)

    /// Describes data on disk that nobody can make sense of, as a filesystem describes its own
    /// (`EUCLEAN`).
    package static func damage(_ place: String, _ detail: String) -> SyscallError {
        SyscallError(call: place, errno: damageNumber, detail: detail)
    }

    /// The number for a library that is not there.
    private static let libraryNumber = Errno(rawValue: ELIBACC)

    /// Describes a library that cannot be loaded, by dlopen(3)'s reason and the Debian package that
    /// brings it (`ELIBACC`).
    static func missingLibrary(_ name: String, package: String, _ reason: String) -> SyscallError {
        SyscallError(
            call: "dlopen(\(name))", errno: libraryNumber,
            detail: "\(reason); Debian's package \(package) brings it")
    }

    /// Whether a library could not be loaded.
    package var isMissingLibrary: Bool { errno == Self.libraryNumber }

    /// Whether what is on disk makes no sense.
    package var isDamage: Bool { errno == Self.damageNumber }
}

/// Makes one system call, and makes it again while signals interrupt it (`EINTR`).
///
/// - Parameters:
///   - call: How the error names the call.
///   - body: The call and nothing else, so that nothing can overwrite `errno`.
/// - Returns: What `body` returned, never -1.
/// - Throws: The error number that `body` left when it returned -1.
@discardableResult
func checked<Value: SignedInteger>(
    _ call: @autoclosure () -> String,
    _ body: () -> Value
) throws(SyscallError) -> Value {
    while true {
        let value = body()
        if value != -1 { return value }
        let errno = Errno(rawValue: Glibc.errno)
        if errno != .interrupted { throw SyscallError(call: call(), errno: errno) }
    }
}
