// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// A value that `--json` prints.
///
/// Keys are sorted; names are in snake_case and part of the interface.
enum JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral {
    case null
    case bool(Bool)
    case number(Int64)
    /// One of others' documents; this command has none.
    case decimal(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { $1 }))
    }

    init(arrayLiteral elements: JSON...) { self = .array(elements) }

    /// A text, or null.
    init(_ text: String?) { self = text.map { .string($0) } ?? .null }

    /// A count or size in bytes, or null.
    init(_ count: UInt64?) { self = count.map { .number(Int64(clamping: $0)) } ?? .null }

    /// A count.
    init(_ count: Int) { self = .number(Int64(count)) }

    /// A digest as `sha256:…`, or null.
    init(_ digest: Digest?) { self.init(digest?.description) }

    /// A time, in RFC 3339 and UTC.
    init(_ time: Timestamp) { self = .string(rfc3339(time, nanoseconds: true)) }

    /// Texts by name.
    init(_ values: [String: String]) { self = .object(values.mapValues { .string($0) }) }

    /// An array of what `element` makes of each value.
    init<Value>(_ values: some Sequence<Value>, _ element: (Value) -> JSON) {
        self = .array(values.map(element))
    }

    /// An object with one more member.
    func adding(_ member: (key: String, value: JSON)) -> JSON {
        guard case .object(var members) = self else { return self }
        members[member.key] = member.value
        return .object(members)
    }

    /// Writes an array of which only one element at a time is held.
    static func write<Value>(
        _ values: some Sequence<Value>, to output: Output,
        _ element: (Value) throws(DriverError) -> JSON
    ) throws(DriverError) {
        try output.write(escaped: "[")
        var isFirst = true
        var values = values.makeIterator()
        while let value = values.next() {
            try output.write(escaped: isFirst ? "\n  " : ",\n  ")
            isFirst = false
            try element(value).write(to: output, indentation: 2)
        }
        try output.write(escaped: isFirst ? "]" : "\n]")
    }

    /// Writes the value, each member of an object or array on a line of its own.
    func write(to output: Output, indentation: Int) throws(DriverError) {
        switch self {
        case .null: try output.write(escaped: "null")
        case .bool(let value): try output.write(escaped: value ? "true" : "false")
        case .number(let value): try output.write(escaped: String(value))
        case .decimal(let value): try output.write(escaped: String(value))
        case .string(let text): try output.write(escaped: Self.quoted(text))
        case .array(let values):
            try Self.write(values.map { (nil, $0) }, "[", "]", to: output, indentation)
        case .object(let members):
            let sorted = members.sorted { $0.key < $1.key }
            try Self.write(sorted.map { ($0.key, $0.value) }, "{", "}", to: output, indentation)
        }
    }

    private static func write(
        _ members: [(String?, JSON)], _ open: String, _ close: String, to output: Output,
        _ indentation: Int
    ) throws(DriverError) {
        try output.write(escaped: open)
        let inner = String(repeating: " ", count: indentation + 2)
        for (index, (key, value)) in members.enumerated() {
            try output.write(escaped: index == 0 ? "\n" : ",\n")
            try output.write(escaped: inner)
            if let key { try output.write(escaped: quoted(key) + ": ") }
            try value.write(to: output, indentation: indentation + 2)
        }
        if !members.isEmpty { try output.write(escaped: "\n" + inner.dropLast(2)) }
        try output.write(escaped: close)
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where isObeyed(scalar):
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
