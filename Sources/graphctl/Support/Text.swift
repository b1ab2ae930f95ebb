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
            let end = line.utf8.lastIndex { $0 != UInt8(ascii: " ") }
            return end.map { String(line[..<line.utf8.index(after: $0)]) } ?? ""
        }
    }
}

/// Text that neither breaks a line nor commands a terminal: what ``isObeyed(_:)`` as `\ooo` in base 8,
/// a byte each.
func printable(_ text: String) -> String {
    if text.utf8.allSatisfy(isPlain) { return text }
    return String(decoding: printable(Array(text.utf8)), as: UTF8.self)
}

/// The same of bytes: those that are not UTF-8 are shown as `\ooo`, too.
func printable(_ bytes: [UInt8]) -> [UInt8] {
    if bytes.allSatisfy(isPlain) { return bytes }
    var result: [UInt8] = []
    var parser = Unicode.UTF8.ForwardParser()
    var (rest, place) = (bytes.makeIterator(), 0)
    while true {
        let (count, isShown): (Int, Bool)
        switch parser.parseScalar(from: &rest) {
        case .valid(let encoded):
            (count, isShown) = (encoded.count, !isObeyed(Unicode.UTF8.decode(encoded)))
        case .error(let length): (count, isShown) = (length, false)
        case .emptyInput: return result
        }
        for byte in bytes[place..<(place + count)] {
            if isShown { result.append(byte) } else { result += octal(byte) }
        }
        place += count
    }
}

/// What a terminal, or whoever reads lines, does not show but obeys: controls (C0, DEL, C1), marks,
/// embeddings, overrides and isolates of the direction of writing, which show a name as another one,
/// and the separators of lines and paragraphs.
func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F...0x9F: true
    case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x206F: true
    default: false
    }
}

private func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte < 0x7F }

private func octal(_ byte: UInt8) -> [UInt8] {
    let digits = String(byte, radix: 8)
    return Array(("\\" + String(repeating: "0", count: 3 - digits.count) + digits).utf8)
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

/// A time as `2026-01-31T23:59:59Z`, or with nanoseconds as `2026-01-31T23:59:59.000000001Z`.
package func rfc3339(_ time: Timestamp, nanoseconds: Bool = false) -> String {
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
        + "T\(padded(rest / 3600)):\(padded(rest / 60 % 60)):\(padded(rest % 60))"
        + (nanoseconds ? "." + padded(Int(time.nanoseconds), 9) : "") + "Z"
}

/// A text as tables show it: no more than its first 80 scalars, of which a character may have any
/// number.
func short(_ text: String) -> String {
    let scalars = text.unicodeScalars
    if scalars.count <= 80 { return text }
    return String(String.UnicodeScalarView(scalars.prefix(79))) + "…"
}

/// An id as tables show it: of one that is a digest the first twelve digits.
func shortID(_ id: String, whole: Bool) -> String {
    let isDigest = id.utf8.count == 64 && Digest(parsing: id) != nil
    return isDigest && !whole ? String(id.prefix(12)) : id
}
