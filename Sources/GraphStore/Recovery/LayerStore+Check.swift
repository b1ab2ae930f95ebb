// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSQLite
import GraphSystem
import SystemPackage

extension LayerStore {
    /// Compares records, disk and kernel, and changes nothing.
    ///
    /// A deep check also reads every committed layer and compares its content with the digest that
    /// was recorded. A sound store has no findings.
    public func check(
        deep: Bool = false, observer: WorkObserver = .none
    ) throws(DriverError) -> [Finding] {
        var findings = try databaseFindings()
        do throws(DriverError) {
            findings += try recordFindings()
            findings += try imageFindings(deep: deep)
            findings += try interruptedFindings()
            // What waits to be freed is owned by the trash: nothing is wrong with it.
            findings += try diskFindings(missing: true).filter { $0.kind != .trash }
        } catch  where error.code == .storeDamaged {
            // Records that cannot be read say nothing about anything else.
            let damage = Finding(.databaseDamaged, paths.database.string, error.message)
            if !findings.contains(where: { $0.kind == .databaseDamaged }) {
                findings.append(damage)
            }
            return findings + lossFindings() + driverFindings()
        }
        findings += try mountFindings()
        findings += try bedFindings()
        findings += lossFindings() + driverFindings()
        if deep { findings += try contentFindings(observer) + blobFindings(observer) }
        return findings
    }

    /// Clears what nothing owns: interrupted operations, bytes of removed layers, records of mounts
    /// that ended, and what waits to be freed.
    ///
    /// What another process is making now is left alone. A dry run only tells what would be cleared;
    /// what could not be cleared is logged.
    ///
    /// A layer that has no record and was not removed is kept and told of. With `orphans` it is freed,
    /// too, and a store whose records were lost goes on with those that it has.
    @discardableResult
    public func collectGarbage(
        dryRun: Bool = false, orphans: Bool = false, observer: WorkObserver = .none
    ) throws(DriverError) -> [Finding] {
        var findings = try interruptedFindings()
        findings += try diskFindings(missing: false).filter { $0.kind != .foreignFile }
        findings += try mountFindings()
        if dryRun { return findings + lossFindings() }
        if orphans { try giveUpOrphans() }
        try checkWritable("clear what nothing owns")
        try recoverUnfinished()
        for orphan in try self.orphans() where orphan.isProvable {
            try withReserve { () throws(DriverError) in try driver.remove(orphan.number) }
        }
        for orphan in try unownedRecipes() where orphan.isProvable {
            try recipes.remove(orphan.number)
        }
        try removeUnnamedBlobs()
        try forgetStaleMounts()
        try reclaim(observer: observer)
        bed?.giveBack()
        return findings
    }

    /// How many things that were removed the kernel has still to free by itself, whoever removed them
    /// on this filesystem; nil where that does not happen, or this user is not told.
    public func freeingCount() -> Int? { driver.freeingCount() }

    private func databaseFindings() throws(DriverError) -> [Finding] {
        do throws(DriverError) {
            let lines = try database.read("check the database") { connection in
                try String.fetchAll(connection, sql: "PRAGMA quick_check")
                    + Row.fetchAll(connection, sql: "PRAGMA foreign_key_check").map {
                        "a row of \(try $0[0] as String? ?? "?") refers to a layer that is not there"
                    }
            }
            return lines.filter { $0 != "ok" }.map {
                Finding(.databaseDamaged, paths.database.string, $0)
            }
        } catch  where error.code == .storeDamaged {
            return [Finding(.databaseDamaged, paths.database.string, error.message)]
        }
    }

    private func recordFindings() throws(DriverError) -> [Finding] {
        let records = try database.consistent("list the layers") { try LayerQueries($0).visible() }
        let withRecipe = try recipes.inventory().numbers
        // A damaged table may have a number twice.
        let byNumber = Dictionary(records.map { ($0.number, $0.layer) }) { first, _ in first }
        var findings: [Finding] = []
        for record in records {
            let layer = record.layer
            func report(_ message: String) {
                findings.append(Finding(.recordInvalid, layer.id, message))
            }
            if let parent = record.parent, parent >= record.number {
                report("its parent, number \(parent), is no older than itself")
            } else if let parent = record.parent {
                guard let below = byNumber[parent] else {
                    report("its parent, number \(parent), is not there")
                    continue
                }
                if below.kind != .committed { report("its parent \(below.id) is not committed") }
                if layer.depth != below.depth + 1 {
                    report("its depth is not its parent's plus one")
                }
            } else if layer.depth != 1 {
                report("it has no parent, but should have one")
            }
            if layer.recipeBytes != nil && !withRecipe.contains(record.number),
                // It may have been removed since it was listed.
                try isCurrent(record)
            {
                findings.append(
                    Finding(
                        .recipeMissing, layer.id,
                        "the recipe for the tar that was applied is gone;"
                            + " the canonical tar can be made"))
            }
            // Without a recipe there may be no tar of it, of which there would be a digest.
            let lacksTarDigest = layer.diffID == nil && layer.recipeBytes != nil
            if layer.kind == .committed && (lacksTarDigest || layer.contentDigest == nil) {
                report("it is committed, but its digests are not recorded")
            }
        }
        return findings
    }

