// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// The reading statements about layers, on a connection of `graph.db`.
///
/// All cost the same in a store of ten layers and of fifty thousand, those that return a list apart.
struct CatalogReader {
    let database: Database

    init(_ database: Database) { self.database = database }

    /// What a word names.
    enum Named {
        case layer(LayerRecord)
        /// The id of an image.
        case image(String)
    }

    /// Finds a layer by its id or by a prefix that no other id has, or the topmost of an image.
    func layer(_ reference: String) throws -> LayerRecord {
        guard let layer = try layerIfAny(reference) else {
            throw DriverError(.wrongKind, "image \(reference) has no layers")
        }
        return layer
    }

    /// The same; nil for an image that has no layers.
    func layerIfAny(_ reference: String) throws -> LayerRecord? {
        switch try named(reference) {
        case .layer(let record): return record
        case .image(let id): return try ImageQueries(database).top(of: id).flatMap { try layer($0) }
        }
    }

    /// Finds what a word names: the layer with that id, the layer with that name, the image with that name, or
    /// the layer or image whose id begins so.
    func named(_ reference: String) throws -> Named {
        if reference.isEmpty { throw DriverError(.invalidArgument, "a layer's id cannot be empty") }
        if let exact = try layer(id: reference), exact.isVisible { return .layer(exact) }
        if let exact = try layer(named: reference), exact.isVisible { return .layer(exact) }
        let images = ImageQueries(database)
        let hasImages = try images.arePresent()
        if hasImages, let id = try images.id(named: reference) { return .image(id) }
        let layer = try layer(startingWith: reference)
        guard hasImages, let id = try images.id(startingWith: reference) else {
            if let layer { return .layer(layer) }
            throw notFound(reference)
        }
        if let layer {
            throw DriverError(
                .invalidArgument,
                "\(reference) is the start of a layer's id, \(layer.layer.id), and of an image's, "
                    + id)
        }
        return .image(id)
    }

    /// Finds a layer by a prefix that no other id has.
    private func layer(startingWith reference: String) throws -> LayerRecord? {
        guard reference.utf8.allSatisfy(LayerID.isAllowed) else { return nil }
        // "~" sorts behind every character of an id.
        let found = try records(
            "WHERE l.id >= ? AND l.id < ? AND \(LayerRecord.isVisible) ORDER BY l.id LIMIT 3",
            [reference, reference + "~"])
        if found.count > 1 {
            let names = found.map(\.layer.id).joined(separator: ", ")
            throw DriverError(
                .invalidArgument,
                "\(reference) is the start of several layers' ids: \(names)"
                    + (found.count == 3 ? " and maybe more" : ""))
        }
        return found.first
    }

    /// Finds a layer by its whole id, whatever its state.
    func layer(id: String) throws -> LayerRecord? { try records("WHERE l.id = ?", [id]).first }

    /// Finds a layer by its name, whatever its state.
    func layer(named name: String) throws -> LayerRecord? {
        try records(
            "WHERE l.number IN (SELECT layer FROM labels WHERE key = ? AND value = ?)",
            [LayerName.key, name]
        ).first
    }

    /// Finds a layer by its number, whatever its state.
    func layer(_ number: LayerNumber) throws -> LayerRecord? {
        try records("WHERE l.number = ?", [number.rawValue]).first
    }

    /// Whether there is a record of a number, whatever its state.
    func isRecorded(_ number: LayerNumber) throws -> Bool {
        let statement = try database.cachedStatement(sql: "SELECT 1 FROM layers WHERE number = ?")
        return try Int.fetchOne(statement, arguments: [number.rawValue]) != nil
    }

    /// The committed layer that has its chain as id.
    ///
    /// One with an id of its own is somebody's, who may remove it at any time.
    func committed(_ chainID: Digest) throws -> LayerRecord? {
        try records(
            """
            WHERE l.chain_id = ? AND l.id = l.chain_id AND l.kind = 'committed'
                AND l.state = 'ready'
            """, [chainID.hex]
        ).first
    }

