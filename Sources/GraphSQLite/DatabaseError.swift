// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CSQLite

/// A result code of SQLite: the kind of a failure, without what SQLite adds to it.
package struct ResultCode: RawRepresentable, Hashable, Sendable {
    package let rawValue: CInt
    /// Takes a raw value.
    package init(rawValue: CInt) { self.rawValue = rawValue }

    /// The statement was given up.
    package static let abort = ResultCode(rawValue: SQLITE_ABORT)
    /// Another connection has the lock that is needed.
    package static let busy = ResultCode(rawValue: SQLITE_BUSY)
    /// A file cannot be opened.
    package static let cannotOpen = ResultCode(rawValue: SQLITE_CANTOPEN)
    /// A value breaks a rule of the table.
    package static let constraint = ResultCode(rawValue: SQLITE_CONSTRAINT)
    /// A value breaks a rule of uniqueness; an extended code.
    package static let uniqueConstraint = ResultCode(
        rawValue: SQLITE_CONSTRAINT | (8 << 8))
    /// The database makes no sense.
    package static let corrupt = ResultCode(rawValue: SQLITE_CORRUPT)
    /// A statement makes no sense, or names what is not there.
    package static let error = ResultCode(rawValue: SQLITE_ERROR)
    /// The disk is full.
    package static let full = ResultCode(rawValue: SQLITE_FULL)
    /// The kernel refused to read, write or lock.
    package static let inputOutput = ResultCode(rawValue: SQLITE_IOERR)
    /// This process has the table locked.
    package static let locked = ResultCode(rawValue: SQLITE_LOCKED)
    /// A call that makes no sense.
    static let misuse = ResultCode(rawValue: SQLITE_MISUSE)
    /// The file is no database.
    package static let notDatabase = ResultCode(rawValue: SQLITE_NOTADB)
    /// The database cannot be written.
    package static let readOnly = ResultCode(rawValue: SQLITE_READONLY)

    /// The code without what SQLite adds to it.
    package var primary: ResultCode { ResultCode(rawValue: rawValue & 0xff) }
}

/// A failure of SQLite.
package struct DatabaseError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The code with what SQLite adds to it.
    package let extendedResultCode: ResultCode
    /// SQLite's own sentence.
    package let message: String?
    /// The error number of the system call behind it, where SQLite tells: for files that it could
    /// not open, read, write or lock; else 0.
    package let systemErrno: CInt

    /// Describes a failure.
    package init(resultCode: ResultCode, message: String? = nil, systemErrno: CInt = 0) {
        extendedResultCode = resultCode
        self.message = message
        self.systemErrno = systemErrno
    }

    /// Takes what a connection says of its last call.
    init(_ code: CInt, _ connection: OpaquePointer?) {
        let text = connection.map { sqlite3_errmsg($0) } ?? sqlite3_errstr(code)
        let primary = ResultCode(rawValue: code).primary
        let hasErrno = primary == .cannotOpen || primary == .inputOutput
        self.init(
            resultCode: ResultCode(rawValue: code), message: text.map { String(cString: $0) },
            systemErrno: hasErrno ? connection.map { sqlite3_system_errno($0) } ?? 0 : 0)
    }

    /// The kind of the failure.
    package var resultCode: ResultCode { extendedResultCode.primary }

    /// SQLite's sentence and number.
    package var description: String {
        "\(message ?? "failure") (SQLite error \(extendedResultCode.rawValue))"
    }
}
