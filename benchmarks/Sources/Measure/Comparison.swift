// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// Which figures of one result are another's, with an estimate of the noise.
///
/// A figure is the median of its samples. How far it may be wrong is told by drawing both results
/// anew from their own samples, first rounds, then samples of the rounds drawn (a bootstrap in two
/// stages): what drifts between the rounds of a run makes the interval wide.
package struct Comparison: Sendable {
    package enum Verdict: String, Sendable {
        case slower, faster, same
    }

    package struct Row: Sendable {
        package let key: Series.Key
        package let before: Double
        package let after: Double
        /// Time after by time before, of throughputs the other way round: above 1 is worse.
        package let ratio: Double
        /// Where the ratio lies with 99 % confidence.
        package let interval: ClosedRange<Double>
        package let verdict: Verdict
    }

    package let rows: [Row]
    package let onlyBefore: [Series.Key]
    package let onlyAfter: [Series.Key]

    /// Compares what both results have.
    ///
    /// `threshold` is how much worse is worth telling, 0.1 for 10 %. A figure is slower when its
    /// ratio is past that and the whole interval is above 1.
    package init(_ before: BenchResult, _ after: BenchResult, threshold: Double) {
        let old = Dictionary(before.series.map { ($0.key, $0) }) { first, _ in first }
        let new = Dictionary(after.series.map { ($0.key, $0) }) { first, _ in first }
        rows = after.series.compactMap { series in
            old[series.key].flatMap { Self.row($0, series, threshold) }
        }
        onlyBefore = before.series.map(\.key).filter { new[$0] == nil }
        onlyAfter = after.series.map(\.key).filter { old[$0] == nil }
    }

    package var slower: [Row] { rows.filter { $0.verdict == .slower } }

    private static func row(_ before: Series, _ after: Series, _ threshold: Double) -> Row? {
        let old = before.rounds.filter { !$0.isEmpty }
        let new = after.rounds.filter { !$0.isEmpty }
        guard !old.isEmpty, !new.isEmpty, before.unit == after.unit else { return nil }
        func ratio(_ old: Double, _ new: Double) -> Double {
            before.unit.isBetterWhenLess ? new / old : old / new
        }
        var random = SeededRandom(seed: 1)
        let drawn = (0..<1000).map { _ in
            ratio(drawnMedian(old, &random), drawnMedian(new, &random))
        }.sorted()
        let interval =
            Statistics.quantile(of: drawn, 0.005)...Statistics.quantile(of: drawn, 0.995)
        let (p50Old, p50New) = (
            Statistics.median(before.samples), Statistics.median(after.samples)
        )
        let found = ratio(p50Old, p50New)
        var verdict = Verdict.same
        // With very few samples every interval is narrow by chance.
        if before.samples.count >= 5 && after.samples.count >= 5 {
            if found > 1 + threshold && interval.lowerBound > 1 { verdict = .slower }
            if found < 1 / (1 + threshold) && interval.upperBound < 1 { verdict = .faster }
        }
        return Row(
            key: after.key, before: p50Old, after: p50New, ratio: found, interval: interval,
            verdict: verdict)
    }

    private static func drawnMedian(_ rounds: [[Double]], _ random: inout SeededRandom) -> Double {
        var drawn: [Double] = []
        for _ in rounds {
            let round = rounds[Int.random(in: 0..<rounds.count, using: &random)]
            for _ in round { drawn.append(round[Int.random(in: 0..<round.count, using: &random)]) }
        }
        return Statistics.median(drawn)
    }
}
