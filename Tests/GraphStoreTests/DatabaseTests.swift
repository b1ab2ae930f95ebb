// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSQLite
import GraphTestSupport
import Synchronization
import SystemPackage
import Testing

/// What the store relies on in its connections to SQLite.
@Suite struct DatabaseTests {
    private func withDatabase(_ body: (DatabaseQueue) throws -> Void) throws {
        try withScratchRoot { directory in
            let queue = try DatabaseQueue(path: directory.appending("database").string)
            try queue.inDatabase {
                try $0.execute(
                    sql:
                        "CREATE TABLE t (number INTEGER, text TEXT); PRAGMA user_version = 7; PRAGMA synchronous = OFF"
                )
            }
            try body(queue)
        }
    }

    @Test func `values come back as they were stored`() throws {
        try withDatabase { queue in
            try queue.inDatabase { database in
                #expect(try Int.fetchOne(database, sql: "PRAGMA user_version") == 7)
                let texts = ["", "plain", "na\u{EF}ve \u{1F40B}", "a\u{0}b", "it's"]
                for (number, text) in texts.enumerated() {
                    try database.execute(
                        sql: "INSERT INTO t VALUES (?, ?)",
                        arguments: [Int64.max - Int64(number), text])
                }
                try database.execute(sql: "INSERT INTO t VALUES (?, ?)", arguments: [nil, nil])
                let rows = try Row.fetchAll(
                    database, sql: "SELECT number, text FROM t ORDER BY rowid")
                #expect(try rows.map { try $0[1] as String? } == texts + [nil])
                #expect(try rows.map { try $0[0] as Int64? }.compactMap { $0 }.first == .max)
                let statement = try database.cachedStatement(
                    sql: "SELECT text FROM t WHERE number = ?")
                #expect(try String.fetchOne(statement, arguments: [Int64.max - 1]) == "plain")
                #expect(try String.fetchOne(statement, arguments: [1]) == nil)
            }
        }
    }

    @Test func `a value of another type is an error and ends nothing`() throws {
        try withDatabase { queue in
            try queue.inDatabase { database in
                try database.execute(
                    sql: "INSERT INTO t VALUES ('no number', NULL), (5000000000, X'00')")
                let rows = try Row.fetchCursor(
                    database.makeStatement(sql: "SELECT number, text FROM t"))
                var seen = 0
                while let row = try rows.next() {
                    seen += 1
                    #expect(throws: DatabaseError.self) { try row[0] as UInt32 }
                    #expect(throws: DatabaseError.self) { try row[1] as String }
                }
                #expect(seen == 2)
            }
        }
    }

    @Test func `a transaction whose work fails is undone, and the next one works`() throws {
        struct Failure: Error {}
        try withDatabase { queue in
            #expect(throws: Failure.self) {
                try queue.inDatabase { database in
                    try database.inTransaction(.immediate) {
                        try database.execute(sql: "INSERT INTO t VALUES (1, 'a')")
                        throw Failure()
                    }
                }
            }
            let count = try queue.read { outer in
                try queue.read { inner in
                    #expect(outer === inner)
                    return try Int.fetchOne(inner, sql: "SELECT count(*) FROM t")
                }
            }
            #expect(count == 0)
            try queue.inDatabase { database in
                #expect(!database.isInsideTransaction)
                try database.inTransaction { .commit }
            }
        }
    }

    @Test func `a file that is no database is refused when it is opened`() throws {
        try withScratchRoot { directory in
            let path = directory.appending("database").string
            try runCommand("bash", ["-c", "yes text | head -c 8192 > \"$1\"", "", path])
            let error = #expect(throws: DatabaseError.self) { try DatabaseQueue(path: path) }
            #expect(error?.resultCode == .notDatabase)
        }
    }

    @Test func `threads use a connection one after the other`() throws {
        try withDatabase { queue in
            let done = Atomic(0)
            DispatchQueue.concurrentPerform(iterations: 400) { _ in
                let isDone: Void? = try? queue.inDatabase { database in
                    try database.inTransaction(.immediate) {
                        try database.execute(sql: "INSERT INTO t VALUES (1, 'a')")
                        return .commit
                    }
                }
                if isDone != nil { done.add(1, ordering: .relaxed) }
            }
            #expect(done.load(ordering: .relaxed) == 400)
            let count = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM t") }
            #expect(count == 400)
        }
    }
}
