// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// An operation that failed, and how it is told.
struct Failure: Error {
    let attempt: String
    let error: DriverError
    let isJSON: Bool

    /// One line on standard error: what was attempted, and why it failed.
    var line: String { "graphctl: \(attempt): \(error)" }

    /// Prints the line, and with `--json` an object on standard output.
    func report() {
        // Who closed the pipe does not want to hear of it.
        if error.cause?.errno == .brokenPipe { return }
        Self.printLine(line)
        if isJSON {
            Self.printObject(code: error.code.description, message: "\(attempt): \(error)")
        }
    }

    /// Prints one line on standard error.
    static func printLine(_ text: String) {
        let bytes = Array((printable(text) + "\n").utf8)
        // There is nowhere left to say that this did not work.
        try? StandardStream.error.write(bytes.span)
    }

    /// Prints the object that stands for a failure.
    static func printObject(code: String, message: String) {
        let output = Output()
        try? output.print(["code": .string(code), "message": .string(message)])
        try? output.flush()
    }
}
