// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What is done with whole layers, by number of layers, depth, processes, and beside the peers.
enum LayersReport {
    static func sections(_ series: [Series]) -> [Report.Section] {
        let parts: [(String, String, String)] = [
            (
                "layers", "Cost against the number of layers in a store",
                "One process that has the store open; durable; one layer in ten is committed."
            ),
            (
                "depth", "Cost against the depth of the chain",
                "A new layer on top of a chain of so many committed ones."
            ),
            (
                "processes", "Several processes at once",
                "Each process makes, mounts, unmounts and removes layers of one store; `create+mount` is what "
                    + "one container waits for, `cycles` what all processes do together."
            ),
            (
                "layer bytes", "A layer comes in, is compared and goes out, beside the peers",
                "In turn in one run. `process` is a whole command, its start included; `in process` a program that "
                    + "has the store open. In brackets 99 % and the most."
            ),
        ]
        var sections: [Report.Section] = []
        for (parameter, title, text) in parts {
            let shown = series.filter { $0.key.parameterName == parameter }
            if shown.isEmpty { continue }
            var section = Report.Section(title, text)
            if parameter == "layer bytes" {
                section.tables = [streams(shown), ratios(shown)]
                section.brief = [
                    Table(
                        "Medians", of: shown, corner: "operation", row: \.operation,
                        column: { (0, "\($0.subject), \($0.mode)") }, cell: \.shortText),
                    ratios(shown),
                ]
            } else {
                section.tables = [table(title, shown, \.longText)]
                let isCrowded = parameter == "processes"
                section.brief = [table(title, shown, isCrowded ? \.longText : \.briefText)]
                let plotted = shown.filter { $0.unit == .nanoseconds }
                if Set(plotted.map(\.key.parameter)).count > 1 {
                    section.plots = [plot(title, parameter, plotted)]
                }
            }
            sections.append(section)
        }
        return sections
    }

    private static func who(_ key: Series.Key) -> String {
        [key.subject, key.mode, key.operation].filter { !$0.isEmpty }.joined(separator: ", ")
    }

    private static func table(
        _ title: String, _ series: [Series], _ cell: (Series) -> String
    ) -> Table {
        Table(
            title, of: series, corner: "operation", row: who,
            column: { ($0.parameter, Figure.parameter($0)) }, cell: cell)
    }

    private static func plot(_ title: String, _ parameter: String, _ series: [Series]) -> (
        name: String, plot: Plot
    ) {
        var points: [String: [(x: Double, y: Double)]] = [:]
        var order: [String] = []
        for one in series {
            guard let statistics = one.statistics else { continue }
            let name = who(one.key)
            if points[name] == nil { order.append(name) }
            points[name, default: []].append((Double(one.key.parameter), statistics.p50))
        }
        return (
            "layers-\(parameter)",
            Plot(
                title,
                x: Plot.Axis(parameter, base: parameter == "processes" ? 2 : 10) {
                    Figure.digits($0)
                },
                y: Plot.Axis("median", base: 10) { Figure.duration($0) },
                lines: order.map { Plot.Line($0, points[$0] ?? []) })
        )
    }

    private static func streams(_ series: [Series]) -> Table {
        Table(
            "Times", header: ["operation", "who", "median", "min", "max", "n", "user", "system"],
            rows: series.map { one in
                let key = one.key
                func cpu(_ values: [Double]) -> String {
                    values.isEmpty ? "" : Figure.duration(Statistics.median(values))
                }
                return [
                    key.operation, key.mode.isEmpty ? key.subject : "\(key.subject), \(key.mode)",
                    one.shortText, one.statistics.map { Figure.duration($0.min) } ?? "",
                    one.statistics.map { Figure.duration($0.max) } ?? "",
                    "\(one.statistics?.n ?? 0)", cpu(one.userTime), cpu(one.systemTime),
                ]
            })
    }

    /// Peer by own, for whole commands with the same driver on the same filesystem.
    private static func ratios(_ series: [Series]) -> Table {
        let own = series.filter { $0.key.subject.hasPrefix("graphctl ") }
        var rows: [String: [String: String]] = [:]
        var (operations, peers): ([String], [String]) = ([], [])
        for mine in own {
            let operation = mine.key.operation
            let place = mine.key.subject.dropFirst("graphctl ".count)
            for other in series
            where other.key.operation == operation && other.key.subject != mine.key.subject
                && other.key.subject.hasSuffix(" \(place)") && other.key.mode == mine.key.mode
            {
                guard let before = other.statistics?.p50, let after = mine.statistics?.p50 else {
                    continue
                }
                if !operations.contains(operation) { operations.append(operation) }
                if !peers.contains(other.key.subject) { peers.append(other.key.subject) }
                rows[operation, default: [:]][other.key.subject] = Figure.digits(before / after)
            }
        }
        return Table(
            "Time of the peer by that of graphctl", header: ["operation"] + peers,
            rows: operations.map { name in [name] + peers.map { rows[name]?[$0] ?? "" } })
    }
}
