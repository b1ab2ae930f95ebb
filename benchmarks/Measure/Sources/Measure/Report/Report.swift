// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// A result as people look at it: sections of plots and tables.
public struct Report: Sendable {
    public struct Section: Sendable {
        public let title: String
        public let text: String
        /// Drawings and the names of their files.
        public var plots: [(name: String, plot: Plot)] = []
        public var tables: [Table] = []
        /// What a page of documentation has room for; all tables when empty.
        public var brief: [Table] = []

        public init(_ title: String, _ text: String) { (self.title, self.text) = (title, text) }
    }

    public let results: [BenchResult]
    public let sections: [Section]
    /// Where this project stands beside peers and floors.
    public let standings: [Standing]
    private let choice: Table?

    /// Shows the results together, each command's figures in sections of their own.
    public init(_ results: [BenchResult]) {
        self.results = results
        let series = results.flatMap(\.series)
        standings = Standing.all(in: series)
        choice = Choice.table(series)
        sections =
            CopyUpReport.sections(series.filter { $0.key.command == "copy-up" })
            + LayersReport.sections(series.filter { $0.key.command == "layers" })
            + IOReport.sections(series.filter { $0.key.command == "io" })
    }

    /// One page that needs nothing else.
    public var html: String {
        let body = sections.map { section in
            let plots = section.plots.map { "<figure>\($0.plot.svg())</figure>" }
            return
                "<section><h2>\(Plot.escaped(section.title))</h2><p>\(Plot.escaped(section.text))</p>"
                + plots.joined() + section.tables.map { $0.html() }.joined() + "</section>"
        }
        return """
            <!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>
            <meta name='viewport' content='width=device-width'><title>graphbench</title><style>
            :root{color-scheme:light dark}
            body{font:15px/1.45 sans-serif;max-width:72em;margin:1.5em auto;padding:0 1em}
            table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
            th,td{border-bottom:1px solid #8885;padding:.2em .6em;text-align:right;white-space:nowrap}
            th:first-child,td:first-child{text-align:left}.wide{overflow-x:auto}
            .words th,.words td{text-align:left;white-space:normal;vertical-align:top}
            summary{font-weight:600;margin:.8em 0 .3em;cursor:pointer}figure{margin:1em 0}
            \(Bars.style)
            @media print{body{font-size:10pt;max-width:none;background:#fff;color:#000}
            figure,table,.bar{break-inside:avoid}}
            \(Plot.style)
            </style><script>addEventListener('beforeprint',()=>{
            for(const part of document.querySelectorAll('details'))part.open=true})</script>
            </head><body><h1>graphbench</h1>
            \(answers)
            \(body.joined(separator: "\n"))
            <section><h2>How it was measured</h2>
            \(results.map(head).joined(separator: "\n"))</section>
            \(notMeasured.map { $0.html() } ?? "")
            </body></html>
            """
    }

    /// What a reader wants to know first.
    private var answers: String {
        var parts: [String] = []
        if !standings.isEmpty {
            parts.append(
                "<section><h2>Our time beside theirs</h2><p>Medians of one run, taken in turn. Bars to the left, "
                    + "and green, are where we are ahead; a plain file is the floor, and grey where we are above it."
                    + "</p>\(Bars(standings: standings).html)</section>")
        }
        if let choice {
            parts.append(
                "<section><h2>\(Plot.escaped(choice.title))</h2>\(choice.html(isOpen: true, words: true))</section>"
            )
        }
        return parts.joined(separator: "\n")
    }

    /// The most telling tables, for a page of documentation.
    public var markdown: String {
        (choice.map { "### \($0.title)\n\n\($0.markdown)\n" } ?? "")
            + sections.map { section in
                "### \(section.title)\n\n\(section.text)\n\n"
                    + (section.brief.isEmpty ? section.tables : section.brief).map(\.markdown)
                    .joined(
                        separator: "\n")
            }.joined(separator: "\n") + (notMeasured.map { "\n" + $0.markdown } ?? "")
    }

    private func head(_ result: BenchResult) -> String {
        let machine = result.machine
        let lines = [
            "<code>\(Plot.escaped(result.command.dropFirst().joined(separator: " ")))</code>",
            "\(machine.processor), \(machine.processors) processors, \(machine.memoryBytes >> 30) GiB, "
                + "Linux \(machine.kernel), \(machine.system), load \(machine.load) at the start",
            (machine.mounts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
                + machine.versions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })
                .joined(separator: "; "),
            String(
                format: "%@, %.0f seconds; an operation that does nothing takes %.0f ns, and ~ "
                    + "marks figures below 50 times that",
                ISO8601DateFormatter().string(from: result.started), result.durationSeconds,
                result.overheadNanoseconds),
        ]
        return "<p>"
            + lines.enumerated().map { $0.offset == 0 ? $0.element : Plot.escaped($0.element) }
            .joined(separator: "<br>") + "</p>"
    }

    private var notMeasured: Table? {
        let all = results.flatMap(\.unmeasured)
        if all.isEmpty { return nil }
        return Table(
            "Not measured", header: ["what", "why"], rows: all.map { [$0.what, $0.reason] })
    }
}

extension Series {
    /// The median with the mark of doubt, for a cell of a table.
    public var shortText: String {
        guard let statistics else { return "" }
        return (isDoubtful ? "~" : "") + Figure.text(statistics.p50, unit)
    }

    /// Median, and the most in brackets.
    public var briefText: String {
        guard let statistics else { return "" }
        return "\(shortText) (\(Figure.text(statistics.max, unit)))"
    }

    /// Median, 99 % and most, and how many samples.
    public var longText: String {
        guard let statistics else { return "" }
        let (p99, most) = (Figure.text(statistics.p99, unit), Figure.text(statistics.max, unit))
        return "\(shortText) (\(p99), \(most)) n=\(statistics.n)"
    }
}
