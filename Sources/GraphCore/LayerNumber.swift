// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// A layer's small integer in its store: its directory, its subvolume, its thin device.
///
/// Given out once and never used again.
public struct LayerNumber: RawRepresentable, Hashable, Comparable, Sendable {
    public let rawValue: UInt32

    /// Takes a number that the store gave out.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Reads a number as directory names spell it: decimal, without a leading zero.
    public init?(_ text: String) {
        guard let value = UInt32(text), String(value) == text else { return nil }
        rawValue = value
    }

    /// Orders by age: a lower number was given out earlier.
    public static func < (left: LayerNumber, right: LayerNumber) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension LayerNumber: ExpressibleByIntegerLiteral, CustomStringConvertible {
    /// Takes a literal.
    public init(integerLiteral value: UInt32) { rawValue = value }

    /// The number in decimal.
    public var description: String { String(rawValue) }
}
