// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

import struct SystemPackage.Errno

/// How far a long operation has come.
public struct WorkProgress: Hashable, Sendable {
    /// What is being done, for people: `unpacking`, `comparing`, `copying`.
    public var phase: String
    /// Bytes read or written so far.
    public var completedBytes: UInt64
    /// Bytes in all, where known beforehand.
    public var totalBytes: UInt64?

    /// Makes a report.
    public init(phase: String, completedBytes: UInt64, totalBytes: UInt64? = nil) {
        (self.phase, self.completedBytes, self.totalBytes) = (phase, completedBytes, totalBytes)
    }
}

/// How a caller watches and stops a long operation.
///
/// Called from the threads that do the work.
public struct WorkObserver: Sendable {
    private let cancelled: @Sendable () -> Bool
    private let progressed: @Sendable (WorkProgress) -> Void

    /// Watches with two closures, both cheap: they are called every few hundred kilobytes.
    public init(
        isCancelled: @escaping @Sendable () -> Bool = { false },
        progressed: @escaping @Sendable (WorkProgress) -> Void = { _ in }
    ) {
        (cancelled, self.progressed) = (isCancelled, progressed)
    }

    /// Nobody watches.
    public static let none = WorkObserver()

    /// Whether the caller asked to stop.
    public var isCancelled: Bool { cancelled() }

    /// Passes a report on, and asks nothing.
    package func pass(_ progress: WorkProgress) { progressed(progress) }

    /// Looks whether the caller asked to stop, in loops that have nothing to report.
    ///
    /// - Throws: ``ArchiveError/Code/cancelled`` then.
    package func requireGoOn() throws(ArchiveError) { if cancelled() { throw .cancelled } }

    /// The same between system calls, whose failures have another type.
    ///
    /// - Throws: `ECANCELED` then.
    package func requireGoOnCalls() throws(SyscallError) {
        if cancelled() { throw SyscallError(call: "stopped on request", errno: .canceled) }
    }

    /// Passes a report on.
    ///
    /// - Throws: ``ArchiveError/Code/cancelled`` when the caller asked to stop.
    public func report(_ progress: @autoclosure () -> WorkProgress) throws(ArchiveError) {
        if cancelled() { throw .cancelled }
        progressed(progress())
    }
}