    /// The layers below a layer, nearest first.
    func parents(of number: LayerNumber) throws -> [LayerNumber] {
        let statement = try database.cachedStatement(
            sql: """
                WITH RECURSIVE chain (number, parent) AS (
                    SELECT number, parent FROM layers WHERE number = ?
                    UNION ALL
                    SELECT l.number, l.parent FROM chain JOIN layers l ON l.number = chain.parent
                    WHERE l.number < chain.number
                )
                SELECT parent FROM chain WHERE parent IS NOT NULL
                """)
        let parents = try UInt32.fetchAll(statement, arguments: [number.rawValue])
            .map { LayerNumber(rawValue: $0) }
        try Self.requireOrder([number] + parents)
        return parents
    }

    /// Refuses a chain that goes in circles: parents are older than their children.
    private static func requireOrder(_ chain: [LayerNumber]) throws(DriverError) {
        for (child, parent) in zip(chain, chain.dropFirst()) where parent >= child {
            throw DriverError(
                .storeDamaged,
                "layer number \(child) has number \(parent) as parent, which is not older")
        }
    }

    /// The records of a layer and of all below it, nearest first.
    func chain(of number: LayerNumber) throws -> [LayerRecord] {
        // Numbers grow from parent to child: the table forbids anything else.
        try records(
            """
            WHERE l.number IN (
                WITH RECURSIVE chain (number) AS (
                    VALUES (?)
                    UNION ALL
                    SELECT l.parent FROM chain JOIN layers l ON l.number = chain.number
                    WHERE l.parent IS NOT NULL AND l.parent < l.number
                )
                SELECT number FROM chain
            ) ORDER BY l.number DESC
            """, [number.rawValue])
    }

    /// The layers that have a layer as parent, whatever their state, oldest first.
    func children(of number: LayerNumber, limit: Int = -1) throws -> [LayerRecord] {
        try records(
            "WHERE l.parent = ? ORDER BY l.number LIMIT ?", [number.rawValue, limit])
    }

    /// The unfinished, children before parents: a few rows at most, found by their own index.
    func unfinished() throws -> [LayerRecord] {
        // The sign keeps SQLite from walking the whole table in the wanted order instead.
        try records("WHERE l.state <> 'ready' ORDER BY +l.number DESC", [])
    }

    /// The ids of all layers that callers see, oldest first.
    func visibleIDs() throws -> [String] {
        let statement = try database.cachedStatement(
            sql: "SELECT l.id FROM layers l WHERE \(LayerRecord.isVisible) ORDER BY l.number")
        let ids = try String.fetchAll(statement)
        guard ids.allSatisfy(LayerID.isValid) else {
            throw DriverError(.storeDamaged, "a layer has no valid id")
        }
        return ids
    }

    /// All layers that callers see, oldest first.
    func visible() throws -> [LayerRecord] {
        var records: [LayerRecord] = []
        try forEachVisible { records.append($0) }
        return records
    }

    /// Goes over all layers that callers see, oldest first.
    func forEachVisible(_ body: (LayerRecord) -> Void) throws {
        try forEach(
            "WHERE \(LayerRecord.isVisible) ORDER BY l.number", [], labels: try allLabels(), body)
    }

    /// So many of the layers that callers see and that are younger than another, oldest first.
    func visible(after number: LayerNumber, limit: Int) throws -> [LayerRecord] {
        try records(
            "WHERE l.number > ? AND \(LayerRecord.isVisible) ORDER BY l.number LIMIT ?",
            [number.rawValue, limit])
    }

