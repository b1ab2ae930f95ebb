// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// Clears what nothing owns.
struct GarbageCollection: Sendable {
    let check: StoreCheck
    let recovery: Recovery
    let catalog: Catalog
    let orphans: OrphanSearch
    let blobs: KeptBlobs
    let use: LayerUseGuard
    let driver: any Driver
    let recipes: RecipeDirectory
    let evidence: RecordEvidence
    let access: WriteAccess
    let space: FreeSpaceGuard
    let loopImage: LoopImage?

    /// Clears what nothing owns: interrupted operations, bytes of removed layers, records of mounts
    /// that ended, and what waits to be freed.
    @discardableResult
    func run(
        dryRun: Bool, orphans givesUpOrphans: Bool, observer: WorkObserver
    ) throws(DriverError) -> [Finding] {
        let findings = try check.garbage()
        if dryRun { return findings + access.findings() }
        if givesUpOrphans { try giveUpOrphans() }
        try access.require("clear what nothing owns")
        try recovery.endUnfinished()
        for orphan in try orphans.layers() where orphan.isProvable {
            try space.withReserve { () throws(DriverError) in try driver.remove(orphan.number) }
        }
        for orphan in try orphans.ofRecipes() where orphan.isProvable {
            try recipes.remove(orphan.number)
        }
        try blobs.removeUnnamed()
        try use.forgetStale()
        _ = try space.reclaim(observer: observer)
        loopImage?.giveBack()
        return findings
    }

    /// Goes on with the records as they are: frees every layer that has none.
    ///
    /// Killed on the way, it finds the store as before, less what it has freed.
    private func giveUpOrphans() throws(DriverError) {
        try access.requireWritable("free orphans")
        try driver.requireChangeable()
        let found = try orphans.layers()
        for orphan in found {
            try space.withReserve { () throws(DriverError) in try driver.remove(orphan.number) }
        }
        let unowned = try orphans.ofRecipes()
        for orphan in unowned { try recipes.remove(orphan.number) }
        if access.loss == nil && found.isEmpty { return }
        try space.withReserve { () throws(DriverError) in
            try catalog.write("go on with the records as they are", .onDisk) {
                try CatalogWriter($0).catchUp(
                    changes: evidence.mark?.changes ?? 0,
                    number: (found + unowned).map(\.number).max() ?? 0)
            }
        }
        access.forgetLoss()
    }
}
