// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphStore
package import GraphSystem

/// Columns under headings, each as wide as its widest cell; numbers stand at the right.
package struct Table {
    private static let space = UInt8(ascii: " ")

    private let rightColumns: [Int]
    /// The text of all cells, one behind the other; the headings are the first row.
    private var text: [UInt8] = []
    /// Where the text of each cell ends, and how many places of a terminal it takes.
    private var cells: [(end: Int, width: Int)] = []
    /// How wide each column is.
    private var widths: [Int]

    /// Names the columns, and those whose cells stand at the right.
    package init(_ headings: [String], right: [Int] = []) {
        rightColumns = right
        widths = headings.map { _ in 0 }
        for (column, heading) in headings.enumerated() { add(heading, in: column) }
    }

    /// Adds a row with a cell for each column.
    package mutating func add(_ row: String...) {
        for column in 0..<widths.count { add(row[column], in: column) }
    }

    private mutating func add(_ cell: String, in column: Int) {
        let start = text.count
        text.append(contentsOf: cell.utf8)
        var width = text.count - start
        for place in start..<text.count where !isPlain(text[place]) {
            text.removeSubrange(start...)
            let shown = printable(cell)
            text.append(contentsOf: shown.utf8)
            width = shown.count
            break
        }
        widths[column] = max(widths[column], width)
        cells.append((text.count, width))
    }

    /// Tells one line after the other as UTF-8, without spaces at its end.
    package func visitLines<Failure>(
        _ body: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        var line: [UInt8] = []
        var start = 0
        for first in stride(from: 0, to: cells.count, by: widths.count) {
            line.removeAll(keepingCapacity: true)
            for column in 0..<widths.count {
                let cell = cells[first + column]
                let isRight = rightColumns.contains(column)
                let filling = widths[column] - cell.width
                if column > 0 { Self.fill(&line, 2) }
                if isRight { Self.fill(&line, filling) }
                line.append(contentsOf: text[start..<cell.end])
                if !isRight { Self.fill(&line, filling) }
                start = cell.end
            }
            while line.last == Self.space { line.removeLast() }
            try body(line)
        }
    }

    private static func fill(_ line: inout [UInt8], _ count: Int) {
        for _ in 0..<count { line.append(space) }
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
    var text: [UInt8] = []
    text.reserveCapacity(32)
    func append(_ number: Int, _ width: Int, _ end: UnicodeScalar) {
        var unit = 1
        for _ in 1..<width { unit *= 10 }
        if (0..<10 * unit).contains(number) {
            while unit > 0 {
                text.append(UInt8(48 + number / unit % 10))
                unit /= 10
            }
        } else {
            text.append(contentsOf: String(number).utf8)
        }
        text.append(UInt8(ascii: end))
    }
    append(year, 4, "-")
    append(month, 2, "-")
    append(day, 2, "T")
    append(rest / 3600, 2, ":")
    append(rest / 60 % 60, 2, ":")
    append(rest % 60, 2, nanoseconds ? "." : "Z")
    if nanoseconds { append(Int(time.nanoseconds), 9, "Z") }
    return String(decoding: text, as: UTF8.self)
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
