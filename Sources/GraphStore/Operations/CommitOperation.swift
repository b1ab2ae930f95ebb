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

    /// Makes an active layer immutable, so that it can be a parent.
    func commit(
        _ reference: String, as newID: String?, observer: WorkObserver
    ) throws(DriverError) -> Layer {
        try access.require("commit layer \(reference)")
        if let newID { try LayerID.check(newID) }
        let (record, parents) = try catalog.recordWithParents(reference)
        let owner = try owner.number()
        return try locks.with(record.number) { () throws(DriverError) in
            try recovery.endIfAbandoned(record)
            try use.refuse(record, before: .committing)
            let parent = try beginCommit(record.number, reference, as: newID, owner: owner)
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
                return try finishCommit(record, id: newID ?? record.layer.id, result, owner: owner)
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
        _ number: LayerNumber, _ reference: String, as newID: String?, owner: Int64
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
            if let newID, newID != record.layer.id, try queries.layer(id: newID) != nil {
                throw DriverError(.layerExists, "there is a layer \(newID) already")
            }
            try CatalogWriter(connection).setState(.committing, owner: owner, of: number)
            return try record.parent.flatMap { try queries.layer($0)?.layer }
        }
    }

    private func finishCommit(
        _ record: LayerRecord, id: String, _ content: CommittedContent, owner: Int64
    ) throws(DriverError) -> Layer {
        try catalog.write("record layer \(id)", catalog.resultSynchronization) { connection in
            let isOurs = try CatalogWriter(connection)
                .finish(record.number, owner: owner, id: id, content, at: .now)
            guard isOurs, let layer = try CatalogReader(connection).layer(record.number) else {
                throw DriverError(
                    .system, "layer \(id) was claimed by another process as abandoned")
            }
            return layer.layer
        }
    }
}
