// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// A row of the table `layers`, with its labels.
struct LayerRecord: Sendable {
    /// How far the last change of the layer has come.
    enum State: String {
        /// Nothing is going on.
        case ready
        /// Its bytes are being made: invisible to callers.
        case creating
        /// Visible as what it was: active.
        case committing
        /// Its bytes are being taken away: invisible to callers.
        case removing
    }

    let layer: Layer
    let state: State
    let owner: Int64?
    let parent: LayerNumber?

    var number: LayerNumber { layer.number }

    /// The columns that ``init(_:labels:)`` reads, in its order.
    static let columns = """
        l.number, l.id, l.kind, l.state, l.owner, l.parent, p.id, l.depth, l.diff_id, l.chain_id,
        l.content_digest, l.diff_bytes, l.own_bytes, l.own_inodes, l.limit_bytes, l.durability,
        l.created_at, l.updated_at, l.recipe_bytes
        """

    /// The tables that the columns come from.
    static let tables = "layers l LEFT JOIN layers p ON p.number = l.parent"

    /// What callers may see of the unfinished: a layer being committed is still the active one.
    static let isVisible = "l.state IN ('ready', 'committing')"

    /// Reads the row that a cursor stands on.
    init(_ row: Row, labels: [String: String]) throws {
        let number = LayerNumber(rawValue: try row[0])
        guard let kind = Layer.Kind(rawValue: try row[2]),
            let state = State(rawValue: try row[3])
        else {
            throw DriverError(.storeDamaged, "layer number \(number) has an unknown kind or state")
        }
        var labels = labels
        let name = labels.removeValue(forKey: LayerName.key)
        let parent: UInt32? = try row[5]
        let depth: UInt32 = try row[7]
        self.state = state
        owner = try row[4]
        self.parent = parent.map { LayerNumber(rawValue: $0) }
        let (diffBytes, bytes, inodes, limit): (Int64?, Int64?, Int64?, Int64?) =
            try (row[11], row[12], row[13], row[14])
        let (durability, recipeBytes): (String?, Int64?) = try (row[15], row[18])
        layer = Layer(
            number: number, id: try Self.id(try row[1], state, number), name: name,
            kind: kind, parent: try row[6], depth: Int(depth),
            diffID: try Self.digest(row, 8), chainID: try Self.digest(row, 9),
            contentDigest: try Self.digest(row, 10),
            diffBytes: try Self.count(diffBytes), recipeBytes: try Self.count(recipeBytes),
            usage: try Self.usage(bytes, inodes),
            durability: durability.flatMap { Durability(rawValue: $0) },
            limits: LayerLimits(bytes: try Self.count(limit)),
            created: Timestamp(record: try row[16]), updated: Timestamp(record: try row[17]),
            labels: labels)
    }

    /// The id, which what callers see has: others are told apart from it, and from nothing, by it.
    private static func id(_ text: String?, _ state: State, _ number: LayerNumber) throws -> String
    {
        switch (text, state) {
        case (nil, .creating), (nil, .removing): return ""
        case (let text?, _) where LayerID.isValid(text): return text
        default:
            throw DriverError(.storeDamaged, "layer number \(number) has no valid id")
        }
    }

    /// A count of bytes or inodes, of which a disk holds so many that sums of them fit.
    private static func count(_ value: Int64?) throws -> UInt64? {
        guard let value else { return nil }
        guard (0...1 << 62).contains(value) else {
            throw DriverError(.storeDamaged, "a layer's record has a size that is none: \(value)")
        }
        return UInt64(value)
    }

    /// What a layer takes, where it is recorded.
    fileprivate static func usage(_ bytes: Int64?, _ inodes: Int64?) throws -> LayerUsage? {
        try count(bytes).map { LayerUsage(bytes: $0, inodes: try count(inodes) ?? 0) }
    }

    private static func digest(_ row: Row, _ column: Int) throws -> Digest? {
        // Three a layer, and long: a string of each would take a fifth of a listing.
        let digest = try row.withText(column) { Digest(parsing: $0) }
        guard let digest else { return nil }
        if let digest { return digest }
        let text: String = try row[column]
        throw DriverError(.storeDamaged, "a layer's record has a digest that is none: \(text)")
    }
}

/// What is recorded about the space of a layer.
struct RecordedSpace: Sendable {
    let number: LayerNumber
    let id: String
    let kind: Layer.Kind
    let parent: LayerNumber?
    /// nil for what has none recorded, such as an active layer.
    let recorded: LayerUsage?

    /// The columns that ``init(_:)`` reads, in its order.
    static let columns = "l.number, l.id, l.kind, l.parent, l.own_bytes, l.own_inodes"

    /// Reads the row that a cursor stands on.
    init(_ row: Row) throws {
        number = LayerNumber(rawValue: try row[0])
        guard let kind = Layer.Kind(rawValue: try row[2]) else {
            throw DriverError(.storeDamaged, "layer number \(number) has an unknown kind")
        }
        let (id, parent): (String?, UInt32?) = try (row[1], row[3])
        guard let id, LayerID.isValid(id) else {
            throw DriverError(.storeDamaged, "layer number \(number) has no valid id")
        }
        (self.id, self.kind) = (id, kind)
        self.parent = parent.map { LayerNumber(rawValue: $0) }
        recorded = try LayerRecord.usage(try row[4], try row[5])
    }
}

extension Timestamp {
    /// Reads nanoseconds since 1970.
    init(record: Int64) {
        let (seconds, rest) = record.quotientAndRemainder(dividingBy: 1_000_000_000)
        self.init(
            seconds: rest < 0 ? seconds - 1 : seconds,
            nanoseconds: UInt32(rest < 0 ? rest + 1_000_000_000 : rest))
    }

    /// Nanoseconds since 1970.
    var record: Int64 { seconds * 1_000_000_000 + Int64(nanoseconds) }
}
