// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem
import Synchronization

/// Layers that are being made: each is recorded as an intent first, and in the end finished or rolled back.
final class PendingLayers: Sendable {
    private let catalog: Catalog
    private let driver: any Driver
    private let recipes: RecipeDirectory
    private let owner: OperationOwner
    private let access: WriteAccess
    private let space: FreeSpaceGuard
    private let log: StoreLog
    /// Numbers that were given out and under which somebody's bytes lie.
    private let occupied = Mutex<[LayerNumber]>([])

    init(
        _ catalog: Catalog, _ driver: any Driver, _ recipes: RecipeDirectory,
        _ owner: OperationOwner,
        _ access: WriteAccess, _ space: FreeSpaceGuard, _ log: StoreLog
    ) {
        (self.catalog, self.driver, self.recipes, self.owner) = (catalog, driver, recipes, owner)
        (self.access, self.space, self.log) = (access, space, log)
    }

    /// Records that a layer is being made; a view is made by that alone.
    ///
    /// Throws ``GraphCore/DriverError/Code/layerExists`` also where a dead process has reserved the id; see
    /// ``Recovery/freeing(_:_:)``.
    func begin(_ draft: LayerDraft) throws(DriverError) -> LayerIntent { try begin([draft])[0] }

    /// Records that layers are being made, all or none.
    func begin(_ drafts: [LayerDraft]) throws(DriverError) -> [LayerIntent] {
        try access.require("make a layer")
        for draft in drafts {
            if let id = draft.id { try LayerID.check(id) }
            if let name = draft.name { try LayerName.check(name) }
            try LabelLimits.check(draft.labels)
        }
        let owner = try owner.number()
        let isResult = drafts.contains { $0.kind == .view }
        let depthMax = isResult ? nil : driver.depthMax
        return try catalog.write(
            "record a new layer", isResult ? catalog.resultSynchronization : .ordered
        ) { connection in
            try drafts.map { try record($0, owner: owner, depthMax: depthMax, connection) }
        }
    }

    private func record(
        _ draft: LayerDraft, owner: Int64, depthMax: Int?, _ connection: Database
    ) throws -> LayerIntent {
        let queries = CatalogReader(connection)
        if let id = draft.id, try queries.layer(id: id) != nil {
            throw DriverError(.layerExists, "there is a layer \(id) already")
        }
        let below = try draft.parent.flatMap { try Self.find($0, queries) }
        let depth = (below?.layer.depth ?? 0) + 1
        if let depthMax, depth > depthMax {
            throw DriverError(
                .depthExceeded,
                "a layer on \(below?.layer.id ?? "") would be number \(depth) of its chain; "
                    + "driver \(driver.name) mounts at most \(depthMax)")
        }
        let created = Timestamp.now
        let isDone = draft.kind == .view
        let number = try CatalogWriter(connection).insert(
            NewLayer(
                id: draft.id, name: draft.name, kind: draft.kind,
                state: isDone ? .ready : .creating,
                owner: isDone ? nil : owner, parent: below?.layer.number, depth: depth,
                limits: draft.limits, created: created, labels: draft.labels))
        let parents = below.map { [$0.layer.number] + $0.parents } ?? []
        return LayerIntent(
            number: number, kind: draft.kind, id: draft.id, name: draft.name,
            parent: below?.layer, parents: parents, depth: depth, limits: draft.limits,
            created: created,
            labels: draft.labels, owner: owner)
    }

    /// The layer that a new one is put on, and those below it; nil for an image without layers.
    private static func find(
        _ parent: NewParent, _ queries: CatalogReader
    ) throws -> (layer: Layer, parents: [LayerNumber])? {
        switch parent {
        case .intent(let intent, let id):
            return (intent.layer(id, at: intent.created), intent.parents)
        case .layer(let reference):
            guard let below = try queries.layerIfAny(reference) else { return nil }
            if below.layer.kind != .committed {
                throw DriverError(
                    .wrongKind,
                    "layer \(below.layer.id) is \(below.layer.kind.described) and cannot be a parent;"
                        + " commit it first")
            }
            return (below.layer, try queries.parents(of: below.number))
        }
    }

