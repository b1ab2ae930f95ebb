// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CSQLite

/// How a database is opened.
package struct Configuration: Sendable {
    /// Whether to open it for reading only.
    package var readonly = false
    /// What to do about locks of other connections.
    package var busyMode = BusyMode.immediateError
    /// Whether the path is a URI, with options of SQLite's.
    package var isURI = false
    /// Whether the log and its index stay, with the blocks that they have, when the last connection
    /// closes (`SQLITE_FCNTL_PERSIST_WAL`).
    package var keepsLog = false
    private(set) var preparation: (@Sendable (Database) throws(DatabaseError) -> Void)?

    /// Opens for reading and writing, and makes a file that is missing.
    package init() {}

    /// What to do about locks.
    package enum BusyMode: Hashable, Sendable {
        case immediateError
        /// Waits for so many seconds.
        case timeout(Double)
    }

    /// Has something done with the connection before anybody gets it.
    package mutating func prepareDatabase(
        _ body: @escaping @Sendable (Database) throws(DatabaseError) -> Void
    ) {
        preparation = body
    }
}

/// What a transaction ends with.
package enum TransactionCompletion: Sendable {
    case commit, rollback
}

/// When a transaction takes its locks.
package enum TransactionKind: String, Sendable {
    case deferred = "DEFERRED"
    case immediate = "IMMEDIATE"
}

