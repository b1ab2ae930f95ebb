// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSQLite
import GraphSystem
import Logging
import Synchronization
import SystemPackage

/// What the files of the records told when the store was opened.
struct RecordEvidence: Sendable {
    /// How many changes the records have had.
    var changes: UInt64 = 0
    /// The last mark of this store; nil where there is none, as in stores from before.
    var mark: RecordMark.Value?
    /// What tells `graph.db`; see ``RecordMark/identity(of:)``.
    var file: UInt64 = 0

    /// How many changes are missing that were put on disk once.
    var lostCount: UInt64 {
        guard let mark, mark.changes > changes else { return 0 }
        return mark.changes - changes
    }

    /// Whether `graph.db` is another file, or was written since the last mark: by a checkpoint whose
    /// process died, by a copy, or by somebody else.
    var isSuspicious: Bool { mark.map { $0.file != file } ?? false }
}

/// Records that are older than the disk.
///
/// Nothing is changed then until they are put back, or an operator says to go on without: whatever
/// the records do not know may be a layer of somebody.
extension LayerStore {
    /// Says in one sentence what to do about lost records.
    private static let remedy =
        "put graph.db and graph.db-wal back as they were, or give up what has no record: "
        + "graphctl gc --orphans"

    /// Refuses to change a store whose records have lost something.
    func refuseLoss(_ action: @autoclosure () -> String) throws(DriverError) {
        guard let loss = lossIfAny.withLock({ $0 }) else { return }
        throw DriverError(.storeDamaged, "could not \(action()): \(loss); \(Self.remedy)")
    }

    /// What `check` says about lost records.
    func lossFindings() -> [Finding] {
        guard let loss = lossIfAny.withLock({ $0 }) else { return [] }
        return [Finding(.recordsLost, paths.database.string, "\(loss); \(Self.remedy)")]
    }

    /// Remembers that the records have lost something, and says so in the log.
    func declareLoss(_ loss: String) {
        let isNew = lossIfAny.withLock { known in
            defer { known = known ?? loss }
            return known == nil
        }
        if !isNew { return }
        configuration.logger.warning(
            "the records are older than the disk, and nothing is changed: \(loss); \(Self.remedy)",
            metadata: ["root": "\(paths.root)"])
    }

    /// Finds out whether the records have lost something.
    ///
    /// Costs nothing where the mark fits. Otherwise, and at the first opening after a start of the
    /// machine, the database is checked and compared with the disk.
    func findLoss(isFirst: Bool) throws(DriverError) -> String? {
        if evidence.lostCount > 0 {
            return
                "graph.db lacks the last \(evidence.lostCount) of \(evidence.mark?.changes ?? 0) "
                + "changes; an older copy was put in its place, or its log was lost"
        }
        if isReadOnly || !(isFirst || evidence.isSuspicious) { return nil }
        if evidence.isSuspicious, let damage = try databaseDamage().first {
            return "graph.db is damaged: \(damage)"
        }
        let orphans = try orphans().filter { !$0.isProvable }
        if !orphans.isEmpty {
            return "there are layers without records: " + Self.list(orphans.map(\.location))
        }
        if evidence.isSuspicious { database.markAsIs(evidence.changes) }
        return nil
    }

    /// What SQLite itself finds wrong with the records, and else the first of them that makes no sense.
    private func databaseDamage() throws(DriverError) -> [String] {
        do throws(DriverError) {
            return try database.read("check the database") { connection in
                let found =
                    try String.fetchAll(connection, sql: "PRAGMA integrity_check(3)")
                    .filter { $0 != "ok" }
                    + Row.fetchAll(connection, sql: "PRAGMA foreign_key_check").map {
                        "a row of \(try $0[0] as String? ?? "?") refers to a layer that is not there"
                    }
                if found.isEmpty {
                    let queries = LayerQueries(connection)
                    _ = try (queries.visible(), queries.unfinished())
                    let images = ImageQueries(connection)
                    if try images.arePresent() {
                        for id in try images.ids() { _ = try images.image(id) }
                    }
                }
                return found
            }
        } catch  where error.code == .storeDamaged {
            return [error.message]
        }
    }

    /// Goes on with the records as they are: frees every layer that has none.
    ///
    /// Killed on the way, it finds the store as before, less what it has freed.
    func giveUpOrphans() throws(DriverError) {
        if isReadOnly {
            throw DriverError(.storeReadOnly, "could not free orphans: the store is read-only")
        }
        try driver.requireChangeable()
        let orphans = try orphans()
        for orphan in orphans {
            try withReserve { () throws(DriverError) in try driver.remove(orphan.number) }
        }
        let unowned = try unownedRecipes()
        for orphan in unowned { try recipes.remove(orphan.number) }
        if lossIfAny.withLock({ $0 }) == nil && orphans.isEmpty { return }
        try withReserve { () throws(DriverError) in
            try database.write("go on with the records as they are", .onDisk) {
                try LayerChanges($0).catchUp(
                    changes: evidence.mark?.changes ?? 0,
                    number: (orphans + unowned).map(\.number).max() ?? 0)
            }
        }
        lossIfAny.withLock { $0 = nil }
    }
}