    /// Has the driver make the bytes of a layer, or what they begin with.
    ///
    /// Where bytes lie under the number already, they are somebody's layer, and the records have lost
    /// something.
    func make(
        _ intent: LayerIntent, limits: LayerLimits = .none, _ observer: WorkObserver
    ) throws(DriverError) {
        do throws(DriverError) {
            try driver.create(
                intent.number, parents: intent.parents, limits: limits, observer: observer)
        } catch  where error.code == .layerExists {
            occupied.withLock { $0.append(intent.number) }
            access.declareLoss("\(error.message), but its number was just assigned")
            try access.refuseLoss("make a layer")
            throw error
        }
    }

    /// Records that a layer is made.
    func finish(
        _ intent: LayerIntent, id: String, _ content: CommittedContent?
    ) throws(DriverError) -> Layer {
        let now = Timestamp.now
        try catalog.write("record layer \(id)", catalog.resultSynchronization) { connection in
            try Self.finish(intent, id: id, content, at: now, connection)
        }
        return intent.layer(id, content, at: now)
    }

    /// Records that layers are made that were begun with an id, all or none.
    func finish(_ intents: [LayerIntent]) throws(DriverError) -> [Layer] {
        let named = intents.map { (intent: $0, id: $0.id ?? LayerID.random()) }
        try catalog.write("record new layers", catalog.resultSynchronization) { connection in
            for (intent, id) in named {
                try Self.finish(intent, id: id, nil, at: intent.created, connection)
            }
        }
        return named.map { $0.intent.layer($0.id, at: $0.intent.created) }
    }

    private static func finish(
        _ intent: LayerIntent, id: String, _ content: CommittedContent?, at time: Timestamp,
        _ connection: Database
    ) throws {
        let isOurs = try CatalogWriter(connection)
            .finish(intent.number, owner: intent.owner, id: id, content, at: time)
        if !isOurs {
            throw DriverError(.system, "layer \(id) was claimed by another process as abandoned")
        }
    }

    /// Records an applied layer, or finds the same that somebody else has recorded in the meantime.
    func finishOnce(
        _ intent: LayerIntent, id: String, _ content: CommittedContent
    ) throws(DriverError) -> (layer: Layer, wasPresent: Bool) {
        while true {
            do throws(DriverError) {
                return (try finish(intent, id: id, content), false)
            } catch  where error.code == .layerExists {
                // Looked at as one: others go on making and removing it.
                let (same, isTaken) = try catalog.consistent("look for layer \(id)") {
                    let queries = CatalogReader($0)
                    return (
                        try content.chainID.flatMap { try queries.committed($0)?.layer },
                        try queries.layer(id: id) != nil
                    )
                }
                if let same { return (same, true) }
                if isTaken { throw error }
                // It has been removed since, so that the id is free.
            }
        }
    }

    /// Clears what was made of a layer that shall not be; where that fails, a later collection does.
    ///
    /// After a lack of space its bytes are freed at once, and with them what others removed: nobody
    /// could use the disk before.
    func rollBack(_ intent: LayerIntent, after failure: DriverError? = nil) {
        do throws(DriverError) {
            try space.withReserve { () throws(DriverError) in try discard(intent.number) }
            if failure?.code == .noSpace { _ = try space.reclaim(observer: .none) }
        } catch {
            log.warn("could not clear what was made of a layer", intent.number, error)
            disown(intent.number)
        }
    }

    /// Removes the bytes and the record of a layer that is no layer yet, or no longer one.
    func discard(_ number: LayerNumber) throws(DriverError) {
        if !occupied.withLock({ $0.contains(number) }) {
            try driver.remove(number)
            try recipes.remove(number)
        }
        // Not waited for: should a power cut bring the record back, the next opening ends it again.
        try catalog.write("forget layer number \(number)", .ordered) { connection in
            try CatalogWriter(connection).delete(number)
        }
    }

    /// Lets any process clear an operation that this one could not clear.
    func disown(_ number: LayerNumber) {
        do throws(DriverError) {
            try catalog.disown(number)
        } catch {
            log.warn("could not leave an operation to others", number, error)
        }
    }
}
