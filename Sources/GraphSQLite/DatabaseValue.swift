// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CSQLite

/// A value that a column holds.
package enum DatabaseValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])
}

/// What is stored as one value of a column.
package protocol DatabaseValueConvertible {
    /// What is stored.
    var databaseValue: DatabaseValue { get }
    /// Takes what is stored; nil when it is of another type or out of range.
    init?(_ value: DatabaseValue)
}

extension FixedWidthInteger where Self: DatabaseValueConvertible {
    /// The number, which has to fit into 64 bits with a sign.
    package var databaseValue: DatabaseValue { .integer(Int64(self)) }

    /// Takes an integer in this type's range.
    package init?(_ value: DatabaseValue) {
        guard case .integer(let number) = value else { return nil }
        self.init(exactly: number)
    }
}

extension Int: DatabaseValueConvertible {}
extension Int64: DatabaseValueConvertible {}
extension UInt32: DatabaseValueConvertible {}

extension Bool: DatabaseValueConvertible {
    /// 0 or 1.
    package var databaseValue: DatabaseValue { .integer(self ? 1 : 0) }

    /// Takes 0 for false, any other integer for true.
    package init?(_ value: DatabaseValue) {
        guard case .integer(let number) = value else { return nil }
        self = number != 0
    }
}

extension String: DatabaseValueConvertible {
    /// The text.
    package var databaseValue: DatabaseValue { .text(self) }

    /// Takes a text.
    package init?(_ value: DatabaseValue) {
        guard case .text(let text) = value else { return nil }
        self = text
    }
}

extension Array: DatabaseValueConvertible where Element == UInt8 {
    /// The bytes.
    package var databaseValue: DatabaseValue { .blob(self) }

    /// Takes bytes.
    package init?(_ value: DatabaseValue) {
        guard case .blob(let bytes) = value else { return nil }
        self = bytes
    }
}

/// What the question marks of a statement stand for, in order.
package struct StatementArguments: ExpressibleByArrayLiteral, Sendable {
    let values: [DatabaseValue]

    /// Takes values; nil stands for NULL.
    package init(arrayLiteral elements: (any DatabaseValueConvertible)?...) {
        values = elements.map { $0?.databaseValue ?? .null }
    }
}