    private func isCurrent(_ record: LayerRecord) throws(DriverError) -> Bool {
        do throws(DriverError) {
            _ = try current(record)
            return true
        } catch  where error.code == .layerNotFound {
            return false
        }
    }

    private func interruptedFindings() throws(DriverError) -> [Finding] {
        let unfinished = try database.consistent("look for interrupted operations") {
            try LayerQueries($0).unfinished()
        }
        var findings: [Finding] = []
        for record in unfinished where try !isAlive(record.owner) {
            let subject =
                record.layer.id.isEmpty ? "layer number \(record.number)" : record.layer.id
            findings.append(
                Finding(
                    .interruptedOperation, subject,
                    "\(record.state.rawValue) it was cut off, and will be taken back"))
        }
        return findings
    }

    /// What the driver's inventory says that the records do not, and the other way round.
    private func diskFindings(missing: Bool) throws(DriverError) -> [Finding] {
        let before = missing ? try layersWithBytes() : []
        let inventory = try driver.inventory()
        var findings: [Finding] = []
        var present: Set<LayerNumber> = []
        for item in inventory {
            switch item.kind {
            case .layer(let number): present.insert(number)
            case .trash:
                findings.append(
                    Finding(
                        .trash, item.location, "it was removed and is not yet freed",
                        bytes: item.bytes))
            case .foreign:
                findings.append(
                    Finding(
                        .foreignFile, item.location, "driver \(driver.name) makes no such thing"))
            }
        }
        for orphan in try orphans() {
            let usage = try? driver.usage(of: orphan.number, above: [])
            findings.append(
                Finding(
                    .unownedLayer, orphan.location, Self.fate(of: orphan), bytes: usage?.bytes))
        }
        findings += try recipeFindings()
        let absent = before.filter { !present.contains($0.number) }
        if absent.isEmpty { return findings }
        // Those that went away while the disk was listed are not missing.
        let now = Set(try layersWithBytes().map(\.number))
        for record in absent where now.contains(record.number) {
            findings.append(
                Finding(
                    .layerMissing, record.layer.id,
                    "it is recorded, but driver \(driver.name) has no bytes of number"
                        + " \(record.number)"))
        }
        return findings
    }

    private static func fate(of orphan: Orphan) -> String {
        orphan.isProvable
            ? "its record was deleted or never made; gc frees it"
            : "its record was lost; put graph.db back, or give it up: only gc --orphans frees it"
    }

    /// That the driver takes no changes, because its state and the store are not from the same time.
    private func driverFindings() -> [Finding] {
        if isReadOnly { return [] }
        do throws(DriverError) {
            try driver.requireChangeable()
            return []
        } catch {
            return [Finding(.driverMismatched, driver.name, error.message)]
        }
    }

    /// Recipes that no record owns, and what is no recipe.
    private func recipeFindings() throws(DriverError) -> [Finding] {
        try unownedRecipes().map {
            Finding(.unownedLayer, $0.location, Self.fate(of: $0))
        }
            + recipes.inventory().foreign.map {
                Finding(.foreignFile, "recipes/\($0)", "the store makes no such thing")
            }
            + foreignBlobs().map {
                Finding(.foreignFile, "blobs/\($0)", "the store makes no such thing")
            }
    }

    func layersWithBytes() throws(DriverError) -> [LayerRecord] {
        try database.consistent("list the layers") { try LayerQueries($0).visible() }
            .filter { $0.layer.kind != .view }
    }

    private func mountFindings() throws(DriverError) -> [Finding] {
        guard let table = try mountTableIfAny() else { return [] }
        let namespace = try currentNamespace()
        var findings: [Finding] = []
        for mount in try table.all() where try !isLive(mount, namespace) {
            // Without an id it may be a mounting that is going on; its lock would tell.
            if mount.mountID == nil, mount.namespace == namespace || mount.isDevice { continue }
            findings.append(
                Finding(
                    .staleMount, mount.target.string,
                    "layer number \(mount.layer) is recorded as mounted there, but is not"))
        }
        return findings
    }

    private func forgetStaleMounts() throws(DriverError) {
        guard let table = try mountTableIfAny() else { return }
        let namespace = try currentNamespace()
        for layer in Set(try table.all().map(\.layer)) {
            try withLock(on: layer) { () throws(DriverError) in
                for mount in try table.records(of: layer) where try !isLive(mount, namespace) {
                    if mount.isDevice {
                        _ = try isKept(mount, table)
                    } else if mount.mountID == nil && mount.namespace == namespace {
                        try clearInterrupted(mount, table)
                    } else {
                        removeMountPoint(mount)
                        try table.forget(mount)
                    }
                }
            }
        }
    }
}
