// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
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

    /// Removes a layer, in time that does not depend on its size; its id is free at once.
    @discardableResult
    func remove(_ reference: String) throws(DriverError) -> Layer {
        try access.require("remove layer \(reference)")
        space.giveWay()
        // Even the files of locks want a block when they are new.
        return try space.withReserve { () throws(DriverError) in
            try remove(try catalog.record(reference))
        }
    }

    private func remove(_ record: LayerRecord) throws(DriverError) -> Layer {
        try locks.with(record.number) { () throws(DriverError) in
            try recovery.endIfAbandoned(record)
            try use.refuse(record, before: .removing)
            if record.layer.kind == .view { return try removeView(record) }
            let owner = try owner.number()
            let layer = try space.withReserve { () throws(DriverError) in
                try beginRemoval(record, owner: owner)
            }
            do throws(DriverError) {
                try space.withReserve { () throws(DriverError) in try driver.remove(record.number) }
            } catch {
                undoRemoval(layer)
                throw space.naming(error)
            }
            finishRemoval(record.number)
            return layer
        }
    }

    /// A view is a record and nothing else.
    private func removeView(_ record: LayerRecord) throws(DriverError) -> Layer {
        try space.withReserve { () throws(DriverError) in
            try catalog.write("remove layer \(record.layer.id)", catalog.resultSynchronization) {
                try CatalogWriter($0).delete(record.number)
            }
        }
        return record.layer
    }

    private func beginRemoval(
        _ record: LayerRecord, owner: Int64
    ) throws(DriverError) -> Layer {
        try catalog.write(
            "begin the removal of layer \(record.layer.id)", catalog.resultSynchronization
        ) { connection in
            let queries = CatalogReader(connection)
            // One that was committed under another id, while this waited for it, is another layer to callers.
            guard let now = try queries.layer(record.number), now.state == .ready,
                now.layer.id == record.layer.id
            else {
                throw DriverError(
                    .layerNotFound,
                    "layer \(record.layer.id) was removed meanwhile, or committed under another id")
            }
            let children = try queries.children(of: record.number, limit: 4)
            if !children.isEmpty {
                throw DriverError(
                    .layerInUse,
                    "layer \(now.layer.id) is the parent of "
                        + listed(
                            children.map {
                                $0.layer.id.isEmpty ? "a layer being made" : $0.layer.id
                            }))
            }
            let images = try ImageQueries(connection).described(over: record.number)
            if !images.isEmpty {
                throw DriverError(
                    .layerInUse,
                    "layer \(now.layer.id) is the topmost of image " + listed(images))
            }
            try CatalogWriter(connection).beginRemoval(of: record.number, owner: owner)
            return now.layer
        }
    }

    private func undoRemoval(_ layer: Layer) {
        do throws(DriverError) {
            try catalog.write("keep layer \(layer.id)", .ordered) { connection in
                try CatalogWriter(connection).undoRemoval(of: layer.number, id: layer.id)
            }
        } catch {
            // The id was given away, or the disk is full: then the removal goes on later.
            pending.disown(layer.number)
        }
    }

    func finishRemoval(_ number: LayerNumber) {
        do throws(DriverError) {
            try space.withReserve { () throws(DriverError) in
                try recipes.remove(number)
                try catalog.write("forget layer number \(number)", .ordered) { connection in
                    try CatalogWriter(connection).delete(number)
                }
            }
        } catch {
            // The layer is gone for callers; the record goes with the next recovery.
            log.warn("could not forget a removed layer", number, error)
            pending.disown(number)
        }
    }
}
