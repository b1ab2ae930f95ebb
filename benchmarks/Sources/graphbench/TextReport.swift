// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Measure

/// Results as tables for a terminal.
enum TextReport {
    static func print(_ result: BenchResult) throws {
        let machine = result.machine
        var lines = [
            "\(machine.processor), \(machine.processors) processors, Linux \(machine.kernel), "
                + "\(machine.system), load \(machine.load)",
            machine.mounts.sorted { $0.key < $1.key }
                .map { "\($0.key): \($0.value)" }.joined(separator: "; "),
            String(
                format:
                    "an operation that does nothing: %.0f ns; ~ marks figures below 50 times that",
                result.overheadNanoseconds),
            "",
            "subject | mode | operation | state | parameter | p50 | p99 | max | n | written",
        ]
        for series in result.series {
            guard let statistics = series.statistics else { continue }
            let key = series.key
            let written =
                series.bytesWritten.isEmpty
                ? "" : Figure.bytes(Statistics.median(series.bytesWritten))
            lines.append(
                [
                    key.subject, key.mode, key.operation, key.state, Figure.parameter(key),
                    (series.isDoubtful ? "~" : "") + Figure.text(statistics.p50, series.unit),
                    Figure.text(statistics.p99, series.unit),
                    Figure.text(statistics.max, series.unit), "\(statistics.n)", written,
                ].joined(separator: " | "))
        }
        for one in result.unmeasured { lines.append("not measured: \(one.what): \(one.reason)") }
        lines.append(String(format: "%.0f seconds", result.durationSeconds))
        Swift.print(lines.joined(separator: "\n"))
    }

    static func comparison(
        _ comparison: Comparison, _ old: BenchResult, _ new: BenchResult, all: Bool
    ) -> String {
        var lines: [String] = []
        if old.machine.processor != new.machine.processor
            || old.machine.kernel != new.machine.kernel
        {
            lines.append(
                "different machines or kernels: \(old.machine.kernel), \(new.machine.kernel)")
        }
        let units = Dictionary(new.series.map { ($0.key, $0.unit) }) { first, _ in first }
        for row in comparison.rows where all || row.verdict != .same {
            let unit = units[row.key] ?? .nanoseconds
            lines.append(
                "\(row.verdict.rawValue): \(row.key): \(Figure.text(row.before, unit)) -> "
                    + Figure.text(row.after, unit)
                    + String(
                        format: ", ratio %.2f (%.2f to %.2f)", row.ratio, row.interval.lowerBound,
                        row.interval.upperBound))
        }
        for (keys, name) in [(comparison.onlyBefore, "before"), (comparison.onlyAfter, "after")]
        where !keys.isEmpty {
            lines.append("only \(name): \(keys.count) figures")
        }
        if comparison.drift != 1 {
            lines.append(
                String(
                    format:
                        "plain files and floors took %.2f times as long: the machine's own part",
                    comparison.drift))
        }
        let counts = Dictionary(grouping: comparison.rows, by: \.verdict).mapValues(\.count)
        lines.append(
            "\(comparison.rows.count) figures: \(counts[.slower] ?? 0) slower, "
                + "\(counts[.faster] ?? 0) faster, \(counts[.same] ?? 0) the same")
        return lines.joined(separator: "\n")
    }
}
