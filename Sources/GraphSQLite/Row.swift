// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// A row of what a statement found.
package struct Row {
    private enum Content {
        /// The row that a cursor stands on, which lives as long as the row does.
        case current(RowCursor)
        case copied([DatabaseValue])
    }

    private let content: Content

    private init(_ content: Content) { self.content = content }

    /// The row that a cursor stands on, until it goes on.
    init(of cursor: RowCursor) { content = .current(cursor) }

    /// The row that stays when the cursor goes on.
    func copied() throws(DatabaseError) -> Row {
        guard case .current(let cursor) = content else { return self }
        var values: [DatabaseValue] = []
        for column in 0..<cursor.statement.columnCount {
            values.append(try cursor.statement.value(column))
        }
        return Row(.copied(values))
    }

    private func value(_ column: Int) throws(DatabaseError) -> DatabaseValue {
        switch content {
        case .current(let cursor): try cursor.statement.value(column)
        case .copied(let values): values[column]
        }
    }

    /// The value in a column, counted from 0.
    ///
    /// - Throws: `SQLITE_CORRUPT` when it is NULL, of another type or out of range.
    package subscript<Value: DatabaseValueConvertible>(column: Int) -> Value {
        get throws(DatabaseError) {
            guard let value = Value(try value(column)) else { throw Self.unexpected(column) }
            return value
        }
    }

    /// The value in a column, counted from 0; nil for NULL.
    ///
    /// - Throws: `SQLITE_CORRUPT` when it is of another type or out of range.
    package subscript<Value: DatabaseValueConvertible>(column: Int) -> Value? {
        get throws(DatabaseError) {
            let value = try value(column)
            if value == .null { return nil }
            guard let value = Value(value) else { throw Self.unexpected(column) }
            return value
        }
    }

    // What most columns hold has its own subscripts: those above look types up at run time, for each value.

    /// The integer in a column, counted from 0; nil for NULL.
    package subscript(column: Int) -> Int64? {
        get throws(DatabaseError) {
            switch content {
            case .current(let cursor): return try cursor.statement.integer(column)
            case .copied(let values):
                switch values[column] {
                case .null: return nil
                case .integer(let number): return number
                case .text, .blob: throw Self.unexpected(column)
                }
            }
        }
    }

    /// The integer in a column, counted from 0.
    package subscript(column: Int) -> Int64 {
        get throws(DatabaseError) { try Self.required(try self[column], column) }
    }

    /// The text in a column, counted from 0; nil for NULL.
    package subscript(column: Int) -> String? {
        get throws(DatabaseError) {
            switch content {
            case .current(let cursor): return try cursor.statement.text(column)
            case .copied(let values):
                switch values[column] {
                case .null: return nil
                case .text(let text): return text
                case .integer, .blob: throw Self.unexpected(column)
                }
            }
        }
    }

    /// Reads the UTF-8 of the text in a column, counted from 0, where it lies; nil for NULL.
    package func withText<Value>(
        _ column: Int, _ read: (Span<UInt8>) -> Value
    ) throws(DatabaseError) -> Value? {
        if case .current(let cursor) = content {
            return try cursor.statement.withText(column, read)
        }
        let text: String? = try self[column]
        return text.map { read($0.utf8.span) }
    }

    /// The text in a column, counted from 0.
    package subscript(column: Int) -> String {
        get throws(DatabaseError) { try Self.required(try self[column], column) }
    }

    /// The small number in a column, counted from 0; nil for NULL.
    package subscript(column: Int) -> UInt32? {
        get throws(DatabaseError) {
            let number: Int64? = try self[column]
            guard let number else { return nil }
            guard let small = UInt32(exactly: number) else { throw Self.unexpected(column) }
            return small
        }
    }

    /// The small number in a column, counted from 0.
    package subscript(column: Int) -> UInt32 {
        get throws(DatabaseError) { try Self.required(try self[column], column) }
    }

    private static func required<Value>(
        _ value: Value?, _ column: Int
    ) throws(DatabaseError) -> Value {
        guard let value else { throw unexpected(column) }
        return value
    }

    /// What no version of this software wrote.
    static func unexpected(_ column: Int) -> DatabaseError {
        DatabaseError(
            resultCode: .corrupt,
            message: "a row has a value in column \(column) that does not belong there")
    }
}

/// Goes over the rows that a statement finds, one by one.
package final class RowCursor {
    fileprivate let statement: Statement
    private var isAtEnd = false

    init(_ statement: Statement, _ arguments: StatementArguments) throws(DatabaseError) {
        try statement.bind(arguments)
        self.statement = statement
    }

    deinit { statement.reset() }

    /// The next row, which lasts until the one after it is asked for; nil behind the last one.
    package func next() throws(DatabaseError) -> Row? {
        if isAtEnd { return nil }
        if try statement.step() { return Row(of: self) }
        isAtEnd = true
        statement.reset()
        return nil
    }
}

extension Row {
    /// Runs a statement, and goes over its rows.
    package static func fetchCursor(
        _ statement: Statement, arguments: StatementArguments = []
    ) throws(DatabaseError) -> RowCursor {
        try RowCursor(statement, arguments)
    }

    /// Runs a statement, and takes all its rows.
    package static func fetchAll(
        _ statement: Statement, arguments: StatementArguments = []
    ) throws(DatabaseError) -> [Row] {
        let cursor = try fetchCursor(statement, arguments: arguments)
        var rows: [Row] = []
        while let row = try cursor.next() { rows.append(try row.copied()) }
        return rows
    }

    /// Compiles and runs a statement, and takes all its rows.
    package static func fetchAll(
        _ database: Database, sql: String, arguments: StatementArguments = []
    ) throws(DatabaseError) -> [Row] {
        try fetchAll(database.makeStatement(sql: sql), arguments: arguments)
    }
}

extension DatabaseValueConvertible {
    /// Runs a statement, and takes the first column of its rows.
    package static func fetchAll(
        _ statement: Statement, arguments: StatementArguments = []
    ) throws(DatabaseError) -> [Self] {
        let cursor = try Row.fetchCursor(statement, arguments: arguments)
        var values: [Self] = []
        while let row = try cursor.next() { values.append(try row[0]) }
        return values
    }

    /// Compiles and runs a statement, and takes the first column of its rows.
    package static func fetchAll(
        _ database: Database, sql: String, arguments: StatementArguments = []
    ) throws(DatabaseError) -> [Self] {
        try fetchAll(database.makeStatement(sql: sql), arguments: arguments)
    }

    /// Runs a statement, and takes the first column of its first row; nil for no row and for NULL.
    package static func fetchOne(
        _ statement: Statement, arguments: StatementArguments = []
    ) throws(DatabaseError) -> Self? {
        try Row.fetchCursor(statement, arguments: arguments).next()?[0]
    }

    /// Compiles and runs a statement, and takes the first column of its first row; nil for no row and
    /// for NULL.
    package static func fetchOne(
        _ database: Database, sql: String, arguments: StatementArguments = []
    ) throws(DatabaseError) -> Self? {
        try fetchOne(database.makeStatement(sql: sql), arguments: arguments)
    }
}
