// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

extension LayerStore {
    /// Clears what dead processes and a power cut left; a failure is a warning, never a store that
    /// does not open.
    func recoverOnOpening() {
        do throws(DriverError) {
            try recoverUnfinished()
        } catch {
            warn("could not clear what an interrupted operation left", nil, error)
        }
        do throws(DriverError) {
            try reconcileAfterBoot()
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
    /// kept bytes whose record it lost; and forgets the mounts, which ended with the machine.
    private func reconcileAfterBoot() throws(DriverError) {
        let file = paths.boot(storeID)
        let boot = try currentBoot()
        if Self.content(of: file) == boot {
            isBootMarked.withLock { $0 = true }
            return
        }
        try paths.makeRunRoot()
        try withLock(on: 0) { () throws(DriverError) in
            if Self.content(of: file) == boot {
                isBootMarked.withLock { $0 = true }
                return
            }
            try mountTableIfAny()?.clear()
            // At once: were it not written, the next opening would forget mounts of this boot.
            try attempting(
                "write \(file)",
                try { () throws(SyscallError) in
                    let new = try OwnedDescriptor.open(
                        file, [.writeOnly, .create, .truncate], permissions: 0o600)
                    try new.write(boot)
                }())
            isBootMarked.withLock { $0 = true }
            for orphan in try unownedLayers() { try driver.remove(orphan.number) }
            for number in try unownedRecipes() { try recipes.remove(number) }
        }
    }

    /// Makes sure that the next opening does not forget what is mounted from now on.
    func requireBootMark() throws(DriverError) {
        if isReadOnly || isBootMarked.withLock({ $0 }) { return }
        try reconcileAfterBoot()
    }

    /// Layers on disk that no record owns.
    ///
    /// The disk is listed first and the records second: a record is made before its bytes are, and
    /// goes after them. So what has no record then either has no owner, or is gone already.
    func unownedLayers() throws(DriverError) -> [(number: LayerNumber, location: String)] {
        let found = try driver.inventory()
        return try database.consistent("compare the disk with the records") { connection in
            let queries = LayerQueries(connection)
            var unowned: [(number: LayerNumber, location: String)] = []
            for item in found {
                guard case .layer(let number) = item.kind else { continue }
                if try !queries.isRecorded(number) { unowned.append((number, item.location)) }
            }
            return unowned
        }
    }

    /// Layers that have a recipe and no record; in the same order of looking.
    func unownedRecipes() throws(DriverError) -> [LayerNumber] {
        let found = try recipes.inventory().numbers
        if found.isEmpty { return [] }
        return try database.consistent("compare the recipes with the records") { connection in
            let queries = LayerQueries(connection)
            return try found.sorted().filter { try !queries.isRecorded($0) }
        }
    }

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
