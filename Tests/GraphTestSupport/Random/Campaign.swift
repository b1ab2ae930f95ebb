// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import Synchronization

/// Runs `count` rounds that have nothing in common, a few at a time, and returns what they tell, in no order.
///
/// Rounds that write to disks wait more than they work: together they take half the time. What a round tells
/// is for its test to expect, since an expectation on another thread belongs to no test. No round is begun
/// after the first error, which is thrown.
package func campaign<Told: Sendable>(
    rounds count: Int, _ round: @escaping @Sendable (Int) throws -> Told
) throws -> [Told] {
    let told = Mutex<[Told]>([])
    try ParallelWork<Int, any Error>.run(0, threadsMax: 4) { index, work in
        if index + 1 < count { work.add(index + 1) }
        let result = try round(index)
        told.withLock { $0.append(result) }
    }
    return told.withLock { $0 }
}
