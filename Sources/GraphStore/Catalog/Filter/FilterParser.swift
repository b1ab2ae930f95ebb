// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore

/// Reads a ``LayerFilter``, by the grammar of containerd's package `filters`.
struct FilterParser {
    private enum Token: Equatable {
        case end
        case field(String)
        case quoted(String, quote: Unicode.Scalar)
        case value(String)
        case separator(Unicode.Scalar)
        case comparison(String)
    }

    private let scalars: [Unicode.Scalar]
    private var place = 0
    /// Whether an operator was just read, behind which more characters need no quotes.
    private var awaitsValue = false

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    private var next: Unicode.Scalar? { place < scalars.count ? scalars[place] : nil }

    private func failure(_ what: String) -> DriverError {
        let text = String(String.UnicodeScalarView(scalars.prefix(200)))
        return DriverError(
            .invalidArgument, "filter \(text.debugDescription): \(what) at character \(place + 1)")
    }

    // MARK: Grammar

    mutating func selectors() throws(DriverError) -> [LayerFilter.Selector] {
        var selectors = [try selector()]
        while let scalar = next {
            guard scalar == "," else { throw failure("something that does not belong there") }
            _ = try token()
            selectors.append(try selector())
        }
        return selectors
    }

    private mutating func selector() throws(DriverError) -> LayerFilter.Selector {
        var path = [try field()]
        while next == "." {
            _ = try token()
            path.append(try field())
        }
        guard let scalar = next, scalar != "," else {
            return LayerFilter.Selector(path: path, comparison: .isPresent)
        }
        guard case .comparison(let name) = try token() else {
            throw failure("no operator, which is ==, != or ~=,")
        }
        let comparison: LayerFilter.Comparison
        switch name {
        case "==": comparison = .equals(try value(isPattern: false))
        case "!=": comparison = .differs(try value(isPattern: false))
        case "~=": comparison = .matches(try FilterPattern(try value(isPattern: true)))
        default: throw failure("the unknown operator \(name)")
        }
        return LayerFilter.Selector(path: path, comparison: comparison)
    }

    private mutating func field() throws(DriverError) -> String {
        switch try token() {
        case .field(let name), .quoted(let name, quote: "\""): return name
        default: throw failure("no field")
        }
    }

    private mutating func value(isPattern: Bool) throws(DriverError) -> String {
        switch try token() {
        case .value(let text), .field(let text): return text
        case .quoted(let text, let quote) where isPattern || quote == "\"": return text
        default: throw failure("no value")
        }
    }

    // MARK: Tokens

    private mutating func token() throws(DriverError) -> Token {
        while let scalar = next, scalar.properties.isWhitespace { place += 1 }
        guard let scalar = next else { return .end }
        switch scalar {
        case "\"", "/", "|":
            return .quoted(try quoted(scalar), quote: scalar)
        case ",", ".":
            place += 1
            awaitsValue = false
            return .separator(scalar)
        case "=", "!", "~":
            awaitsValue = true
            return .comparison(take { "=!~".unicodeScalars.contains($0) })
        case _ where awaitsValue:
            awaitsValue = false
            let text = take(Self.isOfValue)
            if text.isEmpty { throw failure("a character that needs quotes") }
            return .value(text)
        case _ where Self.isOfField(scalar):
            return .field(take(Self.isOfField))
        default:
            throw failure("a character that needs quotes")
        }
    }

    private mutating func take(_ isWanted: (Unicode.Scalar) -> Bool) -> String {
        var text = String.UnicodeScalarView()
        while let scalar = next, isWanted(scalar) {
            text.append(scalar)
            place += 1
        }
        return String(text)
    }

    private static func isOfField(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar == "_" || scalar.properties.isAlphabetic || isDigit(scalar))
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    private static func isOfValue(_ scalar: Unicode.Scalar) -> Bool {
        if scalar == "," || scalar.properties.isWhitespace { return false }
        return switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator:
            false
        default: true
        }
    }

    // MARK: Quotes

    /// What stands between quotes, with the escapes of Go's string literals.
    private mutating func quoted(_ quote: Unicode.Scalar) throws(DriverError) -> String {
        place += 1
        var bytes: [UInt8] = []
        while true {
            guard let scalar = next, scalar != "\n", scalar != "\0" else {
                throw failure("an end of the quotes that is missing")
            }
            place += 1
            if scalar == quote { break }
            if scalar == "\\" {
                bytes += try escape(quote)
            } else {
                bytes += Array(UTF8.encode(scalar) ?? UTF8.EncodedScalar())
            }
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw failure("bytes that are not UTF-8")
        }
        return text
    }

    private mutating func escape(_ quote: Unicode.Scalar) throws(DriverError) -> [UInt8] {
        guard let scalar = next else { throw failure("an escape that is not complete") }
        place += 1
        switch scalar {
        case "a": return [0x07]
        case "b": return [0x08]
        case "f": return [0x0C]
        case "n": return [0x0A]
        case "r": return [0x0D]
        case "t": return [0x09]
        case "v": return [0x0B]
        case "\\": return [0x5C]
        case "x": return [UInt8(truncatingIfNeeded: try digits(2, base: 16))]
        case "u": return try encoded(try digits(4, base: 16))
        case "U": return try encoded(try digits(8, base: 16))
        case "0"..."7":
            place -= 1
            guard let byte = UInt8(exactly: try digits(3, base: 8)) else {
                throw failure("a byte above 255")
            }
            return [byte]
        case quote: return Array(UTF8.encode(scalar) ?? UTF8.EncodedScalar())
        default: throw failure("an unknown escape")
        }
    }

    private mutating func digits(_ count: Int, base: UInt32) throws(DriverError) -> UInt32 {
        var number: UInt32 = 0
        for _ in 0..<count {
            guard let scalar = next, scalar.isASCII,
                let digit = Character(scalar).hexDigitValue, digit < base
            else { throw failure("no digit of base \(base)") }
            place += 1
            number = number &* base &+ UInt32(digit)
        }
        return number
    }

    private func encoded(_ number: UInt32) throws(DriverError) -> [UInt8] {
        if number > 0x10_FFFF { throw failure("a character above U+10FFFF") }
        let scalar = Unicode.Scalar(number) ?? "\u{FFFD}"
        return Array(UTF8.encode(scalar) ?? UTF8.EncodedScalar())
    }
}
