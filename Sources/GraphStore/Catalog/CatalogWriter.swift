// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// What is recorded about a layer at the end of a commit or an apply.
struct CommittedContent {
    /// nil where no layer tar can be written of the layer.
    let diffID: Digest?
    let chainID: Digest?
    let contentDigest: Digest
    let diffBytes: UInt64?
    let recipeBytes: UInt64?
    let usage: LayerUsage
    let durability: Durability
}

/// A record to be made.
struct NewLayer {
    let id: String?
    let name: String?
    let kind: Layer.Kind
    let state: LayerRecord.State
    let owner: Int64?
    let parent: LayerNumber?
    let depth: Int
    let limits: LayerLimits
    let created: Timestamp
    let labels: [String: String]
}

/// The writing statements about layers, inside a transaction on `graph.db`.
struct CatalogWriter {
    let database: Database

    init(_ database: Database) { self.database = database }

    /// Adds a record, and gives out its number.
    func insert(_ layer: NewLayer) throws -> LayerNumber {
        try run(
            """
            INSERT INTO layers
                (id, kind, state, owner, parent, depth, limit_bytes, created_at, updated_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                layer.id, layer.kind.rawValue, layer.state.rawValue, layer.owner,
                layer.parent?.rawValue, layer.depth, layer.limits.bytes.map(Int64.init(clamping:)),
                layer.created.record, layer.created.record,
            ])
        guard let number = UInt32(exactly: database.lastInsertedRowID) else {
            throw DriverError(.unsupported, "all layer numbers are used (2^32)")
        }
        if let name = layer.name { try setName(name, of: LayerNumber(rawValue: number)) }
        for (key, value) in layer.labels {
            try setLabel(key, value, of: LayerNumber(rawValue: number))
        }
        return LayerNumber(rawValue: number)
    }

    /// Ends an intent: the layer is what it was to become.
    ///
    /// - Returns: Whether the intent was still this owner's.
    func finish(
        _ number: LayerNumber, owner: Int64, id: String, _ content: CommittedContent?,
        at time: Timestamp
    ) throws -> Bool {
        guard let content else {
            return try run(
                """
                UPDATE layers SET state = 'ready', owner = NULL, id = ?, updated_at = ?
                WHERE number = ? AND owner = ?
                """, [id, time.record, number.rawValue, owner]) == 1
        }
        return try run(
            """
            UPDATE layers SET state = 'ready', owner = NULL, kind = 'committed', id = ?,
                diff_id = ?, chain_id = ?, content_digest = ?, diff_bytes = ?, own_bytes = ?,
                own_inodes = ?, durability = ?, recipe_bytes = ?, updated_at = ?
            WHERE number = ? AND owner = ?
            """,
            [
                id, content.diffID?.hex, content.chainID?.hex, content.contentDigest.hex,
                content.diffBytes.map { Int64(clamping: $0) }, Int64(clamping: content.usage.bytes),
                Int64(clamping: content.usage.inodes), content.durability.rawValue,
                content.recipeBytes.map { Int64(clamping: $0) }, time.record, number.rawValue,
                owner,
            ]) == 1
    }

    /// Records when a layer became what it is.
    func setCreated(_ number: LayerNumber, at time: Timestamp) throws {
        try run(
            "UPDATE layers SET created_at = ? WHERE number = ?", [time.record, number.rawValue])
    }

    /// Begins a change of a layer that is ready.
    func setState(_ state: LayerRecord.State, owner: Int64?, of number: LayerNumber) throws {
        try run(
            "UPDATE layers SET state = ?, owner = ? WHERE number = ?",
            [state.rawValue, owner, number.rawValue])
    }

    /// Takes the intents of dead owners over; those without an owner are given with nil.
    ///
    /// - Returns: The layers that are now this owner's to finish.
    func claim(from dead: Set<Int64?>, for owner: Int64) throws -> [LayerNumber] {
        var claimed: [LayerNumber] = []
        for other in dead {
            let statement = try database.cachedStatement(
                sql: """
                    UPDATE layers SET owner = ? WHERE state <> 'ready' AND owner IS ?
                    RETURNING number
                    """)
            claimed += try UInt32.fetchAll(statement, arguments: [owner, other])
                .map { LayerNumber(rawValue: $0) }
        }
        return claimed
    }

    /// Ends a commit that led to nothing: the layer is active as before.
    func endCommit(_ number: LayerNumber, owner: Int64) throws {
        try run(
            """
            UPDATE layers SET state = 'ready', owner = NULL
            WHERE number = ? AND state = 'committing' AND owner = ?
            """, [number.rawValue, owner])
    }

    /// Begins the removal of a layer, which gives its id and its name away at once.
    func beginRemoval(of number: LayerNumber, owner: Int64) throws {
        try setName(nil, of: number)
        try run(
            "UPDATE layers SET state = 'removing', owner = ?, id = NULL WHERE number = ?",
            [owner, number.rawValue])
    }

    /// Takes a removal back that did nothing.
    func undoRemoval(of number: LayerNumber, id: String, name: String?) throws {
        if let name { try setName(name, of: number) }
        try run(
            "UPDATE layers SET state = 'ready', owner = NULL, id = ? WHERE number = ?",
            [id, number.rawValue])
    }

    /// Leaves an intent to whoever clears it.
    func disown(_ number: LayerNumber) throws {
        try run("UPDATE layers SET owner = NULL WHERE number = ?", [number.rawValue])
    }

    /// Forgets a layer, and its labels with it.
    func delete(_ number: LayerNumber) throws {
        try run("DELETE FROM layers WHERE number = ?", [number.rawValue])
    }

    /// Gives a layer a name, in place of the one that it had; nil takes that away.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerExists`` when another layer has it.
    func setName(_ name: String?, of number: LayerNumber) throws {
        if let name, let other = try CatalogReader(database).layer(named: name),
            other.number != number
        {
            throw DriverError(.layerExists, "layer \(other.layer.id) is named \(name) already")
        }
        try setLabel(LayerName.key, name, of: number)
    }

    /// Takes all labels of a layer away, and leaves its name.
    func removeLabels(of number: LayerNumber) throws {
        try run(
            "DELETE FROM labels WHERE layer = ? AND key <> ?", [number.rawValue, LayerName.key])
    }

    /// Sets a label, or takes it away.
    func setLabel(_ key: String, _ value: String?, of number: LayerNumber) throws {
        guard let value else {
            try run("DELETE FROM labels WHERE layer = ? AND key = ?", [number.rawValue, key])
            return
        }
        try run(
            "INSERT OR REPLACE INTO labels (layer, key, value) VALUES (?, ?, ?)",
            [number.rawValue, key, value])
    }

    /// Records that something about a layer changed.
    func touch(_ number: LayerNumber, at time: Timestamp) throws {
        try run(
            "UPDATE layers SET updated_at = ? WHERE number = ?", [time.record, number.rawValue])
    }

    /// Counts one more change of the records, and tells how many there were.
    ///
    /// In the table of SQLite's own counters: giving out a layer's number writes that page anyway.
    func count() throws -> UInt64 {
        let isCounted =
            try run(
                "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = ?", [Self.counter]) > 0
        if !isCounted {
            try run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, 1)", [Self.counter])
        }
        return try CatalogReader(database).changeCount()
    }

    /// Goes on where the records are older than the disk: the next change is counted after `changes`,
    /// and no number up to `number` is given out.
    func catchUp(changes: UInt64, number: LayerNumber) throws {
        _ = try count()
        try run(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?",
            [Int64(clamping: changes), Self.counter])
        let isThere =
            try run(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'layers'",
                [number.rawValue]) > 0
        if !isThere {
            try run(
                "INSERT INTO sqlite_sequence (name, seq) VALUES ('layers', ?)", [number.rawValue])
        }
    }

    /// The name of the counter of changes; no table has it.
    static let counter = "changes"

    /// Runs a statement, and tells how many rows it changed.
    @discardableResult
    private func run(_ sql: String, _ arguments: StatementArguments) throws -> Int {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
        return database.changesCount
    }
}
