// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// What became slower from one result to another, with an estimate of the noise.
///
/// A figure's change is the median of the ratios of its rounds: the median of a round after by that
/// of the same round before. How much those ratios differ among themselves tells how far their
/// median may be wrong. So results taken in turn are compared without what the machine did
/// meanwhile, and what drifts within a run makes the interval wide. What drifts between runs is
/// told by figures in which nothing of this project has a part (``drift``).
public struct Comparison: Sendable {
    public enum Verdict: String, Sendable {
        case slower, faster, same
    }

    public struct Row: Sendable {
        public let key: Series.Key
        public let before: Double
        public let after: Double
        /// Time after by time before, of throughputs the other way round: above 1 is worse.
        public let ratio: Double
        /// Where the ratio lies with 99 % confidence.
        public let interval: ClosedRange<Double>
        public let verdict: Verdict
    }

    public let rows: [Row]
    public let onlyBefore: [Series.Key]
    public let onlyAfter: [Series.Key]
    /// How many times as long plain files and floors took, 1 when too few were measured: the
    /// machine's own change.
    public let drift: Double

    /// Compares what both results have.
    ///
    /// `threshold` is how much worse is worth telling, 0.1 for 10 %. A figure is slower when its
    /// whole interval is past that, and past it by more than the machine drifted.
    public init(_ before: BenchResult, _ after: BenchResult, threshold: Double) {
        let old = Dictionary(before.series.map { ($0.key, $0) }) { first, _ in first }
        let new = Dictionary(after.series.map { ($0.key, $0) }) { first, _ in first }
        let found = after.series.compactMap { series in
            old[series.key].flatMap { Self.row($0, series) }
        }
        let ownRatios = found.filter { $0.key.isOfMachine }.map(\.ratio)
        let drift = ownRatios.count < 5 ? 1 : Statistics.median(ownRatios)
        self.drift = drift
        rows = found.map { $0.judged(threshold: threshold, drift: drift) }
        onlyBefore = before.series.map(\.key).filter { new[$0] == nil }
        onlyAfter = after.series.map(\.key).filter { old[$0] == nil }
    }

    public var slower: [Row] { rows.filter { $0.verdict == .slower } }

    private static func row(_ before: Series, _ after: Series) -> Row? {
        guard before.unit == after.unit else { return nil }
        let logs = zip(before.rounds, after.rounds).compactMap { old, new -> Double? in
            if old.isEmpty || new.isEmpty { return nil }
            let ratio = Statistics.median(new) / Statistics.median(old)
            return log(before.unit.isBetterWhenLess ? ratio : 1 / ratio)
        }
        if logs.isEmpty { return nil }
        let middle = Statistics.median(logs)
        let reach = errorOfMedian(logs, around: middle)
        return Row(
            key: after.key, before: Statistics.median(before.samples),
            after: Statistics.median(after.samples), ratio: exp(middle),
            interval: exp(middle - reach)...exp(middle + reach), verdict: .same)
    }

    /// How far the median of these numbers may be from the truth, with 99 % confidence.
    ///
    /// Student's t of the standard error of a median. The spread of many rounds is told by their
    /// median absolute deviation, which a few disturbed ones do not change; of few by their
    /// standard deviation, since the former may be nothing by chance.
    private static func errorOfMedian(_ numbers: [Double], around middle: Double) -> Double {
        let count = numbers.count
        if count < 2 { return .infinity }
        let spread: Double
        if count < 8 {
            let squares = numbers.map { ($0 - middle) * ($0 - middle) }.reduce(0, +)
            spread = (squares / Double(count - 1)).squareRoot()
        } else {
            spread = 1.4826 * Statistics.median(numbers.map { abs($0 - middle) })
        }
        let students = [63.66, 9.92, 5.84, 4.60, 4.03, 3.71, 3.50, 3.36, 3.25, 3.17]
        let factor = count - 2 < students.count ? students[count - 2] : count < 21 ? 3.11 : 2.85
        return factor * 1.2533 * spread / Double(count).squareRoot()
    }
}

extension Comparison.Row {
    fileprivate func judged(threshold: Double, drift: Double) -> Comparison.Row {
        let verdict: Comparison.Verdict =
            interval.lowerBound > (1 + threshold) * max(1, drift)
            ? .slower : interval.upperBound < min(1, drift) / (1 + threshold) ? .faster : .same
        return Comparison.Row(
            key: key, before: before, after: after, ratio: ratio, interval: interval,
            verdict: verdict)
    }
}

extension Series.Key {
    /// Whether nothing of this project has a part in it.
    fileprivate var isOfMachine: Bool { subject.hasPrefix("plain ") || subject.hasPrefix("floor ") }
}
