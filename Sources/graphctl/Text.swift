// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphStore
package import GraphSystem

/// Columns under headings, each as wide as its widest cell; numbers stand at the right.
package struct Table {
    private let headings: [String]
    private let rightColumns: Set<Int>
    private var rows: [[String]] = []

    /// Names the columns, and those whose cells stand at the right.
    package init(_ headings: [String], right: Set<Int> = []) {
        (self.headings, rightColumns) = (headings, right)
    }

    /// Adds a row with a cell for each column.
    package mutating func add(_ cells: String...) { rows.append(cells.map(printable)) }

    /// The table, without spaces at the ends of lines.
    package var lines: [String] {
        let all = [headings] + rows
        let widths = headings.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.indices.map { column in
                let filling = String(repeating: " ", count: widths[column] - row[column].count)
                return rightColumns.contains(column) ? filling + row[column] : row[column] + filling
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}

/// Text that neither breaks a line nor commands a terminal: control characters as `\ooo` in base 8.
func printable(_ text: String) -> String {
    let isPlain = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    return isPlain ? text : String(decoding: printable(Array(text.utf8)), as: UTF8.self)
}

/// Bytes with control characters as `\ooo` in base 8, and all others as they are.
func printable(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    for byte in bytes {
        if byte >= 0x20 && byte != 0x7F {
            result.append(byte)
        } else {
            let digits = String(byte, radix: 8)
            result.append(UInt8(ascii: "\\"))
            result.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 3 - digits.count))
            result.append(contentsOf: digits.utf8)
        }
    }
    return result
}

/// A number of bytes for people: three digits or more, and a unit that is a power of 1024.
package func humanBytes(_ bytes: UInt64) -> String {
    if bytes < 1024 { return "\(bytes) B" }
    var tenths = bytes
    var unit = ""
    for name in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        unit = name
        // Rounded to tenths without a loss on the way.
        if tenths < 1024 * 1024 {
            tenths = (tenths * 10 + 512) / 1024
            break
        }
        tenths /= 1024
    }
    return "\(tenths / 10).\(tenths % 10) \(unit)"
}

/// A time as `2026-01-31T23:59:59Z`.
package func rfc3339(_ time: Timestamp) -> String {
    let secondsOfDay = 86_400
    var days = Int(time.seconds) / secondsOfDay
    var rest = Int(time.seconds) % secondsOfDay
    if rest < 0 { (days, rest) = (days - 1, rest + secondsOfDay) }
    // Years begin in March here, so that the leap day is the last of one.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
        (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func padded(_ number: Int, _ width: Int = 2) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return "\(padded(year, 4))-\(padded(month))-\(padded(day))"
        + "T\(padded(rest / 3600)):\(padded(rest / 60 % 60)):\(padded(rest % 60))Z"
}

/// An id as tables show it: of one that is a digest the first twelve digits.
func shortID(_ id: String, whole: Bool) -> String {
    let isDigest = id.utf8.count == 64 && Digest(parsing: id) != nil
    return isDigest && !whole ? String(id.prefix(12)) : id
}
