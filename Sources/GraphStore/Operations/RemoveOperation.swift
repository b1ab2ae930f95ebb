// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// Removes layers.
struct RemoveOperation: Sendable {
    let catalog: Catalog
    let pending: PendingLayers
    let driver: any Driver
    let recipes: RecipeDirectory
    let use: LayerUseGuard
    let recovery: Recovery
    let locks: LayerLocks
    let owner: OperationOwner
    let access: WriteAccess
    let space: FreeSpaceGuard
    let log: StoreLog

    /// How many layers wait for the disk together: each lock takes a descriptor, and keeps who wants the layer
    /// waiting for all of them.
    private static let batchMax = 64

    /// Removes a layer, in time that does not depend on its size; its id is free at once.
    @discardableResult
    func remove(_ reference: String) throws(DriverError) -> Layer {
        try remove([reference])[0].get()
    }

    /// Removes layers, whatever becomes of each.
    func remove(_ references: [String]) throws(DriverError) -> [Result<Layer, DriverError>] {
        try access.require(
            "remove " + (references.count == 1 ? "layer \(references[0])" : "layers"))
        space.giveWay()
        let found = try find(references)
        // Children before their parents, which is the order of locks, too; what is named twice goes once.
        var distinct: [LayerNumber: LayerRecord] = [:]
        for case .success(let record) in found { distinct[record.number] = record }
        let records = distinct.values.sorted { $0.number > $1.number }
        var outcomes: [LayerNumber: Result<Layer, DriverError>] = [:]
        for start in stride(from: 0, to: records.count, by: Self.batchMax) {
            let batch = Array(records[start...].prefix(Self.batchMax))
            for (record, outcome) in zip(batch, removeBatch(batch)) {
                outcomes[record.number] = outcome
            }
        }
        return found.map { $0.flatMap { outcomes[$0.number] ?? .success($0.layer) } }
    }

    private func find(
        _ references: [String]
    ) throws(DriverError) -> [Result<LayerRecord, DriverError>] {
        try catalog.consistent("look for what is to be removed") { connection in
            let queries = CatalogReader(connection)
            return try references.map { (reference) throws in
                try Result.ofDriver { try queries.layer(reference) }
            }
        }
    }

    private func removeBatch(_ records: [LayerRecord]) -> [Result<Layer, DriverError>] {
        do throws(DriverError) {
            // Even the files of locks want a block when they are new.
            return try space.withReserve { () throws(DriverError) in
                try locks.with(records.map(\.number)[...]) { () throws(DriverError) in
                    removeLocked(records)
                }
            }
        } catch {
            return records.map { _ in .failure(error) }
        }
    }

    /// Removes layers, children before their parents; the caller holds their locks.
    private func removeLocked(_ records: [LayerRecord]) -> [Result<Layer, DriverError>] {
        let admitted = records.map(admit)
        if admitted.allSatisfy(\.isFailure) { return admitted.map { $0.map(\.layer) } }
        let begun: [Result<LayerRecord, DriverError>]
        do throws(DriverError) {
            begun = try space.withReserve { () throws(DriverError) in try begin(admitted) }
        } catch {
            return admitted.map { $0.flatMap { _ in .failure(error) } }
        }
        var parentsOfKept: Set<LayerNumber> = []
        let removed = begun.map { $0.flatMap { takeAway($0, &parentsOfKept) } }
        finishRemoval(removed.compactMap { try? $0.get() }.filter(\.hasBytes).map(\.number))
        return removed.map { $0.map(\.layer) }
    }

    /// Whether a layer may go, but for what lies on it.
    private func admit(_ record: LayerRecord) -> Result<LayerRecord, DriverError> {
        Result { () throws(DriverError) in
            try space.withReserve { () throws(DriverError) in
                try recovery.endIfAbandoned(record)
                try use.refuse(record, before: .removing)
            }
            return record
        }
    }

