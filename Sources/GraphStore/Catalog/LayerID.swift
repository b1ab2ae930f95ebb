// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore

/// The rules for the ids of layers.
enum LayerID {
    /// Letters, digits, and behind the first one also `_.:-`.
    static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "-"): true
        default: isAlphanumeric(byte)
        }
    }

    /// Whether it is an id: 1 to 255 of the bytes that are allowed.
    static func isValid(_ id: String) -> Bool {
        let bytes = id.utf8.span
        guard (1...255).contains(bytes.count), isAlphanumeric(bytes[0]) else { return false }
        for place in 1..<bytes.count where !isAllowed(bytes[place]) { return false }
        return true
    }

    /// Refuses what is no id.
    static func check(_ id: String) throws(DriverError) {
        guard isValid(id) else {
            throw DriverError(
                .invalidArgument,
                "\"\(id)\" is not a valid id: 1 to 255 letters, digits or _.:- with a letter or digit first"
            )
        }
    }

    /// An id that nobody chose: random digits of base 16, a multiple of 16 of them.
    static func random(digits count: Int = 64) -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<(count / 16)).map { _ in
            let digits = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: false
        }
    }
}

/// The rules for the names of layers.
enum LayerName {
    /// Bytes of a name, as many as keys and names of containerd's snapshots may need.
    static let bytesMax = 1_024

    /// The key of the row in the table `labels` that holds a layer's name: no label has it.
    ///
    /// Their index finds a layer by its name, and a store without names has no row more.
    static let key = ""

    /// Refuses what is no name: it is one line of text, of 1 to 1,024 bytes.
    static func check(_ name: String) throws(DriverError) {
        let isLine = name.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
        if isLine && (1...bytesMax).contains(name.utf8.count) { return }
        throw DriverError(
            .invalidArgument,
            "the name \(name.prefix(64).debugDescription) is not valid: 1 to \(bytesMax) bytes of text, "
                + "without control characters")
    }
}
