// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// Random numbers that a seed repeats (SplitMix64).
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Starts from a seed.
    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The seed of this run: `GRAPH_TEST_SEED`, or 1.
    package static var runSeed: UInt64 {
        ProcessInfo.processInfo.environment["GRAPH_TEST_SEED"].flatMap { UInt64($0) } ?? 1
    }

    /// Whether this is the long run (`GRAPH_SOAK`).
    package static var isSoak: Bool { ProcessInfo.processInfo.environment["GRAPH_SOAK"] != nil }

    /// True with a probability of `percent` in a hundred.
    package mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &self) < percent
    }
}
