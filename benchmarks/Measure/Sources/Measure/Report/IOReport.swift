// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Steady reading and writing in a mounted layer, against the plain directory beside it.
enum IOReport {
    static func sections(_ series: [Series]) -> [Report.Section] {
        if series.isEmpty { return [] }
        var section = Report.Section(
            "Reading and writing in a mounted layer",
            "Throughput in the layer by that in the plain directory of the same filesystem: the median of the "
                + "ratios of pairs that were measured one after the other, least and most in brackets."
        )
        let layers = series.filter { !$0.key.subject.hasPrefix("plain") }
        section.tables = [
            Table(
                "Ratio to the plain directory", of: layers, corner: "job",
                row: { $0.mode.isEmpty ? $0.operation : "\($0.operation), \($0.mode)" },
                column: { (0, $0.subject) }, cell: { ratio($0, series) }),
            Table(
                "Throughput", of: series, corner: "job",
                row: { $0.mode.isEmpty ? $0.operation : "\($0.operation), \($0.mode)" },
                column: { (0, $0.subject) }, cell: \.shortText),
        ]
        return [section]
    }

    private static func ratio(_ layer: Series, _ series: [Series]) -> String {
        var key = layer.key
        let filesystem = key.subject.split(separator: " ").last ?? ""
        key.subject = "plain on \(filesystem)"
        guard let plain = series.first(where: { $0.key == key }) else { return "" }
        let pairs = zip(layer.samples, plain.samples).map { $0 / $1 }
        guard let statistics = Statistics(pairs) else { return "" }
        let numbers = [statistics.p50, statistics.min, statistics.max].map(threeDecimals)
        return "\(numbers[0]) (\(numbers[1]) to \(numbers[2]))"
    }

    private static func threeDecimals(_ value: Double) -> String {
        let thousandths = Int((value * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
