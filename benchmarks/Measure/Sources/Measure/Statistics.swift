// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What a row of numbers tells.
public struct Statistics: Codable, Hashable, Sendable {
    public let n: Int
    public let min: Double
    public let p50: Double
    public let p99: Double
    public let max: Double

    /// Nil for no numbers.
    public init?(_ numbers: [Double]) {
        let sorted = numbers.sorted()
        guard let first = sorted.first, let last = sorted.last else { return nil }
        (n, min, max) = (sorted.count, first, last)
        p50 = Self.quantile(of: sorted, 0.5)
        p99 = Self.quantile(of: sorted, 0.99)
    }

    /// The value that this share of sorted numbers does not exceed.
    ///
    /// The nearest rank, so that every answer is a number that was measured; for the median of an
    /// even count the mean of the two in the middle.
    public static func quantile(of sorted: [Double], _ share: Double) -> Double {
        precondition(!sorted.isEmpty && share >= 0 && share <= 1)
        if share == 0.5 && sorted.count.isMultiple(of: 2) {
            return (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
        }
        let rank = (Double(sorted.count) * share).rounded(.up)
        return sorted[Swift.max(0, Int(rank) - 1)]
    }

    public static func median(_ numbers: [Double]) -> Double {
        quantile(of: numbers.sorted(), 0.5)
    }
}
