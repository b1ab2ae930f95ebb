// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import Synchronization
import SystemPackage

/// Whether the store may be changed: it is open for writing, its records have lost nothing, and its driver
/// takes changes.
final class WriteAccess: Sendable {
    let isReadOnly: Bool
    private let driver: any Driver
    private let database: FilePath
    private let log: StoreLog
    private let lossIfAny = Mutex<String?>(nil)

    init(isReadOnly: Bool, _ driver: any Driver, database: FilePath, _ log: StoreLog) {
        (self.isReadOnly, self.driver) = (isReadOnly, driver)
        (self.database, self.log) = (database, log)
    }

    /// Refuses what changes the store when it is open for reading.
    func require(_ action: @autoclosure () -> String) throws(DriverError) {
        try requireWritable(action())
        try refuseLoss(action())
        try driver.requireChangeable()
    }

    /// Refuses what changes the store, unless it was opened for that.
    func requireWritable(_ action: @autoclosure () -> String) throws(DriverError) {
        if isReadOnly {
            throw DriverError(.storeReadOnly, "could not \(action()): the store is read-only")
        }
    }

    // MARK: Records that are older than the disk

    // Nothing is changed then until they are put back, or an operator says to go on without: whatever
    // the records do not know may be a layer of somebody.

    /// What the records have lost, in a sentence; nil for nothing.
    var loss: String? { lossIfAny.withLock { $0 } }

    /// Says in one sentence what to do about lost records.
    private static let remedy =
        "put graph.db and graph.db-wal back as they were, or give up what has no record: "
        + "graphctl gc --orphans"

    /// Refuses to change a store whose records have lost something.
    func refuseLoss(_ action: @autoclosure () -> String) throws(DriverError) {
        guard let loss else { return }
        throw DriverError(.storeDamaged, "could not \(action()): \(loss); \(Self.remedy)")
    }

    /// What `check` says about lost records.
    func findings() -> [Finding] {
        guard let loss else { return [] }
        return [Finding(.recordsLost, database.string, "\(loss); \(Self.remedy)")]
    }

    /// Remembers that the records have lost something, and says so in the log.
    func declareLoss(_ loss: String) {
        let isNew = lossIfAny.withLock { known in
            defer { known = known ?? loss }
            return known == nil
        }
        if !isNew { return }
        log.warn(
            "the records are older than the disk, and nothing is changed: \(loss); \(Self.remedy)")
    }

    /// Goes on with the records as they are.
    func forgetLoss() { lossIfAny.withLock { $0 = nil } }
}
