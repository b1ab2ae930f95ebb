// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

import struct SystemPackage.Errno

/// Why an archive could not be read, written or unpacked.
public struct ArchiveError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, which callers branch on.
    public enum Code: Hashable, Sendable {
        /// The bytes break the format, or say something that no layer may say.
        case malformed
        /// The bytes end before the archive does.
        case truncated
        /// The archive is sound, but asks for what cannot be kept here.
        case unsupported
        /// The bytes have another digest than they should.
        case digestMismatch
        /// The caller asked to stop.
        case cancelled
        /// The kernel refused a call; ``ArchiveError/cause`` says which.
        case system
    }

    /// What a program decides by.
    public let code: Code
    /// One sentence for a person, without the offset.
    public let message: String
    /// Where in the stream, in bytes: of the compressed stream for errors of compression, else of
    /// the tar stream.
    public let offset: UInt64?
    /// The system call behind the failure, if there was one.
    public let cause: SyscallError?

    /// Describes a failure.
    public init(
        _ code: Code, _ message: String, offset: UInt64? = nil, cause: SyscallError? = nil
    ) {
        (self.code, self.message, self.offset, self.cause) = (code, message, offset, cause)
    }

    /// Whether what was read is not what was once written, whoever reads it and when.
    ///
    /// A kernel that refuses because something is in use, or because a resource ran out, says nothing
    /// about that.
    package var isDamage: Bool {
        guard let cause else { return code != .cancelled && code != .system }
        let telling: [Errno] = [
            .noSuchFileOrDirectory, .notDirectory, .isDirectory, .tooManySymbolicLinkLevels,
            .fileNameTooLong, .improperLink, .invalidArgument, .noSuchAddressOrDevice, .ioError,
            .badMessage,
        ]
        return cause.isDamage || telling.contains(cause.errno)
    }

    /// The caller asked to stop.
    static var cancelled: ArchiveError { ArchiveError(.cancelled, "stopped on request") }

    /// The message, the offset and the cause.
    public var description: String {
        let place = offset.map { " (at byte \($0))" } ?? ""
        return message + place + (cause.map { ": \($0)" } ?? "")
    }
}

/// Makes system calls, and says in their failure what was being done.
func attempting<Value: ~Copyable>(
    _ action: @autoclosure () -> String,
    _ calls: @autoclosure () throws(SyscallError) -> Value
) throws(ArchiveError) -> Value {
    do {
        return try calls()
    } catch {
        throw ArchiveError(.system, "could not \(action())", cause: error)
    }
}
