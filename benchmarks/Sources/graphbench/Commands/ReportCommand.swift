// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import Foundation
import Measure

/// `graphbench report`: results as a page, as drawings, or as tables for documentation.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Show results as a page with plots.")

    @Argument(help: "Results of one machine.") var results: [String]

    @Option(help: ArgumentHelp("Write a page that needs nothing else.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("Write the plots into this folder, as SVG.", valueName: "dir"))
    var svg: String?

    @Flag(help: "Print the tables as Markdown.")
    var markdown = false

    @Flag(help: "Print our times beside those of peers and of plain files.")
    var standings = false

    func run() throws {
        let report = Report(try results.map(BenchResult.read(from:)))
        if let html { try report.html.write(toFile: html, atomically: true, encoding: .utf8) }
        if let svg {
            try FileManager.default.createDirectory(
                atPath: svg, withIntermediateDirectories: true)
            for (name, plot) in report.sections.flatMap(\.plots) {
                let drawn = plot.svg(styled: true)
                if drawn.isEmpty { continue }
                try drawn.write(toFile: "\(svg)/\(name).svg", atomically: true, encoding: .utf8)
            }
        }
        if markdown { print(report.markdown) }
        if standings { print(report.standings.table.text) }
        if html == nil && svg == nil && !markdown && !standings {
            throw ValidationError("say what to write: --html, --svg, --markdown or --standings")
        }
    }
}
