// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import Logging
import Synchronization
import SystemPackage

extension LayerStore {
    /// Clears what dead processes and a power cut left; a failure is a warning, never a store that
    /// does not open.
    ///
    /// Nothing is cleared by records that have lost something.
    func recoverOnOpening() {
        var boot: String?
        var isFirst = false
        do throws(DriverError) {
            if !isReadOnly {
                let current = try currentBoot()
                let marked = Self.content(of: paths.boot(storeID))
                isFirst = marked != current + Self.compared
                if marked?.hasPrefix(current) == true { isBootMarked.withLock { $0 = true } }
                boot = current
            }
        } catch {
            warn("could not compare the store with its disk after the machine's start", nil, error)
        }
        do throws(DriverError) {
            if let loss = try findLoss(isFirst: isFirst) { declareLoss(loss) }
        } catch {
            warn("could not find out whether records were lost", nil, error)
            return
        }
        if isReadOnly { return }
        if lossIfAny.withLock({ $0 }) != nil {
            do throws(DriverError) {
                if let boot {
                    try withLock(on: 0) { () throws(DriverError) in
                        try forgetMounts(before: boot)
                    }
                }
            } catch {
                warn("could not forget mounts from before the machine's start", nil, error)
            }
            return
        }
        do throws(DriverError) {
            try recoverUnfinished()
        } catch {
            warn("could not clear what an interrupted operation left", nil, error)
        }
        do throws(DriverError) {
            if let boot, isFirst { try reconcileAfterBoot(boot) }
        } catch {
            warn("could not compare the store with its disk after the machine's start", nil, error)
        }
    }

    /// Finishes or takes back every intent whose owner is dead.
    ///
    /// - Returns: The layers concerned, as they were recorded.
    @discardableResult
    func recoverUnfinished() throws(DriverError) -> [LayerRecord] {
        let unfinished = try database.consistent("look for interrupted operations") {
            try LayerQueries($0).unfinished()
        }
        if unfinished.isEmpty { return [] }
        var dead: Set<Int64?> = []
        for owner in Set(unfinished.map(\.owner)) where try !isAlive(owner) { dead.insert(owner) }
        if dead.isEmpty { return [] }
        let owner = try owner()
        // Of several processes that see a dead owner, one gets its intents.
        let claimed = try withReserve { () throws(DriverError) in
            try database.write("take over interrupted operations", .ordered) {
                try LayerChanges($0).claim(from: dead, for: owner)
            }
        }
        let records = unfinished.filter { claimed.contains($0.number) }
        for record in records {
            do throws(DriverError) {
                try withReserve { () throws(DriverError) in try end(record, owner: owner) }
                tellCleared(record)
            } catch {
                warn("could not clear an interrupted operation", record.number, error)
                release(record.number)
            }
        }
        return records
    }

    /// Ends one intent that nobody works on any more.
    private func end(_ record: LayerRecord, owner: Int64) throws(DriverError) {
        switch record.state {
        case .ready: break
        case .creating, .removing: try clear(record.number)
        case .committing: try endCommit(record.number, owner: owner)
        }
    }

    /// Ends a commit whose process died; the caller holds the layer's lock.
    func recoverIfAbandoned(_ record: LayerRecord) throws(DriverError) {
        if record.state != .committing { return }
        let now = try current(record)
        guard now.state == .committing, let owner = now.owner, try !isAlive(owner) else { return }
        try endCommit(now.number, owner: owner)
    }

    /// Frees an id that a dead process had reserved.
    ///
    /// - Returns: Whether the id is free now.
    func recover(id: String) throws(DriverError) -> Bool {
        let found = try database.consistent("look for layer \(id)") {
            try LayerQueries($0).layer(id: id)
        }
        guard let found else { return true }
        guard found.state == .creating, try !isAlive(found.owner) else { return false }
        // All of its intents, each as its state asks for: it may have had others.
        try recoverUnfinished()
        return try database.consistent("look for layer \(id)") {
            try LayerQueries($0).layer(id: id) == nil
        }
    }

    /// Compares disk and records once after each start of the machine, since a power cut may have
    /// kept bytes whose record it lost, or the record without the bytes; and forgets the mounts, which
    /// ended with the machine.
    private func reconcileAfterBoot(_ boot: String) throws(DriverError) {
        try paths.makeRunRoot()
        try withLock(on: 0) { () throws(DriverError) in
            if Self.content(of: paths.boot(storeID)) == boot + Self.compared { return }
            try forgetMounts(before: boot)
            for orphan in try orphans() where orphan.isProvable {
                try driver.remove(orphan.number)
            }
            for orphan in try unownedRecipes() where orphan.isProvable {
                try recipes.remove(orphan.number)
            }
            try restoreActiveLayers()
            try writeBoot(boot + Self.compared)
        }
    }

    /// Makes sure that the next opening does not forget what is mounted from now on.
    func requireBootMark() throws(DriverError) {
        if isReadOnly || isBootMarked.withLock({ $0 }) { return }
        let boot = try currentBoot()
        try paths.makeRunRoot()
        try withLock(on: 0) { () throws(DriverError) in try forgetMounts(before: boot) }
    }

    /// Forgets the mounts of an earlier start of the machine, once; the caller holds the lock.
    private func forgetMounts(before boot: String) throws(DriverError) {
        if Self.content(of: paths.boot(storeID))?.hasPrefix(boot) != true {
            try mountTableIfAny()?.clear()
            // At once: were it not written, the next opening would forget mounts of this boot.
            try writeBoot(boot)
        }
        isBootMarked.withLock { $0 = true }
    }

    private func writeBoot(_ text: String) throws(DriverError) {
        let file = paths.boot(storeID)
        try attempting(
            "write \(file)",
            try { () throws(SyscallError) in
                let new = try OwnedDescriptor.open(
                    file, [.writeOnly, .create, .truncate, .noFollow], permissions: 0o600)
                try new.write(text)
            }())
    }

    /// Makes active layers again whose record reached the disk and whose directories did not.
    ///
    /// Nothing is lost with that: an fsync(2) of anything in one would have put the directories on
    /// disk, too.
    private func restoreActiveLayers() throws(DriverError) {
        let active = try layersWithBytes().filter {
            $0.layer.kind == .active && $0.state == .ready
        }
        for record in active {
            do throws(DriverError) {
                let parents = try database.read("look for layer \(record.layer.id)") {
                    try LayerQueries($0).parents(of: record.number)
                }
                let isMadeAgain = try driver.restore(
                    record.number, above: parents, limits: record.layer.limits, observer: .none)
                if !isMadeAgain { continue }
                configuration.logger.warning(
                    "the power was cut after layer \(record.layer.id) was created, and before it was used; it was made again, empty",
                    metadata: ["root": "\(paths.root)", "number": "\(record.number)"])
            } catch {
                warn("could not make a layer again that a power cut took", record.number, error)
            }
        }
    }

    /// What follows the boot id once disk and records have been compared.
    private static let compared = "compared\n"

    private func currentBoot() throws(DriverError) -> String {
        guard let boot = Self.content(of: "/proc/sys/kernel/random/boot_id") else {
            throw DriverError(.system, "could not read the machine's boot id")
        }
        return boot
    }

    private static func content(of path: FilePath) -> String? {
        do throws(SyscallError) {
            let bytes = try OwnedDescriptor.open(path, .readOnly).readAll(limit: 4096)
            return String(validating: bytes, as: UTF8.self)
        } catch {
            // Whatever the reason, nothing is known.
            return nil
        }
    }
}