    /// The numbers and ids of all layers that callers see and that have bytes, oldest first.
    func visibleWithBytes() throws -> [(number: LayerNumber, id: String)] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT l.number, l.id, l.kind FROM layers l
                WHERE \(LayerRecord.isVisible) ORDER BY l.number
                """)
        let cursor = try Row.fetchCursor(statement)
        var layers: [(number: LayerNumber, id: String)] = []
        while let row = try cursor.next() {
            let (number, id, kind): (UInt32, String, String) = try (row[0], row[1], row[2])
            if kind == Layer.Kind.view.rawValue { continue }
            layers.append((LayerNumber(rawValue: number), id))
        }
        return layers
    }

    /// What is recorded about the space of all layers that callers see, oldest first.
    func visibleSpaces() throws -> [RecordedSpace] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT \(RecordedSpace.columns) FROM layers l
                WHERE \(LayerRecord.isVisible) ORDER BY l.number
                """)
        let cursor = try Row.fetchCursor(statement)
        var spaces: [RecordedSpace] = []
        while let row = try cursor.next() { spaces.append(try RecordedSpace(row)) }
        return spaces
    }

    /// The layers that callers see and that have a label, oldest first.
    func visible(labelled filter: LabelFilter) throws -> [LayerRecord] {
        let isLabelled = """
            WHERE l.number IN (SELECT layer FROM labels WHERE key = ?
            """
        let rest = ") AND \(LayerRecord.isVisible) ORDER BY l.number"
        guard let value = filter.value else {
            return try records(isLabelled + rest, [filter.key])
        }
        return try records(isLabelled + " AND value = ?" + rest, [filter.key, value])
    }

    /// The sum of what the committed layers below a layer take, as recorded.
    func recordedUsage(below number: LayerNumber) throws -> LayerUsage {
        try chain(of: number).dropFirst().compactMap(\.layer.usage)
            .reduce(LayerUsage(), +)
    }

    /// How many layers of each kind callers see.
    func counts() throws -> [Layer.Kind: Int] {
        let statement = try database.cachedStatement(
            sql: "SELECT l.kind, count(*) FROM layers l WHERE \(LayerRecord.isVisible) GROUP BY 1")
        var counts: [Layer.Kind: Int] = [:]
        for row in try Row.fetchAll(statement) {
            if let kind = Layer.Kind(rawValue: try row[0]) { counts[kind] = try row[1] }
        }
        return counts
    }

    /// What the store says about itself.
    func fact(_ key: String) throws -> String? {
        let statement = try database.cachedStatement(sql: "SELECT value FROM meta WHERE key = ?")
        return try String.fetchOne(statement, arguments: [key])
    }

    /// How many changes the records have had; 0 where no version has counted them.
    func changeCount() throws -> UInt64 { try sequence(CatalogWriter.counter) }

    /// The highest number that was given out to a layer; 0 for none.
    ///
    /// What has no record and a number up to this one had one, which was deleted.
    func lastNumber() throws -> UInt64 { try sequence("layers") }

    private func sequence(_ name: String) throws -> UInt64 {
        let statement = try database.cachedStatement(
            sql: "SELECT seq FROM sqlite_sequence WHERE name = ?")
        return UInt64(clamping: try Int64.fetchOne(statement, arguments: [name]) ?? 0)
    }

    /// Reads records as the cursor comes to them: copying whole rows first costs twice the time.
    private func records(
        _ rest: String, _ arguments: StatementArguments
    ) throws -> [LayerRecord] {
        var records: [LayerRecord] = []
        try forEach(rest, arguments) { records.append($0) }
        return records
    }

    /// Goes over records; `labels` are those of all layers, where most of the table is read.
    private func forEach(
        _ rest: String, _ arguments: StatementArguments,
        labels: [Int64: [String: String]]? = nil, _ body: (LayerRecord) -> Void
    ) throws {
        let statement = try database.cachedStatement(
            sql: "SELECT \(LayerRecord.columns) FROM \(LayerRecord.tables) \(rest)")
        let cursor = try Row.fetchCursor(statement, arguments: arguments)
        while let row = try cursor.next() {
            let number: Int64 = try row[0]
            let its = if let labels { labels[number] ?? [:] } else { try self.labels(of: number) }
            body(try LayerRecord(row, labels: its))
        }
    }

    private func labels(of number: Int64) throws -> [String: String] {
        let statement = try database.cachedStatement(
            sql: "SELECT key, value FROM labels WHERE layer = ?")
        let cursor = try Row.fetchCursor(statement, arguments: [number])
        var labels: [String: String] = [:]
        while let row = try cursor.next() { labels[try row[0]] = try row[1] }
        return labels
    }

    /// The labels of all layers, in one pass over their table.
    private func allLabels() throws -> [Int64: [String: String]] {
        let statement = try database.cachedStatement(sql: "SELECT layer, key, value FROM labels")
        let cursor = try Row.fetchCursor(statement)
        var labels: [Int64: [String: String]] = [:]
        while let row = try cursor.next() {
            labels[try row[0], default: [:]][try row[1]] = try row[2]
        }
        return labels
    }

    private func notFound(_ reference: String) -> DriverError {
        DriverError(.layerNotFound, "there is no layer or image \(reference)")
    }
}

extension LayerRecord {
    /// Whether callers see the layer.
    var isVisible: Bool { state == .ready || state == .committing }
}
