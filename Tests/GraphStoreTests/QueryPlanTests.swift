// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CSQLite
import Foundation
import GraphArchive
import GraphCore
import GraphStore
import Synchronization
import SystemPackage
import Testing

/// Every statement that SQLite ran since ``recordStatements()``, as it was compiled.
private let statements = Mutex<Set<String>>([])

/// Has SQLite tell of each connection that is opened from now on what it runs.
///
/// SQLite itself is asked and not this project's code, so that no statement can pass by.
private func recordStatements() {
    typealias Entry =
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, OpaquePointer?
        ) -> CInt
    let entry: Entry = { connection, _, _ in
        sqlite3_trace_v2(
            connection, UInt32(SQLITE_TRACE_STMT),
            { _, _, statement, _ in
                if let text = statement.flatMap({ sqlite3_sql(OpaquePointer($0)) }) {
                    statements.withLock { _ = $0.insert(String(cString: text)) }
                }
                return 0
            }, nil)
        return SQLITE_OK
    }
    sqlite3_auto_extension(unsafeBitCast(entry, to: (@convention(c) () -> Void).self))
}

/// What statements cost by the number of layers.
@Suite(.serialized) struct QueryPlanTests {
    /// Those that list all layers or all images: each by a part of its text.
    private static let readAll = [
        "WHERE l.state IN ('ready', 'committing') ORDER BY l.number",
        "SELECT layer, key, value FROM labels", "SELECT l.kind, count(*) FROM layers l",
        "SELECT id FROM images ORDER BY created_at, id",
        // By the end of a name, which no index has; only for what is no layer's id and no whole name.
        "SELECT name, image FROM image_names",
    ]

    /// What is read whole and has a few rows, however many layers there are: what a recursion has found so far,
    /// single values, the unfinished, and two counters.
    private static let short = [
        "SCAN chain", "CONSTANT ROW", "USING INDEX layers_unfinished", "SCAN sqlite_sequence",
    ]

    @Test func `no statement reads a whole table, but for those that list all`() throws {
        let fixture = try StoreFixture()
        // The tables are made once.
        _ = try fixture.open()
        recordStatements()
        defer { sqlite3_reset_auto_extension() }
        statements.withLock { $0 = [] }
        try Self.useEverything(fixture)
        let texts = statements.withLock { $0 }
        #expect(texts.count > 40)
        var database: OpaquePointer?
        defer { sqlite3_close_v2(database) }
        let path = fixture.root.appending("graph.db").string
        try #require(sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK)
        var scans = 0
        for text in texts.sorted() {
            let verbs = ["SELECT", "WITH", "DELETE", "UPDATE", "INSERT"]
            // The records of mounts are as many as there are mounts.
            let isOfMounts = ["mounts", "spare"].contains(where: text.contains)
            guard verbs.contains(where: text.hasPrefix), !isOfMounts,
                !text.contains("sqlite_master")
            else { continue }
            for step in Self.plan(of: text, database) where step.hasPrefix("SCAN") {
                if Self.short.contains(where: step.contains) { continue }
                scans += 1
                let isListed = Self.readAll.contains { text.contains($0) }
                #expect(isListed, "\(step): \(text)")
            }
        }
        // The lists are among them, or the test looks at nothing.
        #expect(scans >= 2)
    }

    /// How SQLite would run a statement, step by step.
    private static func plan(of text: String, _ database: OpaquePointer?) -> [String] {
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        let code = sqlite3_prepare_v2(database, "EXPLAIN QUERY PLAN " + text, -1, &statement, nil)
        #expect(code == SQLITE_OK, "\(text)")
        var steps: [String] = []
        while sqlite3_step(statement) == SQLITE_ROW {
            if let detail = sqlite3_column_text(statement, 3) {
                steps.append(String(cString: detail))
            }
        }
        return steps
    }

    /// Does all that a store can do.
    private static func useEverything(_ fixture: StoreFixture) throws {
        do {
            let store = try fixture.open()
            let tar = try StoreFixture.tar("file", "text")
            let base = try store.apply(MemorySource(tar), id: "base", labels: ["a": "1"]).layer
            let named = try store.apply(MemorySource(tar)).layer
            _ = try store.apply(MemorySource(tar), parent: "base", diffID: named.diffID)
            let child = try store.create(id: "child", parent: base.id, labels: ["b": "2"])
            let view = try store.createView(id: "view", parent: base.id)
            _ = try store.mount(child.id)
            _ = try store.mount(view.id)
            _ = try store.mounted(child.id)
            try store.unmount(layer: child.id)
            try store.unmount(layer: view.id)
            _ = try store.setLabels(of: child.id, ["b": nil, "c": "3"])
            _ = try store.layers(matching: [LabelFilter(parsing: "a=1")].compactMap(\.self))
            _ = try store.layers(matching: [LabelFilter(parsing: "a")].compactMap(\.self))
            _ = try (
                store.layers(), store.layerIDs(), store.children(of: "base"),
                store.chain(of: "child")
            )
            _ = try (
                store.info(), store.diskUsage(), store.usage(of: "child"), store.referent("chi")
            )
            _ = try store.images.all()
            _ = try store.commit(child.id, as: "kept")
            _ = try store.changes(of: "kept")
            try store.remove("view")
            try store.remove("kept")
            _ = try (store.check(deep: true), store.collectGarbage())
            try store.reclaim()
        }
        // An operation of a process that has died is ended by the next opening.
        try fixture.tamper("UPDATE layers SET state = 'creating', owner = 12345 WHERE id = 'base'")
        _ = try fixture.open().check()
    }
}
