// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem

/// A regular expression of a ``LayerFilter``: an extended one of POSIX, as the C library has them.
///
/// Those of Go are much the same. What only one of them has is refused and not read as something else:
/// groups that begin with `(?`, escapes of letters other than `\w`, `\W`, `\s`, `\S`, `\b` and `\B`, and
/// references back. So are patterns of which the C library would make a machine without bounds: longer than
/// 1,024 bytes, or with repetitions that multiply to more than 1,000.
struct FilterPattern: Sendable {
    private let compiled: RegularExpression

    init(_ text: String) throws(DriverError) {
        try Self.check(text)
        do throws(SyscallError) {
            compiled = try RegularExpression(text)
        } catch {
            throw Self.refusal(text, error.detail ?? "it is none")
        }
    }

    /// Whether it is found anywhere in a text.
    func matches(_ text: String) -> Bool { compiled.matches(text) }

    private static func refusal(_ text: String, _ why: String) -> DriverError {
        DriverError(
            .invalidArgument, "the pattern \(text.prefix(200).debugDescription) is refused: \(why)")
    }

    private static func check(_ text: String) throws(DriverError) {
        let bytes = Array(text.utf8)
        if bytes.count > 1_024 || bytes.contains(0) {
            throw refusal(text, "it has more than 1,024 bytes, or a zero among them")
        }
        if text.contains("(?") { throw refusal(text, "it has a group that begins with (?") }
        var repeats = 1
        var place = 0
        while place < bytes.count {
            if bytes[place] == UInt8(ascii: "\\"), place + 1 < bytes.count {
                let next = Character(Unicode.Scalar(bytes[place + 1]))
                if (next.isLetter || next.isNumber) && !"wWsSbB".contains(next) {
                    throw refusal(text, "it has the escape \\\(next)")
                }
                place += 2
                continue
            }
            if bytes[place] == UInt8(ascii: "{") {
                let end = bytes[place...].firstIndex(of: UInt8(ascii: "}")) ?? bytes.endIndex
                let counts = bytes[(place + 1)..<end].split(separator: UInt8(ascii: ","))
                for count in counts.map({ Int(String(decoding: $0, as: UTF8.self)) ?? 1_001 }) {
                    repeats = min(repeats, 1_001) * max(1, min(count, 1_001))
                }
                if repeats > 1_000 { throw refusal(text, "it repeats more than 1,000 times") }
            }
            place += 1
        }
    }
}