/// A connection, lent by a ``DatabaseQueue`` to one thread at a time.
package final class Database {
    /// How it was opened.
    package let configuration: Configuration
    private let raw: OpaquePointer
    /// Few enough to be looked through; most texts differ in their lengths.
    private var statements: [(sql: String, statement: Statement)] = []
    private var isOpen = true
    /// Where SQLite puts how many pages the log had after the last commit.
    private let logPages = UnsafeMutablePointer<CInt>.allocate(capacity: 1)

    init(path: String, _ configuration: Configuration) throws(DatabaseError) {
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        flags |=
            configuration.readonly
            ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
        if configuration.isURI { flags |= SQLITE_OPEN_URI }
        var connection: OpaquePointer?
        let code = sqlite3_open_v2(path, &connection, flags, nil)
        guard code == SQLITE_OK, let connection else {
            let error = DatabaseError(code, connection)
            sqlite3_close_v2(connection)
            throw error
        }
        raw = connection
        self.configuration = configuration
        logPages.initialize(to: 0)
        do throws(DatabaseError) {
            try setUp()
        } catch {
            close()
            throw error
        }
    }

    deinit {
        close()
        logPages.deallocate()
    }

    private func setUp() throws(DatabaseError) {
        cgraph_sqlite_refuse_quoted_strings(raw)
        // In place of SQLite's own, which copies the log and does not begin it again; see ``recycleLog(atPages:)``.
        sqlite3_wal_hook(
            raw,
            { place, _, _, pages in
                place?.assumingMemoryBound(to: CInt.self).pointee = pages
                return SQLITE_OK
            }, logPages)
        if case .timeout(let seconds) = configuration.busyMode { wait(seconds: Int(seconds)) }
        if configuration.keepsLog {
            var isKept: CInt = 1
            sqlite3_file_control(raw, nil, SQLITE_FCNTL_PERSIST_WAL, &isKept)
        }
        try execute(sql: "PRAGMA foreign_keys = ON")
        try configuration.preparation?(self)
        // A file that is no database is found out now, and not in the middle of something.
        _ = try Int.fetchOne(self, sql: "SELECT 1 FROM sqlite_master LIMIT 1")
    }

    /// Waits so long for locks of other connections from now on.
    package func wait(seconds: Int) {
        // SQLite's own handler asks more and more seldom, at last ten times a second: of many that wait, some
        // would be late every time.
        let triesMax = seconds * 1000 / Int(Self.busyPause)
        sqlite3_busy_handler(
            raw,
            { limit, tries in
                if Int(tries) >= Int(bitPattern: limit) { return 0 }
                sqlite3_sleep(Database.busyPause)
                return 1
            }, UnsafeMutableRawPointer(bitPattern: triesMax))
    }

    /// After so many milliseconds a lock is asked for again.
    private static let busyPause: CInt = 2

    /// Closes the connection; a second time does nothing.
    func close() {
        if !isOpen { return }
        isOpen = false
        statements = []
        // Statements that somebody still holds keep it open until they go.
        sqlite3_close_v2(raw)
    }

    /// The version of SQLite that is in use, such as `3.40.1`.
    package static var libraryVersion: String { String(cString: sqlite3_libversion()) }

    /// The row that was inserted last.
    package var lastInsertedRowID: Int64 { sqlite3_last_insert_rowid(raw) }

    /// How many rows the last statement changed.
    package var changesCount: Int { Int(sqlite3_changes(raw)) }

    /// Whether a transaction is going on.
    package var isInsideTransaction: Bool { sqlite3_get_autocommit(raw) == 0 }

    /// Compiles a statement.
    package func makeStatement(sql: String) throws(DatabaseError) -> Statement {
        let (statement, _) = try compile(sql, from: 0, lasting: false)
        guard let statement else {
            throw DatabaseError(
                resultCode: .misuse, message: "there is no statement")
        }
        return statement
    }

    /// Compiles a statement once, and keeps it.
    package func cachedStatement(sql: String) throws(DatabaseError) -> Statement {
        for known in statements where known.sql.utf8.count == sql.utf8.count && known.sql == sql {
            // One that is in the middle of its rows is somebody's.
            if !known.statement.isBusy { return known.statement }
        }
        let (statement, _) = try compile(sql, from: 0, lasting: true)
        guard let statement else { return try makeStatement(sql: sql) }
        statements.append((sql, statement))
        return statement
    }

    /// Runs statements one after the other; the values are for a single one.
    package func execute(
        sql: String, arguments: StatementArguments = []
    ) throws(DatabaseError) {
        var offset = 0
        while true {
            let (statement, next) = try compile(sql, from: offset, lasting: false)
            guard let statement else { return }
            try statement.execute(arguments: arguments)
            offset = next
        }
    }

    /// Compiles the first statement from an offset in bytes on, and tells where it ends; nil when
    /// there is none.
    private func compile(
        _ sql: String, from offset: Int, lasting: Bool
    ) throws(DatabaseError) -> (Statement?, end: Int) {
        if !isOpen {
            throw DatabaseError(
                resultCode: .misuse, message: "the database is closed")
        }
        var statement: OpaquePointer?
        var end = offset
        var text = sql
        let code = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters -> CInt in
                guard let start = characters.baseAddress, offset < characters.count else {
                    return SQLITE_OK
                }
                var tail: UnsafePointer<CChar>?
                let code = sqlite3_prepare_v3(
                    raw, start + offset, CInt(characters.count - offset),
                    lasting ? UInt32(SQLITE_PREPARE_PERSISTENT) : 0, &statement, &tail)
                if let tail { end = tail - start }
                return code
            }
        }
        if code != SQLITE_OK { throw DatabaseError(code, raw) }
        return (statement.map { Statement($0, of: raw) }, end)
    }

    /// Does something in one transaction, which is undone when `body` throws.
    package func inTransaction(
        _ kind: TransactionKind = .deferred, _ body: () throws -> TransactionCompletion
    ) throws {
        try cachedStatement(sql: "BEGIN \(kind.rawValue)").execute()
        do {
            switch try body() {
            case .commit: try cachedStatement(sql: "COMMIT").execute()
            case .rollback: rollBack()
            }
        } catch {
            rollBack()
            throw error
        }
    }

    /// Copies the log into the database where the last commit left it with so many pages, and begins it again.
    ///
    /// SQLite begins a copied log again with the next commit of the same process. A process that ends before
    /// that leaves it to the next one, which reads it from its start and goes on at its end: of processes with
    /// one commit each it would grow without bound. Where others read or write meanwhile, a later commit
    /// does it.
    package func recycleLog(atPages limit: Int) throws {
        if logPages.pointee < CInt(limit) { return }
        let copied = try Row.fetchAll(self, sql: "PRAGMA wal_checkpoint(PASSIVE)").first
        guard let copied, try copied[1] as Int == copied[2] as Int else { return }
        try inTransaction(.immediate) {
            let version = try Int.fetchOne(self, sql: "PRAGMA user_version") ?? 0
            try execute(sql: "PRAGMA user_version = \(version)")
            return .commit
        }
    }

    /// Undoes a transaction, which SQLite has done already after some failures.
    private func rollBack() {
        if isInsideTransaction { try? execute(sql: "ROLLBACK") }
    }
}
