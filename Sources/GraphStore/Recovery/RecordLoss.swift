// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSQLite
import GraphSystem
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

/// Finds out whether the records have lost something.
struct RecordLoss: Sendable {
    let evidence: RecordEvidence
    let catalog: Catalog
    let orphans: OrphanSearch
    let access: WriteAccess

    /// What they have lost, in a sentence; nil for nothing.
    ///
    /// Costs nothing where the mark fits. Otherwise, and at the first opening after a start of the
    /// machine, the database is checked and compared with the disk.
    func find(isFirst: Bool) throws(DriverError) -> String? {
        if evidence.lostCount > 0 {
            return
                "graph.db lacks the last \(evidence.lostCount) of \(evidence.mark?.changes ?? 0) "
                + "changes; an older copy was put in its place, or its log was lost"
        }
        if access.isReadOnly || !(isFirst || evidence.isSuspicious) { return nil }
        if evidence.isSuspicious, let damage = try databaseDamage().first {
            return "graph.db is damaged: \(damage)"
        }
        let found = try orphans.layers().filter { !$0.isProvable }
        if !found.isEmpty {
            return "there are layers without records: " + listed(found.map(\.location))
        }
        if evidence.isSuspicious { catalog.markAsIs(evidence.changes) }
        return nil
    }

    /// What SQLite itself finds wrong with the records, and else the first of them that makes no sense.
    private func databaseDamage() throws(DriverError) -> [String] {
        do throws(DriverError) {
            return try catalog.read("check the database") { connection in
                let found =
                    try String.fetchAll(connection, sql: "PRAGMA integrity_check(3)")
                    .filter { $0 != "ok" }
                    + Row.fetchAll(connection, sql: "PRAGMA foreign_key_check").map {
                        "a row of \(try $0[0] as String? ?? "?") refers to a layer that is not there"
                    }
                if found.isEmpty {
                    let queries = CatalogReader(connection)
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
}
