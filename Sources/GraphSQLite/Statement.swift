// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CSQLite
import Glibc

/// A compiled statement, for the connection that made it and the thread that has the connection.
package final class Statement {
    private let connection: OpaquePointer
    private let raw: OpaquePointer

    init(_ raw: OpaquePointer, of connection: OpaquePointer) {
        (self.raw, self.connection) = (raw, connection)
    }

    deinit { sqlite3_finalize(raw) }

    /// Whether it stands on a row.
    var isBusy: Bool { sqlite3_stmt_busy(raw) != 0 }

    /// How many columns its rows have.
    var columnCount: Int { Int(sqlite3_column_count(raw)) }

    /// Runs it to its end.
    package func execute(arguments: StatementArguments = []) throws(DatabaseError) {
        try bind(arguments)
        defer { reset() }
        while try step() {}
    }

    /// Begins it anew with other values.
    func bind(_ arguments: StatementArguments) throws(DatabaseError) {
        reset()
        guard arguments.values.count == Int(sqlite3_bind_parameter_count(raw)) else {
            throw DatabaseError(
                resultCode: .misuse,
                message: "\(arguments.values.count) values are not what the statement takes")
        }
        for (index, value) in arguments.values.enumerated() {
            let place = CInt(index + 1)
            let code =
                switch value {
                case .null: sqlite3_bind_null(raw, place)
                case .integer(let number): sqlite3_bind_int64(raw, place, number)
                case .text(let text): bind(text, at: place)
                case .blob(let bytes): bind(bytes, at: place)
                }
            if code != SQLITE_OK { throw DatabaseError(code, connection) }
        }
    }

    private func bind(_ text: String, at place: CInt) -> CInt {
        var text = text
        // -1 is SQLITE_TRANSIENT: SQLite copies the bytes.
        let copying = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                // An empty buffer may have no address, which would stand for NULL.
                sqlite3_bind_text64(
                    raw, place, $0.baseAddress ?? UnsafePointer(Self.nothing),
                    sqlite3_uint64($0.count), copying, UInt8(SQLITE_UTF8))
            }
        }
    }

    private func bind(_ bytes: [UInt8], at place: CInt) -> CInt {
        let copying = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        return bytes.withUnsafeBytes {
            sqlite3_bind_blob64(
                raw, place, $0.baseAddress ?? UnsafeRawPointer(Self.nothing),
                sqlite3_uint64($0.count), copying)
        }
    }

    nonisolated(unsafe) private static let nothing = UnsafeMutablePointer<CChar>.allocate(
        capacity: 1)

    /// Goes to the next row; false behind the last one.
    func step() throws(DatabaseError) -> Bool {
        switch sqlite3_step(raw) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw DatabaseError(code, connection)
        }
    }

    /// Leaves the rows, and with them the locks that reading takes.
    func reset() { sqlite3_reset(raw) }

    /// The integer in a column of the row that it stands on; nil for NULL.
    func integer(_ column: Int) throws(DatabaseError) -> Int64? {
        switch sqlite3_column_type(raw, CInt(column)) {
        case SQLITE_INTEGER: return sqlite3_column_int64(raw, CInt(column))
        case SQLITE_NULL: return nil
        default: throw Row.unexpected(column)
        }
    }

    /// The text in a column of the row that it stands on; nil for NULL.
    func text(_ column: Int) throws(DatabaseError) -> String? {
        guard let buffer = try textBytes(column), let bytes = buffer.baseAddress else { return nil }
        let (count, characters) = (
            buffer.count, UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self)
        )
        // SQLite puts a NUL behind the text. That of strings that end there is the one way to validate that is
        // not generic, and a text with a NUL in it is rare.
        let text =
            strnlen(characters, count) == count
            ? String(validatingCString: characters) : String(validating: buffer, as: UTF8.self)
        guard let text else { throw Row.unexpected(column) }
        return text
    }

    /// Reads the UTF-8 of the text in a column of the row that it stands on; nil for NULL.
    func withText<Value>(
        _ column: Int, _ read: (Span<UInt8>) -> Value
    ) throws(DatabaseError) -> Value? {
        guard let buffer = try textBytes(column) else { return nil }
        return read(buffer.span)
    }

    /// Where the text in a column lies, until the next step; nil for NULL.
    private func textBytes(_ column: Int) throws(DatabaseError) -> UnsafeBufferPointer<UInt8>? {
        let place = CInt(column)
        switch sqlite3_column_type(raw, place) {
        case SQLITE_TEXT: break
        case SQLITE_NULL: return nil
        default: throw Row.unexpected(column)
        }
        guard let bytes = sqlite3_column_text(raw, place) else {
            throw DatabaseError(SQLITE_NOMEM, nil)
        }
        return UnsafeBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(raw, place)))
    }

    /// The value in a column of the row that it stands on.
    func value(_ column: Int) throws(DatabaseError) -> DatabaseValue {
        let place = CInt(column)
        switch sqlite3_column_type(raw, place) {
        case SQLITE_NULL: return .null
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(raw, place))
        case SQLITE_TEXT: return try text(column).map { .text($0) } ?? .null
        case SQLITE_BLOB:
            let count = Int(sqlite3_column_bytes(raw, place))
            // One of no bytes has no address.
            guard let bytes = sqlite3_column_blob(raw, place) else { return .blob([]) }
            return .blob([UInt8](UnsafeRawBufferPointer(start: bytes, count: count)))
        default:
            throw Row.unexpected(column)
        }
    }
}
