// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// Figures in rows and columns, for HTML and Markdown.
public struct Table: Sendable {
    public let title: String
    public let header: [String]
    public let rows: [[String]]

    public init(_ title: String, header: [String], rows: [[String]]) {
        (self.title, self.header, self.rows) = (title, header, rows)
    }

    /// Series as cells: a row for each name in `row`, a column for each in `column`, in the order
    /// in which they first occur, but for columns with a rank.
    public init(
        _ title: String, of series: [Series], corner: String,
        row: (Series.Key) -> String, column: (Series.Key) -> (rank: Int, name: String),
        cell: (Series) -> String
    ) {
        var rows: [String] = []
        var columns: [(rank: Int, name: String)] = []
        var cells: [String: [String: String]] = [:]
        for one in series {
            let (row, column) = (row(one.key), column(one.key))
            if !rows.contains(row) { rows.append(row) }
            if !columns.contains(where: { $0.name == column.name }) { columns.append(column) }
            cells[row, default: [:]][column.name] = cell(one)
        }
        columns.sort { $0.rank < $1.rank }
        self.init(
            title, header: [corner] + columns.map(\.name),
            rows: rows.map { row in [row] + columns.map { cells[row]?[$0.name] ?? "" } })
    }

    /// The table, folded so that its title opens it; with `words`, cells are texts that may take several lines.
    public func html(isOpen: Bool = false, words: Bool = false) -> String {
        func line(_ cells: [String], _ tag: String) -> String {
            "<tr>" + cells.map { "<\(tag)>\(Plot.escaped($0))</\(tag)>" }.joined() + "</tr>"
        }
        return """
            <details\(isOpen ? " open" : "")><summary>\(Plot.escaped(title))</summary><div class='wide'><table\(words ? " class='words'" : "")>
            <thead>\(line(header, "th"))</thead><tbody>
            \(rows.map { line($0, "td") }.joined(separator: "\n"))
            </tbody></table></div></details>
            """
    }

    /// The table for a terminal, in columns.
    public var text: String {
        let lines = [header] + rows
        let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            zip(line, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                .joined(separator: "  ")
        }.joined(separator: "\n")
    }

    public var markdown: String {
        let lines = [header, header.map { _ in "---" }] + rows
        return "\(title)\n\n"
            + lines.map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n") + "\n"
    }
}
