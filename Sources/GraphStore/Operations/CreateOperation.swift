// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// Makes writable layers and views.
struct CreateOperation: Sendable {
    let pending: PendingLayers
    let recovery: Recovery
    let driver: any Driver
    let space: FreeSpaceGuard
    let log: StoreLog

    /// Makes writable layers, all or none, with one wait for the disk.
    func create(
        _ requests: [LayerRequest], observer: WorkObserver
    ) throws(DriverError) -> [Layer] {
        if requests.isEmpty { return [] }
        try Self.requireUnique(requests.compactMap(\.id), "id")
        try Self.requireUnique(requests.compactMap(\.name), "name")
        let volatile = requests.contains(where: \.isVolatile) ? try driver.withVolatile() : nil
        let copying = requests.contains { !$0.copyUp.isEmpty } ? try driver.withCopyUp() : nil
        return try space.withRoom(observer) { (observer) throws(DriverError) in
            try create(requests, volatile, copying, observer)
        }
    }

    private static func requireUnique(_ texts: [String], _ what: String) throws(DriverError) {
        var known: Set<String> = []
        for text in texts where !known.insert(text).inserted {
            throw DriverError(.invalidArgument, "two new layers are to have the \(what) \(text)")
        }
    }

    private func create(
        _ requests: [LayerRequest], _ volatile: (any VolatileDriver)?,
        _ copying: (any CopyUpDriver)?, _ observer: WorkObserver
    ) throws(DriverError) -> [Layer] {
        let drafts = requests.map { request in
            LayerDraft(
                .active, id: request.id ?? LayerID.random(), name: request.name,
                parent: NewParent(request.parent), labels: request.labels, limits: request.limits)
        }
        let intents = try recovery.freeing(drafts) { () throws(DriverError) in
            try pending.begin(drafts)
        }
        do throws(DriverError) {
            for (intent, request) in zip(intents, requests) {
                try pending.make(intent, limits: request.limits, observer)
                if request.isVolatile { try volatile?.makeVolatile(intent.number) }
                if request.copyUp.isEmpty { continue }
                try copying?.copyUp(
                    request.copyUp, in: intent.number, parents: intent.parents, observer: observer)
            }
            let layers = try pending.finish(intents)
            for intent in intents { settle(intent) }
            return layers
        } catch {
            for intent in intents { pending.rollBack(intent, after: error) }
            throw space.naming(error)
        }
    }

    /// Tells the driver that a layer's record is on disk; where that fails, its first mount does.
    private func settle(_ intent: LayerIntent) {
        do throws(DriverError) {
            try driver.settle(intent.number)
        } catch {
            log.warn("could not settle a new layer", intent.number, error)
        }
    }

    /// Gives a committed layer a further id, under which it is mounted read-only; without a parent it is an
    /// empty tree.
    func createView(
        id: String?, name: String?, parent: String?, labels: [String: String]
    ) throws(DriverError) -> Layer {
        let id = id ?? LayerID.random()
        let draft = LayerDraft(
            .view, id: id, name: name, parent: NewParent(parent), labels: labels, limits: .none)
        let intent = try recovery.freeing([draft]) { () throws(DriverError) in
            try pending.begin(draft)
        }
        return intent.layer(id, at: intent.created)
    }
}
