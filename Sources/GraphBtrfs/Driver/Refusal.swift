// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Why the kernel could not be asked where two layers differ.
struct Refusal: Error {
    /// For a person.
    let reason: String
    /// Whether another way of asking would be refused as well.
    let isFinal: Bool

    init(_ reason: String, isFinal: Bool = false) {
        (self.reason, self.isFinal) = (reason, isFinal)
    }

    init(_ error: SyscallError) { self.init(error.description) }
}

/// Makes system calls, of which each may refuse.
func asking<Value>(
    _ calls: @autoclosure () throws(SyscallError) -> Value
) throws(Refusal) -> Value {
    do {
        return try calls()
    } catch {
        throw Refusal(error)
    }
}
