// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import Synchronization

/// Does two things at once: the first on a thread of its own, the second on the caller's.
///
/// Waits for both, whatever becomes of either.
///
/// - Throws: The error of the second, else that of the first.
func concurrently<First: Sendable, Second>(
    _ first: @escaping @Sendable () throws(DriverError) -> First,
    _ second: () throws(DriverError) -> Second
) throws(DriverError) -> (First, Second) {
    let outcome = Outcome<First>()
    let thread = try attempting(
        "start a thread", try WorkerThread { outcome.set(Result(catching: first)) })
    let other = Result(catching: second)
    thread.join()
    let result = try other.get()
    guard let value = outcome.value else {
        throw DriverError(.system, "a thread ended without a result")
    }
    return (try value.get(), result)
}

/// Carries a result from one thread to another.
private final class Outcome<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, DriverError>?>(nil)

    var value: Result<Value, DriverError>? { result.withLock { $0 } }

    func set(_ value: Result<Value, DriverError>) { result.withLock { $0 = value } }
}
