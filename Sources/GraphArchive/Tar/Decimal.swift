// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Numbers in decimal digits, as PAX records hold them.
enum Decimal {
    /// The number with one more digit, or nil when it is none or the number passes `Int64.max`.
    static func append(_ digit: UInt8, to value: UInt64) -> UInt64? {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
        // 2^63 / 10: one digit more cannot overflow an unsigned number.
        guard value <= 922_337_203_685_477_580 else { return nil }
        let longer = value * 10 + UInt64(digit - UInt8(ascii: "0"))
        return longer <= UInt64(Int64.max) ? longer : nil
    }

    /// A number of digits only, or nil.
    static func parse(_ digits: ArraySlice<UInt8>) -> UInt64? {
        if digits.isEmpty { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard let longer = append(digit, to: value) else { return nil }
            value = longer
        }
        return value
    }

    /// Seconds with an optional sign and fraction; digits behind the ninth are dropped.
    static func parseTime(_ text: ArraySlice<UInt8>) -> Timestamp? {
        let isNegative = text.first == UInt8(ascii: "-")
        let parts = text.dropFirst(isNegative ? 1 : 0)
            .split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = parse(first) else { return nil }
        var nanoseconds: UInt32 = 0
        if parts.count == 2 {
            let fraction = parts[1]
            var weight: UInt32 = 100_000_000
            for digit in fraction {
                guard let value = append(digit, to: 0) else { return nil }
                nanoseconds += UInt32(value) * weight
                weight /= 10
            }
        }
        // At most Int64.max, so that the negative and one second less both fit.
        let seconds = Int64(whole)
        if !isNegative { return Timestamp(seconds: seconds, nanoseconds: nanoseconds) }
        if nanoseconds == 0 { return Timestamp(seconds: -seconds) }
        return Timestamp(seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds)
    }

    /// The shortest text that ``parseTime(_:)`` reads as `time`.
    static func format(_ time: Timestamp) -> String {
        if time.nanoseconds == 0 { return String(time.seconds) }
        let isNegative = time.seconds < 0
        // -2 s + 0.5 s is written -1.5.
        let whole = isNegative ? (time.seconds + 1).magnitude : time.seconds.magnitude
        var fraction = isNegative ? 1_000_000_000 - time.nanoseconds : time.nanoseconds
        var digits = 9
        while fraction % 10 == 0 {
            fraction /= 10
            digits -= 1
        }
        let text = String(fraction)
        let zeros = String(repeating: "0", count: digits - text.utf8.count)
        return "\(isNegative ? "-" : "")\(whole).\(zeros)\(text)"
    }
}
