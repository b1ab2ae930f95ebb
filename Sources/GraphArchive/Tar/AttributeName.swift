// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// How names of extended attributes are spelled in the keys of PAX records.
enum AttributeName {
    /// Spells a name as GNU tar does, whose keys must not have an equals sign.
    static func encodeEquals(_ name: String) -> [UInt8] {
        var encoded: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "="): encoded.append(contentsOf: "%3D".utf8)
            case UInt8(ascii: "%"): encoded.append(contentsOf: "%25".utf8)
            default: encoded.append(byte)
            }
        }
        return encoded
    }

    /// The name behind ``encodeEquals(_:)``; any other percent sign stands for itself.
    static func decodeEquals(_ key: ArraySlice<UInt8>) -> [UInt8] {
        guard key.contains(UInt8(ascii: "%")) else { return Array(key) }
        var name: [UInt8] = []
        var rest = key
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.starts(with: "3D".utf8) {
                name.append(UInt8(ascii: "="))
                rest.removeFirst(2)
            } else if byte == UInt8(ascii: "%"), rest.starts(with: "25".utf8) {
                name.append(UInt8(ascii: "%"))
                rest.removeFirst(2)
            } else {
                name.append(byte)
            }
        }
        return name
    }

    /// The name behind the encoding of URLs, or nil where a percent sign lacks its two digits.
    static func decodePercent(_ key: ArraySlice<UInt8>) -> [UInt8]? {
        var name: [UInt8] = []
        var rest = key
        while let byte = rest.popFirst() {
            if byte != UInt8(ascii: "%") {
                name.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(HexDigit.value),
                let low = rest.popFirst().flatMap(HexDigit.value)
            else { return nil }
            name.append(high << 4 | low)
        }
        return name
    }
}

/// Digits of base 16.
enum HexDigit {
    /// What a digit in either case stands for, or nil.
    static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// The encoding of RFC 4648 section 4, with or without its padding.
enum Base64 {
    /// The bytes behind a text, or nil when it is no such text.
    static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var digits = text
        for _ in 0..<2 where digits.last == UInt8(ascii: "=") { digits.removeLast() }
        if digits.count % 4 == 1 { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 4 * 3 + 2)
        var (bits, count): (UInt32, Int) = (0, 0)
        for digit in digits {
            guard let value = value(digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
