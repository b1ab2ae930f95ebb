// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Collects samples, round by round.
public final class Recorder {
    public private(set) var series: [Series.Key: Series] = [:]
    private var order: [Series.Key] = []
    private var round = 0

    public init() {}

    /// All samples added from here on belong to the next round.
    public func beginRound() { round += 1 }

    /// Adds a sample of one operation.
    public func add(
        _ key: Series.Key, _ sample: Double, unit: Series.Unit = .nanoseconds,
        bytesWritten: Double? = nil, spaceUsed: Double? = nil, user: Double? = nil,
        system: Double? = nil
    ) {
        if series[key] == nil { order.append(key) }
        var one = series[key] ?? Series(key, unit: unit)
        while one.rounds.count < round { one.rounds.append([]) }
        one.rounds[round - 1].append(sample)
        if let bytesWritten { one.bytesWritten.append(bytesWritten) }
        if let spaceUsed { one.spaceUsed.append(spaceUsed) }
        if let user { one.userTime.append(user) }
        if let system { one.systemTime.append(system) }
        series[key] = one
    }

    /// All series in the order in which they were begun.
    public var all: [Series] { order.compactMap { series[$0] } }
}
