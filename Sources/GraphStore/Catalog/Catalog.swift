// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// The records of a store's layers and images, read and changed in transactions.
struct Catalog: Sendable {
    private let database: StoreDatabase
    private let durability: Durability

    init(_ database: StoreDatabase, _ durability: Durability) {
        (self.database, self.durability) = (database, durability)
    }

    /// Reads once.
    func read<Value>(
        _ action: String, _ body: (Database) throws -> Value
    ) throws(DriverError) -> Value {
        try database.read(action, body)
    }

    /// Reads several times, and sees one state.
    func consistent<Value>(
        _ action: String, _ body: (Database) throws -> Value
    ) throws(DriverError) -> Value {
        try database.consistent(action, body)
    }

    /// Changes records in one transaction.
    func write<Value>(
        _ action: String, _ synchronization: StoreDatabase.Synchronization,
        _ body: (Database) throws -> Value
    ) throws(DriverError) -> Value {
        try database.write(action, synchronization, body)
    }

    /// Marks the records as those of the file that holds them now.
    func markAsIs(_ changes: UInt64) { database.markAsIs(changes) }

    /// What a committed result waits for: the disk, unless the store was opened to trust its luck.
    var resultSynchronization: StoreDatabase.Synchronization {
        durability == .durable ? .onDisk : .ordered
    }

    /// Finds a layer by its id or by a prefix that no other id has, or the topmost layer of an image, by
    /// what ``referent(_:)`` takes.
    func layer(_ reference: String) throws(DriverError) -> Layer {
        try record(reference).layer
    }

    /// Lists layers, oldest first.
    func layers(_ query: LayerQuery) throws(DriverError) -> [Layer] {
        try database.consistent("list the layers") { try query.run(CatalogReader($0)) }
    }

    /// Lists the ids of all layers, oldest first.
    func layerIDs() throws(DriverError) -> [String] {
        try database.read("list the layers") { try CatalogReader($0).visibleIDs() }
    }

    /// Lists the layers that have a layer as parent, oldest first.
    func children(of reference: String) throws(DriverError) -> [Layer] {
        try database.consistent("list the children of layer \(reference)") { connection in
            let queries = CatalogReader(connection)
            return try queries.children(of: queries.layer(reference).number)
        }.filter(\.isVisible).map(\.layer)
    }

    /// Lists a layer and all below it, nearest first.
    func ancestry(of reference: String) throws(DriverError) -> [Layer] {
        try database.consistent("list the parents of layer \(reference)") { connection in
            let queries = CatalogReader(connection)
            return try queries.chain(of: queries.layer(reference).number)
        }.map(\.layer)
    }

    /// Finds the committed layer that has a chain and bears it as its id.
    func findCommitted(chainID: Digest) throws(DriverError) -> Layer? {
        try database.consistent("look for chain \(chainID)") { connection in
            try CatalogReader(connection).committed(chainID)
        }?.layer
    }

    /// Changes labels, and returns the layer with what it has then.
    func setLabels(
        of reference: String, _ changes: [String: String?], replacingAll: Bool = false
    ) throws(DriverError) -> Layer {
        for (key, value) in changes { try LabelLimits.check(key, value) }
        return try database.write("label layer \(reference)", resultSynchronization) { connection in
            let queries = CatalogReader(connection)
            let editor = CatalogWriter(connection)
            let number = try queries.layer(reference).number
            if replacingAll { try editor.removeLabels(of: number) }
            for (key, value) in changes { try editor.setLabel(key, value, of: number) }
            try editor.touch(number, at: .now)
            guard let record = try queries.layer(number) else {
                throw DriverError(.layerNotFound, "there is no layer \(reference)")
            }
            // Taken back with the transaction; a layer that has more already may lose some.
            if changes.contains(where: { $0.value != nil }) {
                try LabelLimits.check(record.layer.labels)
            }
            return record.layer
        }
    }

