// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem

/// Standard output, written in large pieces.
final class Output {
    private var buffer: [UInt8] = []
    private static let bufferBytes = 1 << 16

    /// Adds text of which a terminal obeys nothing but the ends of lines.
    func write(escaped text: String) throws(DriverError) {
        buffer.append(contentsOf: text.utf8)
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    /// Adds a line, whatever is in it.
    ///
    /// This and ``Failure/printLine(_:)`` are where text leaves the command.
    func print(_ line: String) throws(DriverError) { try write(escaped: printable(line) + "\n") }

    /// Adds a line of bytes that need not be UTF-8.
    func print(bytes line: [UInt8]) throws(DriverError) {
        buffer.append(contentsOf: printable(line))
        try write(escaped: "\n")
    }

    /// Adds the lines of a table, whose cells were made printable.
    func print(_ table: Table) throws(DriverError) {
        try table.visitLines { (line) throws(DriverError) in
            buffer.append(contentsOf: line)
            try write(escaped: "\n")
        }
    }

    /// Adds a JSON object.
    func print(_ object: JSON) throws(DriverError) {
        try object.write(to: self, indentation: 0)
        try write(escaped: "\n")
    }

    /// Adds a JSON array of what `element` makes of each value, one after the other.
    func print<Value>(
        arrayOf values: some Sequence<Value>,
        element: (Value) throws(DriverError) -> JSON
    ) throws(DriverError) {
        try JSON.write(values, to: self, element)
        try write(escaped: "\n")
    }

    /// Writes what is held back.
    ///
    /// - Throws: `EPIPE` as its cause when nobody reads any more.
    func flush() throws(DriverError) {
        let bytes = buffer
        buffer = []
        try attempting("write to standard output", try StandardStream.output.write(bytes.span))
    }
}

extension Session {
    /// Prints the result in the form that was asked for.
    func print(_ text: @autoclosure () -> String, json: @autoclosure () -> JSON) throws(DriverError)
    {
        if settings.json {
            try output.print(json())
        } else {
            try output.print(text())
        }
    }

    /// Prints several things, each a row of a table or an object in an array.
    func print(
        _ table: @autoclosure () -> Table, json: @autoclosure () -> JSON
    ) throws(DriverError) {
        if settings.json {
            try output.print(json())
        } else {
            try output.print(table())
        }
    }
}