    /// Records that removals begin, and removes views, which are a record and nothing else; all with one
    /// wait for the disk.
    private func begin(
        _ admitted: [Result<LayerRecord, DriverError>]
    ) throws(DriverError) -> [Result<LayerRecord, DriverError>] {
        let hasBytes = admitted.contains { (try? $0.get())?.hasBytes == true }
        let owner = hasBytes ? try owner.number() : nil
        return try catalog.write("begin the removal of layers", catalog.resultSynchronization) {
            connection in
            let writer = CatalogWriter(connection)
            var going: Set<LayerNumber> = []
            return try admitted.map { (admitted) throws in
                guard case .success(let record) = admitted else { return admitted }
                return try Result.ofDriver {
                    let now = try Self.removable(record, besides: going, connection)
                    if let owner, now.hasBytes {
                        try writer.beginRemoval(of: now.number, owner: owner)
                    } else {
                        try writer.delete(now.number)
                    }
                    going.insert(now.number)
                    return now
                }
            }
        }
    }

    /// The record as it is now, of a layer that nothing needs besides those that go with it.
    private static func removable(
        _ record: LayerRecord, besides going: Set<LayerNumber>, _ connection: Database
    ) throws -> LayerRecord {
        let queries = CatalogReader(connection)
        // One that was committed under another id, while this waited for it, is another layer to callers.
        guard let now = try queries.layer(record.number), now.state == .ready,
            now.layer.id == record.layer.id
        else {
            throw DriverError(
                .layerNotFound,
                "layer \(record.layer.id) was removed meanwhile, or committed under another id")
        }
        let children = try queries.children(of: record.number, limit: going.count + 4)
            .filter { !going.contains($0.number) }.prefix(4)
        if !children.isEmpty {
            throw DriverError(
                .layerInUse,
                "layer \(now.layer.id) is the parent of "
                    + listed(
                        children.map { $0.layer.id.isEmpty ? "a layer being made" : $0.layer.id }))
        }
        let images = try ImageQueries(connection).described(over: record.number)
        if !images.isEmpty {
            throw DriverError(
                .layerInUse, "layer \(now.layer.id) is the topmost of image " + listed(images))
        }
        return now
    }

    /// Takes a layer's bytes away; one that stays keeps those below it.
    private func takeAway(
        _ record: LayerRecord, _ parentsOfKept: inout Set<LayerNumber>
    ) -> Result<LayerRecord, DriverError> {
        if !record.hasBytes { return .success(record) }
        do throws(DriverError) {
            if parentsOfKept.contains(record.number) {
                throw DriverError(
                    .layerInUse,
                    "layer \(record.layer.id) is the parent of one that could not be removed")
            }
            try space.withReserve { () throws(DriverError) in try driver.remove(record.number) }
            return .success(record)
        } catch {
            if let parent = record.parent { parentsOfKept.insert(parent) }
            undoRemoval(record.layer)
            return .failure(space.naming(error))
        }
    }

    private func undoRemoval(_ layer: Layer) {
        do throws(DriverError) {
            try catalog.write("keep layer \(layer.id)", .ordered) { connection in
                try CatalogWriter(connection)
                    .undoRemoval(of: layer.number, id: layer.id, name: layer.name)
            }
        } catch {
            // The id was given away, or the disk is full: then the removal goes on later.
            pending.disown(layer.number)
        }
    }

    /// Forgets layers whose bytes are gone, children before their parents.
    func finishRemoval(_ numbers: [LayerNumber]) {
        if numbers.isEmpty { return }
        do throws(DriverError) {
            try space.withReserve { () throws(DriverError) in
                for number in numbers { try recipes.remove(number) }
                try catalog.write("forget removed layers", .ordered) { connection in
                    for number in numbers { try CatalogWriter(connection).delete(number) }
                }
            }
        } catch {
            // The layers are gone for callers; their records go with the next recovery.
            for number in numbers {
                log.warn("could not forget a removed layer", number, error)
                pending.disown(number)
            }
        }
    }
}

extension Result where Failure == DriverError {
    /// What a body returns, or the error of ours that it throws; any other is thrown on.
    fileprivate static func ofDriver(_ body: () throws -> Success) throws -> Self {
        do {
            return .success(try body())
        } catch let error as DriverError {
            return .failure(error)
        }
    }

    fileprivate var isFailure: Bool {
        if case .failure = self { true } else { false }
    }
}

extension LayerRecord {
    /// Whether the driver keeps something of the layer; a view is a record and nothing else.
    fileprivate var hasBytes: Bool { layer.kind != .view }
}
