// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem
import SystemPackage

/// Compares records, disk and kernel, and changes nothing.
struct StoreCheck: Sendable {
    let catalog: Catalog
    /// The file of the records.
    let database: FilePath
    let driver: any Driver
    let recipes: RecipeDirectory
    let orphans: OrphanSearch
    let content: ContentCheck
    let blobs: KeptBlobs
    let registry: MountRegistry
    let owner: OperationOwner
    let access: WriteAccess
    let loopImage: LoopImage?

    /// Lists what is wrong.
    func run(
        deep: Bool, observer: WorkObserver
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
            let damage = Finding(.databaseDamaged, database.string, error.message)
            if !findings.contains(where: { $0.kind == .databaseDamaged }) {
                findings.append(damage)
            }
            return findings + access.findings() + driverFindings()
        }
        findings += try mountFindings()
        findings += try loopImageFindings()
        findings += access.findings() + driverFindings()
        if deep { findings += try content.findings(observer) + blobs.findings(observer) }
        return findings
    }

    /// What garbage collection would clear.
    func garbage() throws(DriverError) -> [Finding] {
        try interruptedFindings() + diskFindings(missing: false).filter { $0.kind != .foreignFile }
            + mountFindings()
    }

    private func databaseFindings() throws(DriverError) -> [Finding] {
        do throws(DriverError) {
            let lines = try catalog.read("check the database") { connection in
                try String.fetchAll(connection, sql: "PRAGMA quick_check")
                    + Row.fetchAll(connection, sql: "PRAGMA foreign_key_check").map {
                        "a row of \(try $0[0] as String? ?? "?") refers to a layer that is not there"
                    }
            }
            return lines.filter { $0 != "ok" }.map {
                Finding(.databaseDamaged, database.string, $0)
            }
        } catch  where error.code == .storeDamaged {
            return [Finding(.databaseDamaged, database.string, error.message)]
        }
    }

    private func interruptedFindings() throws(DriverError) -> [Finding] {
        let unfinished = try catalog.unfinished()
        var findings: [Finding] = []
        for record in unfinished where try !owner.isAlive(record.owner) {
            let subject =
                record.layer.id.isEmpty ? "layer number \(record.number)" : record.layer.id
            findings.append(
                Finding(
                    .interruptedOperation, subject,
                    "\(record.state.rawValue) it was cut off, and will be taken back"))
        }
        return findings
    }

    /// That the driver takes no changes, because its state and the store are not from the same time.
    private func driverFindings() -> [Finding] {
        if access.isReadOnly { return [] }
        do throws(DriverError) {
            try driver.requireChangeable()
            return []
        } catch {
            return [Finding(.driverMismatched, driver.name, error.message)]
        }
    }

    private func mountFindings() throws(DriverError) -> [Finding] {
        try registry.stale().map {
            Finding(
                .staleMount, $0.target.string,
                "layer number \($0.layer) is recorded as mounted there, but is not")
        }
    }
}