    /// Finds a layer by its whole name; nil when none that callers see has it.
    func layer(named name: String) throws(DriverError) -> Layer? {
        let record = try database.consistent("look for layer \(name)") { connection in
            try CatalogReader(connection).layer(named: name)
        }
        return record.flatMap { $0.isVisible ? $0.layer : nil }
    }

    /// The layer that a new one is to be put on; nil for none, and for an image without layers.
    func parentLayer(_ reference: String?) throws(DriverError) -> Layer? {
        guard let reference else { return nil }
        return try database.consistent("look for layer \(reference)") { connection in
            try CatalogReader(connection).layerIfAny(reference)
        }?.layer
    }

    /// A layer that is there, with the labels that it was to get.
    func withLabels(_ labels: [String: String], _ layer: Layer) throws(DriverError) -> Layer {
        let missing = labels.filter { layer.labels[$0.key] != $0.value }
        if missing.isEmpty { return layer }
        return try setLabels(of: layer.id, missing.mapValues { Optional($0) })
    }

    /// Finds the record that a caller means.
    func record(_ reference: String) throws(DriverError) -> LayerRecord {
        try database.consistent("look for layer \(reference)") { connection in
            try CatalogReader(connection).layer(reference)
        }
    }

    /// The record of a number; nil where there is none.
    func record(of number: LayerNumber) throws(DriverError) -> LayerRecord? {
        try database.consistent("look for layer number \(number)") {
            try CatalogReader($0).layer(number)
        }
    }

    /// The record of a number, read now; an error when it is gone or not to be seen.
    func current(_ record: LayerRecord) throws(DriverError) -> LayerRecord {
        let now = try database.consistent("look for layer \(record.layer.id)") { connection in
            try CatalogReader(connection).layer(record.number)
        }
        guard let now, now.isVisible else {
            throw DriverError(.layerNotFound, "layer \(record.layer.id) was removed meanwhile")
        }
        return now
    }

    /// A record with the numbers below it, nearest first.
    func recordWithParents(
        _ reference: String
    ) throws(DriverError) -> (record: LayerRecord, parents: [LayerNumber]) {
        try database.consistent("look for layer \(reference)") { connection in
            let queries = CatalogReader(connection)
            let record = try queries.layer(reference)
            return (record, try queries.parents(of: record.number))
        }
    }

    func isCurrent(_ record: LayerRecord) throws(DriverError) -> Bool {
        do throws(DriverError) {
            _ = try current(record)
            return true
        } catch  where error.code == .layerNotFound {
            return false
        }
    }

    func layersWithBytes() throws(DriverError) -> [LayerRecord] {
        try database.consistent("list the layers") { try CatalogReader($0).visible() }
            .filter { $0.layer.kind != .view }
    }

    /// The numbers and ids of the layers that have bytes.
    func namesWithBytes() throws(DriverError) -> [(number: LayerNumber, id: String)] {
        try database.read("list the layers") { try CatalogReader($0).visibleWithBytes() }
    }

    /// Operations that are begun and not ended.
    func unfinished() throws(DriverError) -> [LayerRecord] {
        try database.consistent("look for interrupted operations") {
            try CatalogReader($0).unfinished()
        }
    }

    /// The numbers below a layer, nearest first.
    func parents(of number: LayerNumber) throws(DriverError) -> [LayerNumber] {
        try database.read("look for what is below layer number \(number)") {
            try CatalogReader($0).parents(of: number)
        }
    }

    /// Ends a commit that led to nothing: the layer is active as before.
    func endCommit(_ number: LayerNumber, owner: Int64) throws(DriverError) {
        try database.write("end the commit of layer number \(number)", .ordered) { connection in
            try CatalogWriter(connection).endCommit(number, owner: owner)
        }
    }

    /// Gives an operation up, so that any process may clear what it left.
    func disown(_ number: LayerNumber) throws(DriverError) {
        try database.write("leave layer number \(number)", .ordered) { connection in
            try CatalogWriter(connection).disown(number)
        }
    }
}
