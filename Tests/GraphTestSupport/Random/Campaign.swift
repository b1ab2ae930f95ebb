// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Runs `count` rounds that have nothing in common, a few at a time, and returns what they tell, in no order.
///
/// Rounds that write to disks wait more than they work: together they take half the time. What a round tells
/// is for its test to expect, since an expectation on another thread belongs to no test. The first error ends
/// the campaign.
package func campaign<Told: Sendable>(
    rounds count: Int, width: Int = 4, _ round: @escaping @Sendable (Int) throws -> Told
) throws -> [Told] {
    let state = Monitor(Rounds<Told>())
    let threads = try (0..<width).map { _ in
        try WorkerThread {
            while let index = state.change({ (state: inout Rounds<Told>) -> Int? in
                guard state.failure == nil, state.next < count else { return nil }
                defer { state.next += 1 }
                return state.next
            }) {
                let result = Result { try round(index) }
                state.change { state in
                    switch result {
                    case .success(let told): state.told.append(told)
                    case .failure(let error): state.failure = state.failure ?? error
                    }
                }
            }
        }
    }
    for thread in threads { thread.join() }
    if let failure = state.change({ $0.failure }) { throw failure }
    return state.change { $0.told }
}

/// How far a campaign is.
private struct Rounds<Told> {
    var next = 0
    var told: [Told] = []
    var failure: (any Error)?
}
