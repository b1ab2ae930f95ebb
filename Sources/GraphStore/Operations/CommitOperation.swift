// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// Makes an active layer a committed one.
struct CommitOperation: Sendable {
    let catalog: Catalog
    let content: LayerContent
    let driver: any Driver
    let durability: Durability
    let use: LayerUseGuard
    let recovery: Recovery
    let locks: LayerLocks
    let owner: OperationOwner
    let access: WriteAccess
    let space: FreeSpaceGuard
    let log: StoreLog

    /// What callers call a layer from its commit on; nil for what it was called before.
    struct Naming: Sendable {
        let id: String?
        let name: String?
        /// In place of all that it had.
        let labels: [String: String]?

        fileprivate func check() throws(DriverError) {
            if let id { try LayerID.check(id) }
            if let name { try LayerName.check(name) }
            if let labels { try LabelLimits.check(labels) }
        }
    }

    /// Makes an active layer immutable, so that it can be a parent.
    func commit(
        _ reference: String, as naming: Naming, freezingMounts: Bool, observer: WorkObserver
    ) throws(DriverError) -> Layer {
        try access.require("commit layer \(reference)")
        try naming.check()
        let (record, parents) = try catalog.recordWithParents(reference)
        let owner = try owner.number()
        return try locks.with(record.number) { () throws(DriverError) in
            try recovery.endIfAbandoned(record)
            try use.refuse(record, before: .committing, freezing: freezingMounts)
            let parent = try beginCommit(record.number, reference, as: naming, owner: owner)
            do throws(DriverError) {
                let canonical = try content.canonicalDiff(
                    of: record.number, parents: parents, observer)
                try driver.seal(
                    record.number, parents: parents, durability: durability)
                let isTar = canonical.warnings.isEmpty
                let result = CommittedContent(
                    diffID: isTar ? canonical.digest : nil,
                    chainID: isTar ? Digest.chainID(on: parent, canonical.digest) : nil,
                    contentDigest: canonical.digest,
                    diffBytes: isTar ? canonical.byteCount : nil,
                    recipeBytes: nil,
                    usage: try driver.usage(of: record.number, parents: parents),
                    durability: durability)
                return try finishCommit(record, as: naming, result, owner: owner)
            } catch {
                do throws(DriverError) {
                    try catalog.endCommit(record.number, owner: owner)
                } catch {
                    log.warn("could not end a commit that failed", record.number, error)
                }
                throw space.naming(error)
            }
        }
    }

    /// Records the intent, and returns the parent.
    private func beginCommit(
        _ number: LayerNumber, _ reference: String, as naming: Naming, owner: Int64
    ) throws(DriverError) -> Layer? {
        try catalog.write("begin the commit of layer \(reference)", .ordered) { connection in
            let queries = CatalogReader(connection)
            guard let record = try queries.layer(number), record.isVisible else {
                throw DriverError(.layerNotFound, "layer \(reference) was removed meanwhile")
            }
            if record.layer.kind != .active {
                throw DriverError(
                    .wrongKind,
                    "layer \(record.layer.id) is \(record.layer.kind.described);"
                        + " only an active layer can be committed")
            }
            if let id = naming.id, id != record.layer.id, try queries.layer(id: id) != nil {
                throw DriverError(.layerExists, "there is a layer \(id) already")
            }
            if let name = naming.name, let other = try queries.layer(named: name),
                other.number != number
            {
                throw DriverError(
                    .layerExists, "layer \(other.layer.id) is named \(name) already")
            }
            try CatalogWriter(connection).setState(.committing, owner: owner, of: number)
            return try record.parent.flatMap { try queries.layer($0)?.layer }
        }
    }

    private func finishCommit(
        _ record: LayerRecord, as naming: Naming, _ content: CommittedContent, owner: Int64
    ) throws(DriverError) -> Layer {
        let id = naming.id ?? record.layer.id
        return try catalog.write(
            "record layer \(id)", catalog.resultSynchronization
        ) { connection in
            let writer = CatalogWriter(connection)
            let now = Timestamp.now
            let isOurs = try writer.finish(record.number, owner: owner, id: id, content, at: now)
            try writer.setCreated(record.number, at: now)
            if let name = naming.name { try writer.setName(name, of: record.number) }
            if let labels = naming.labels {
                try writer.removeLabels(of: record.number)
                for (key, value) in labels {
                    try writer.setLabel(key, value, of: record.number)
                }
            }
            guard isOurs, let layer = try CatalogReader(connection).layer(record.number) else {
                throw DriverError(
                    .system, "layer \(id) was claimed by another process as abandoned")
            }
            return layer.layer
        }
    }
}
