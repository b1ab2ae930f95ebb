// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure

/// Nanoseconds that the monotonic clock goes on while `body` runs.
@inline(__always)
public func nanoseconds(_ body: () throws -> Void) rethrows -> Double {
    let start = cmeasure_now()
    try body()
    return Double(cmeasure_now() - start)
}

/// What measuring an operation that does nothing gives, in nanoseconds: the median of many.
public func emptyOperation() -> Double {
    var operations: [() -> Void] = [{}, {}]
    operations.shuffle()  // so that the call is made, as it is for one that does something
    let samples = (0..<10_000).map { index in nanoseconds(operations[index & 1]) }
    return Statistics.median(samples)
}

/// Whether the person who runs the benchmark wants it to end.
public func checkInterrupted() throws {
    if cmeasure_interrupted() != 0 { throw MeasureError("interrupted; everything was taken down") }
}
