// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphSystem
import SystemPackage

/// What went wrong in a driver or in the layer store.
public struct DriverError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure, which callers branch on.
    ///
    /// Raw values are part of the C interface: never renumbered or reused.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: Int32
        /// Takes a raw value.
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// No layer has this id, or the driver has no bytes of it.
        public static let layerNotFound = Code(rawValue: 1)
        /// The id is taken.
        public static let layerExists = Code(rawValue: 2)
        /// The layer has children or is mounted; the message names them.
        public static let layerInUse = Code(rawValue: 3)
        /// The layer's kind does not allow the operation.
        public static let wrongKind = Code(rawValue: 4)
        /// What the caller gave makes no sense.
        public static let invalidArgument = Code(rawValue: 5)
        /// The stream is not a layer.
        public static let invalidArchive = Code(rawValue: 6)
        /// The stream or the layer has another digest than it should.
        public static let digestMismatch = Code(rawValue: 7)
        /// The chain of parents would be longer than the driver can mount.
        public static let depthExceeded = Code(rawValue: 8)
        /// This host, kernel, filesystem or build cannot do it.
        public static let unsupported = Code(rawValue: 9)
        /// A resource is used up; ``DriverError/resource`` says which.
        public static let noSpace = Code(rawValue: 10)
        /// The layer's own limit is reached.
        public static let quotaExceeded = Code(rawValue: 11)
        /// The store belongs to another driver.
        public static let driverMismatch = Code(rawValue: 12)
        /// Records and disk disagree in a way that is not repaired by itself.
        public static let storeDamaged = Code(rawValue: 13)
        /// The store is on a read-only filesystem or was opened for reading.
        public static let storeReadOnly = Code(rawValue: 14)
        /// The caller asked to stop.
        public static let cancelled = Code(rawValue: 15)
        /// The kernel refused a call; ``DriverError/cause`` says which.
        public static let system = Code(rawValue: 16)
        /// Another user owns a file or directory of the store, may write to it, or may put another
        /// one in its place; the message has the command that mends it.
        public static let untrusted = Code(rawValue: 17)
        /// No image has this name or id.
        public static let imageNotFound = Code(rawValue: 18)
    }

    /// What ran out.
    public enum Resource: String, Hashable, Sendable {
        case bytes, inodes, quota
        case poolData = "pool data"
        case poolMetadata = "pool metadata"
    }

    /// What a program decides by.
    public let code: Code
    /// What was attempted and why it failed, for a person, without a full stop at its end.
    public let message: String
    /// The system call behind the failure, if there was one.
    public let cause: SyscallError?
    /// What ran out, for ``Code/noSpace`` and ``Code/quotaExceeded``.
    public let resource: Resource?

    /// Describes a failure.
    public init(
        _ code: Code, _ message: String, cause: SyscallError? = nil, resource: Resource? = nil
    ) {
        (self.code, self.message, self.cause, self.resource) = (code, message, cause, resource)
    }

    /// Describes the failure of a system call, with the code that its error number stands for.
    public init(_ action: String, _ cause: SyscallError) {
        if cause.isDamage {
            self.init(.storeDamaged, "could not \(action)", cause: cause)
            return
        }
        if cause.isMissingLibrary {
            self.init(.unsupported, "could not \(action)", cause: cause)
            return
        }
        switch cause.errno {
        case .noSpace:
            self.init(.noSpace, "could not \(action)", cause: cause, resource: .bytes)
        case .diskQuotaExceeded:
            self.init(.quotaExceeded, "could not \(action)", cause: cause, resource: .quota)
        case .argListTooLong:
            // Attributes larger than the filesystem takes: nothing that freeing space would help.
            self.init(.unsupported, "could not \(action)", cause: cause)
        case .readOnlyFileSystem:
            self.init(.storeReadOnly, "could not \(action)", cause: cause)
        default:
            self.init(.system, "could not \(action)", cause: cause)
        }
    }

    /// Describes the failure of work on an archive or a tree.
    public init(_ action: String, _ error: ArchiveError) {
        if let cause = error.cause {
            self.init("\(action): \(error.message)", cause)
            return
        }
        let message = "could not \(action): \(error)"
        switch error.code {
        case .malformed, .truncated: self.init(.invalidArchive, message)
        case .unsupported: self.init(.unsupported, message)
        case .digestMismatch: self.init(.digestMismatch, message)
        case .cancelled: self.init(.cancelled, message)
        case .system: self.init(.system, message)
        }
    }

    /// The message and the call behind it.
    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}

extension DriverError.Code: CustomStringConvertible {
    /// The code's name, as `--json` prints it.
    public var description: String {
        let names = [
            "layerNotFound", "layerExists", "layerInUse", "wrongKind", "invalidArgument",
            "invalidArchive", "digestMismatch", "depthExceeded", "unsupported", "noSpace",
            "quotaExceeded", "driverMismatch", "storeDamaged", "storeReadOnly", "cancelled",
            "system", "untrusted", "imageNotFound",
        ]
        let index = Int(rawValue) - 1
        return names.indices.contains(index) ? names[index] : "code \(rawValue)"
    }
}

/// Makes system calls, and says in their failure what was being done.
public func attempting<Value: ~Copyable>(
    _ action: @autoclosure () -> String,
    _ calls: @autoclosure () throws(SyscallError) -> Value
) throws(DriverError) -> Value {
    do {
        return try calls()
    } catch {
        throw DriverError(action(), error)
    }
}

/// Works on archives and trees, and says in a failure what was being done.
package func attempting<Value: ~Copyable>(
    archive action: @autoclosure () -> String,
    _ work: @autoclosure () throws(ArchiveError) -> Value
) throws(DriverError) -> Value {
    do {
        return try work()
    } catch {
        throw DriverError(action(), error)
    }
}
