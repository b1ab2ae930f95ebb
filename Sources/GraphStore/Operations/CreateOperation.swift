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

    /// Makes a writable layer.
    func create(
        id: String?, parent: String?, labels: [String: String], limits: LayerLimits,
        isVolatile: Bool, copyUp: [RawPath], observer: WorkObserver
    ) throws(DriverError) -> Layer {
        let volatile = isVolatile ? try driver.withVolatile() : nil
        return try space.withRoom(observer) { (observer) throws(DriverError) in
            try createActive(
                id ?? LayerID.random(), parent, labels, limits, volatile, copyUp, observer)
        }
    }

    private func createActive(
        _ id: String, _ parent: String?, _ labels: [String: String], _ limits: LayerLimits,
        _ volatile: (any VolatileDriver)?, _ copyUp: [RawPath], _ observer: WorkObserver
    ) throws(DriverError) -> Layer {
        let copying = copyUp.isEmpty ? nil : try driver.withCopyUp()
        let intent = try recovery.freeing(id) { () throws(DriverError) in
            try pending.begin(
                .active, id: id, parent: NewParent(parent), labels: labels, limits: limits)
        }
        do throws(DriverError) {
            try pending.make(intent, limits: limits, observer)
            try volatile?.makeVolatile(intent.number)
            try copying?.copyUp(
                copyUp, in: intent.number, parents: intent.parents, observer: observer)
            let layer = try pending.finish(intent, id: id, nil)
            settle(intent)
            return layer
        } catch {
            pending.rollBack(intent, after: error)
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
        id: String?, parent: String?, labels: [String: String]
    ) throws(DriverError) -> Layer {
        let id = id ?? LayerID.random()
        let intent = try recovery.freeing(id) { () throws(DriverError) in
            try pending.begin(
                .view, id: id, parent: NewParent(parent), labels: labels, limits: .none)
        }
        return intent.layer(id, at: intent.created)
    }
}
