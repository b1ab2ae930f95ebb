// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSQLite
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Whatever stands in the records, no command traps, hangs or shows what no layer is: bits that flip in a database
/// need not make it one that SQLite calls damaged.
@Suite(.serialized, .enabled(if: geteuid() == 0, "mounting needs root"))
struct RecordValueTests {
    private static let columns = [
        "number", "id", "kind", "state", "owner", "parent", "depth", "diff_id", "chain_id",
        "content_digest", "diff_bytes", "recipe_bytes", "own_bytes", "own_inodes", "limit_bytes",
        "durability", "created_at", "updated_at",
    ]
    private static let values = [
        "NULL", "-1", "0", "1", "2", "3", "4", "4294967295", "4294967296", "9223372036854775807",
        "-9223372036854775808", "1e300", "''", "'x'", "x'00ff'", "'sha256:'",
        "'a' || char(0) || 'b'",
        "char(27) || '[2J'", "replace(hex(zeroblob(5000)), '00', 'long')",
    ]
    private static let verbs = [
        ["ls"], ["ls", "--json"], ["ls", "-q"], ["tree"], ["tree", "--json"], ["check"],
        ["check", "--deep"], ["df"], ["info"],
        ["gc", "--dry-run"], ["inspect", "base"], ["inspect", "box"], ["usage", "eye"],
        ["changes", "box"], ["diff", "base", "--output", "/dev/null"],
        ["create", "--parent", "base"], ["view", "--parent", "base"], ["mount", "box"],
        ["unmount", "box"], ["commit", "box"], ["gc"], ["rm", "eye"],
    ]

    @Test func `no command ends by a signal or does not end, whatever a record says`() throws {
        let seed = SeededGenerator.runSeed
        var random = SeededGenerator(seed: seed)
        try Fixture.withMemory { fixture in
            try fixture.withStore("vfs") { original in
                try fixture.fill(original)
                for round in 0..<(SeededGenerator.isSoak ? 1_000 : 25) {
                    try fixture.withCopy(of: original) { store in
                        defer { unmountAll(below: store.runRoot) }
                        let change = try damage(store, &random)
                        let note = "GRAPH_TEST_SEED=\(seed), round \(round), \(change)"
                        try run(store, note, &random)
                    }
                }
            }
        }
    }

    /// An id that is none would make a layer its own parent, or the one of those that have none.
    @Test(arguments: [
        "NULL", "''", "'-'", "char(27) || '[2J'", "replace(hex(zeroblob(200)), '0', 'a')",
    ])
    func `an id that is none is told`(_ value: String) throws {
        try Fixture.withMemory { fixture in
            try fixture.withStore("vfs") { store in
                try fixture.fill(store)
                try execute("UPDATE layers SET id = \(value) WHERE number = 1", store)
                for verb in [["ls"], ["ls", "-q"], ["tree"], ["tree", "--json"]] {
                    let result = try store.graphctl(
                        verb, under: ["timeout", "--signal=KILL", "60"])
                    #expect(result.status == 1, "\(verb): \(result)")
                    #expect(result.errors.contains("no valid id"), "\(verb): \(result)")
                }
            }
        }
    }

    /// Sets a column of a layer to something, past all that SQLite guards.
    private func damage(
        _ store: AttackedStore, _ random: inout SeededGenerator
    ) throws -> String {
        let column = Self.columns.randomElement(using: &random) ?? "id"
        let value = Self.values.randomElement(using: &random) ?? "NULL"
        let sql =
            "UPDATE OR IGNORE layers SET \(column) = \(value) WHERE number = "
            + String(Int.random(in: 1...3, using: &random))
        try execute(sql, store)
        return sql
    }

    private func execute(_ sql: String, _ store: AttackedStore) throws {
        let queue = try DatabaseQueue(path: store.root.appending("graph.db").string)
        try queue.inDatabase { database in
            try database.execute(
                sql: "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
            // A number is none but an integer, also for SQLite.
            try? database.execute(sql: sql)
        }
        try queue.close()
    }

    /// Runs some verbs, each of which ends soon, by itself, and prints nothing that moves a cursor.
    private func run(
        _ store: AttackedStore, _ note: String, _ random: inout SeededGenerator
    ) throws {
        for verb in Self.verbs.shuffled(using: &random) {
            let result = try store.graphctl(verb, under: ["timeout", "--signal=KILL", "60"])
            #expect([0, 1, 2].contains(result.status), "\(note): \(result)")
            #expect(!(result.output + result.errors).contains("\u{1b}"), "\(note): \(result)")
        }
    }
}
