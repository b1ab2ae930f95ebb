// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem

extension LayerStore {
    /// Finds a layer by its id or by a prefix that no other id has, or the topmost layer of an image, by
    /// what ``referent(_:)`` takes.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerNotFound``, or
    ///   ``GraphCore/DriverError/Code/invalidArgument`` when several ids begin so.
    public func layer(_ reference: String) throws(DriverError) -> Layer {
        try record(reference).layer
    }

    /// Lists the layers whose labels satisfy all filters, oldest first.
    public func layers(matching labels: [LabelFilter] = []) throws(DriverError) -> [Layer] {
        let records = try database.consistent("list the layers") { connection in
            let queries = LayerQueries(connection)
            guard let first = labels.first else { return try queries.visible() }
            return try queries.visible(labelled: first)
        }
        let others = labels.dropFirst()
        return records.map(\.layer).filter { layer in
            others.allSatisfy { $0.matches(layer.labels) }
        }
    }

    /// Lists the layers that have a layer as parent, oldest first.
    public func children(of reference: String) throws(DriverError) -> [Layer] {
        try database.consistent("list the children of layer \(reference)") { connection in
            let queries = LayerQueries(connection)
            return try queries.children(of: queries.layer(reference).number)
        }.filter(\.isVisible).map(\.layer)
    }

    /// Lists a layer and all below it, nearest first.
    public func chain(of reference: String) throws(DriverError) -> [Layer] {
        try database.consistent("list the parents of layer \(reference)") { connection in
            let queries = LayerQueries(connection)
            return try queries.chain(of: queries.layer(reference).number)
        }.map(\.layer)
    }

    /// Finds the committed layer that has a chain and bears it as its id.
    ///
    /// Layers with ids of their own are not found: whoever named them may remove them.
    public func findCommitted(chainID: Digest) throws(DriverError) -> Layer? {
        try database.consistent("look for chain \(chainID)") { connection in
            try LayerQueries(connection).committed(chainID)
        }?.layer
    }

    /// Changes labels, and returns the layer with what it has then.
    ///
    /// A key with nil loses its label.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` beyond ``LabelLimits``.
    public func setLabels(
        of reference: String, _ changes: [String: String?]
    ) throws(DriverError) -> Layer {
        try checkWritable("label layer \(reference)")
        for (key, value) in changes { try LabelLimits.check(key, value) }
        return try database.write("label layer \(reference)", resultSynchronization) { connection in
            let queries = LayerQueries(connection)
            let editor = LayerChanges(connection)
            let number = try queries.layer(reference).number
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

    /// The layer that a new one is to be put on; nil for none, and for an image without layers.
    func parentLayer(_ reference: String?) throws(DriverError) -> Layer? {
        guard let reference else { return nil }
        return try database.consistent("look for layer \(reference)") { connection in
            try LayerQueries(connection).layerIfAny(reference)
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
            try LayerQueries(connection).layer(reference)
        }
    }

    /// The record of a number, read now; an error when it is gone or not to be seen.
    func current(_ record: LayerRecord) throws(DriverError) -> LayerRecord {
        let now = try database.consistent("look for layer \(record.layer.id)") { connection in
            try LayerQueries(connection).layer(record.number)
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
            let queries = LayerQueries(connection)
            let record = try queries.layer(reference)
            return (record, try queries.parents(of: record.number))
        }
    }

    /// What a committed result waits for: the disk, unless the store was opened to trust its luck.
    var resultSynchronization: StoreDatabase.Synchronization {
        configuration.durability == .durable ? .onDisk : .ordered
    }
}
