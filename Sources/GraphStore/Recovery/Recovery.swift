// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Ends what dead processes and power cuts left undone. Its entrances:
///
/// - ``runOnOpening()``, when a store is opened;
/// - ``endUnfinished()``, also by garbage collection;
/// - ``endIfAbandoned(_:)``, for a commit, by who wants the layer next;
/// - ``freeing(_:_:)``, by who wants the id of a layer that was not finished.
struct Recovery: Sendable {
    let catalog: Catalog
    let pending: PendingLayers
    let driver: any Driver
    let recipes: RecipeDirectory
    let registry: MountRegistry
    let orphans: OrphanSearch
    let loss: RecordLoss
    let locks: LayerLocks
    let owner: OperationOwner
    let access: WriteAccess
    let space: FreeSpaceGuard
    let log: StoreLog
    let paths: StorePaths

    /// Clears what dead processes and a power cut left; a failure is a warning, never a store that
    /// does not open.
    ///
    /// Nothing is cleared by records that have lost something. A store that is only read is left as it is.
    func runOnOpening() {
        var boot: String?
        var isFirst = false
        do throws(DriverError) {
            if !access.isReadOnly {
                let current = try BootMark.currentBoot()
                if case .compared = registry.bootState(current) {} else { isFirst = true }
                boot = current
            }
        } catch {
            log.warn(
                "could not compare the store with its disk after the machine's start", nil, error)
        }
        do throws(DriverError) {
            if let found = try loss.find(isFirst: isFirst) { access.declareLoss(found) }
        } catch {
            log.warn("could not find out whether records were lost", nil, error)
            return
        }
        if access.isReadOnly { return }
        if access.loss != nil {
            if let boot { forgetMounts(before: boot) }
            return
        }
        do throws(DriverError) {
            try endUnfinished()
        } catch {
            log.warn("could not clear what an interrupted operation left", nil, error)
        }
        do throws(DriverError) {
            if let boot, isFirst { try reconcileAfterBoot(boot) }
        } catch {
            log.warn(
                "could not compare the store with its disk after the machine's start", nil, error)
        }
    }

    private func forgetMounts(before boot: String) {
        do throws(DriverError) {
            try locks.with(LayerLocks.boot) { () throws(DriverError) in
                try registry.forgetAll(before: boot)
            }
        } catch {
            log.warn("could not forget mounts from before the machine's start", nil, error)
        }
    }

    /// Finishes or takes back every intent whose owner is dead.
    ///
    /// - Returns: The layers concerned, as they were recorded.
    @discardableResult
    func endUnfinished() throws(DriverError) -> [LayerRecord] {
        let unfinished = try catalog.unfinished()
        if unfinished.isEmpty { return [] }
        var dead: Set<Int64?> = []
        for owner in Set(unfinished.map(\.owner)) where try !self.owner.isAlive(owner) {
            dead.insert(owner)
        }
        if dead.isEmpty { return [] }
        let owner = try self.owner.number()
        // Of several processes that see a dead owner, one gets its intents.
        let claimed = try space.withReserve { () throws(DriverError) in
            try catalog.write("take over interrupted operations", .ordered) {
                try CatalogWriter($0).claim(from: dead, for: owner)
            }
        }
        let records = unfinished.filter { claimed.contains($0.number) }
        for record in records {
            do throws(DriverError) {
                try space.withReserve { () throws(DriverError) in try end(record, owner: owner) }
                log.cleared(record)
            } catch {
                log.warn("could not clear an interrupted operation", record.number, error)
                pending.disown(record.number)
            }
        }
        return records
    }

    /// Ends one intent that nobody works on any more.
    private func end(_ record: LayerRecord, owner: Int64) throws(DriverError) {
        switch record.state {
        case .ready: break
        case .creating, .removing: try pending.discard(record.number)
        case .committing: try catalog.endCommit(record.number, owner: owner)
        }
    }

    /// Ends a commit whose process died; the caller holds the layer's lock.
    func endIfAbandoned(_ record: LayerRecord) throws(DriverError) {
        if record.state != .committing { return }
        let now = try catalog.current(record)
        guard now.state == .committing, let owner = now.owner, try !self.owner.isAlive(owner) else {
            return
        }
        try catalog.endCommit(now.number, owner: owner)
    }

    /// Does what needs ids and names, and once more when a dead process had reserved one.
    func freeing<Value>(
        _ drafts: [LayerDraft], _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        while true {
            do throws(DriverError) {
                return try body()
            } catch  where error.code == .layerExists {
                let ids = drafts.compactMap(\.id)
                let names = drafts.compactMap(\.name)
                if ids.isEmpty && names.isEmpty { throw error }
                for id in ids where try !free({ try $0.layer(id: id) }) { throw error }
                for name in names where try !free({ try $0.layer(named: name) }) { throw error }
            }
        }
    }

    /// Frees an id or a name that a dead process had reserved.
    ///
    /// - Returns: Whether it is free now.
    private func free(
        _ holder: (CatalogReader) throws -> LayerRecord?
    ) throws(DriverError) -> Bool {
        let action = "look for who has an id or a name"
        let found = try catalog.consistent(action) { try holder(CatalogReader($0)) }
        guard let found else { return true }
        guard found.state == .creating, try !owner.isAlive(found.owner) else { return false }
        // All of its intents, each as its state asks for: it may have had others.
        try endUnfinished()
        return try catalog.consistent(action) { try holder(CatalogReader($0)) == nil }
    }
}
