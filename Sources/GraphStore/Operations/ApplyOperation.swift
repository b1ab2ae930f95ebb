// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// Makes a committed layer from a tar.
struct ApplyOperation: Sendable {
    let pending: PendingLayers
    let recovery: Recovery
    let catalog: Catalog
    let content: LayerContent
    let driver: any Driver
    let recipes: RecipeDirectory
    let durability: Durability
    let access: WriteAccess
    let space: FreeSpaceGuard

    /// Makes a committed layer from a tar.
    func apply(
        _ stream: any ByteSource, id: String?, parent: String?, diffID: Digest?,
        labels: [String: String], observer: WorkObserver
    ) throws(DriverError) -> AppliedLayer {
        try access.require("apply a layer")
        return try space.withRoom(observer) { (observer) throws(DriverError) in
            try applyUnwatched(stream, id: id, parent: parent, diffID: diffID, labels, observer)
        }
    }

    private func applyUnwatched(
        _ stream: any ByteSource, id: String?, parent: String?, diffID: Digest?,
        _ labels: [String: String], _ observer: WorkObserver
    ) throws(DriverError) -> AppliedLayer {
        if let diffID, let present = try find(diffID, parent: parent, id: id) {
            let (digest, bytes) = try digest(of: stream, observer)
            if digest != diffID {
                throw DriverError(
                    .digestMismatch, "the layer's digest is \(digest), not \(diffID)")
            }
            return AppliedLayer(
                layer: try catalog.withLabels(labels, present), wasPresent: true,
                streamBytes: bytes,
                timings: WorkTimings())
        }
        if diffID == nil, let present = try applied(stream, as: id, parent, labels, observer) {
            return present
        }
        let draft = LayerDraft(
            .committed, id: id, parent: NewParent(parent), labels: labels, limits: .none)
        let intent = try recovery.freeing([draft]) { () throws(DriverError) in
            try pending.begin(draft)
        }
        do throws(DriverError) {
            try pending.make(intent, observer)
            var tar = try unpack(stream, intent, observer)
            if let diffID { try tar.require(diffID) }
            let chainID = Digest.chainID(on: intent.parent, tar.digest)
            if id == nil, let chainID, let present = try catalog.findCommitted(chainID: chainID) {
                pending.rollBack(intent)
                return AppliedLayer(
                    layer: try catalog.withLabels(labels, present), wasPresent: true,
                    streamBytes: tar.byteCount, timings: tar.timings, warnings: tar.warnings)
            }
            let content = try seal(intent, &tar, chainID, observer)
            return try record(intent, content, tar)
        } catch {
            pending.rollBack(intent, after: error)
            throw space.naming(error)
        }
    }

    /// The layer that an apply would make, where there is one that the caller's id allows.
    private func find(
        _ diffID: Digest, parent: String?, id: String?
    ) throws(DriverError) -> Layer? {
        let below = try catalog.parentLayer(parent)
        guard let chainID = Digest.chainID(on: below, diffID) else { return nil }
        return try catalog.consistent("look for chain \(chainID)") { connection in
            let queries = CatalogReader(connection)
            guard let id else { return try queries.committed(chainID)?.layer }
            let named = try queries.layer(id: id)
            return named?.layer.chainID == chainID && named?.isVisible == true ? named?.layer : nil
        }
    }

    /// The layer with an id on a parent, where it is the one that the stream would make.
    private func applied(
        _ stream: any ByteSource, as id: String?, _ parent: String?, _ labels: [String: String],
        _ observer: WorkObserver
    ) throws(DriverError) -> AppliedLayer? {
        guard let id else { return nil }
        let below = try catalog.parentLayer(parent)
        let named = try catalog.consistent("look for layer \(id)") {
            try CatalogReader($0).layer(id: id)
        }
        guard let named, named.state == .ready, let chainID = named.layer.chainID,
            named.parent == below?.number
        else { return nil }
        let (digest, bytes) = try digest(of: stream, observer)
        if Digest.chainID(on: below, digest) != chainID {
            throw DriverError(.layerExists, "there is another layer \(id) already")
        }
        return AppliedLayer(
            layer: try catalog.withLabels(labels, named.layer), wasPresent: true,
            streamBytes: bytes,
            timings: WorkTimings())
    }

    /// Reads a layer, plain or compressed, to its end.
    private func digest(
        of stream: any ByteSource, _ observer: WorkObserver
    ) throws(DriverError) -> (digest: Digest, byteCount: UInt64) {
        try attempting(
            archive: "read the layer",
            try { () throws(ArchiveError) in
                let tar = try LayerStream(stream, observer: observer)
                defer { tar.stop() }
                var buffer = [UInt8](repeating: 0, count: LayerStream.blockBytes)
                var read: UInt64 = 0
                while true {
                    let count = try tar.read(into: &buffer)
                    if count == 0 { break }
                    read += UInt64(count)
                    try observer.report(WorkProgress(phase: "verifying", completedBytes: read))
                }
                return tar.finish()
            }())
    }

    /// Records the result; somebody else may have applied the same layer in the meantime.
    private func record(
        _ intent: LayerIntent, _ content: CommittedContent, _ tar: UnpackedTar
    ) throws(DriverError) -> AppliedLayer {
        let id = intent.id ?? content.chainID?.hex ?? LayerID.random()
        let (layer, wasPresent) = try pending.finishOnce(intent, id: id, content)
        if wasPresent { pending.rollBack(intent) }
        let labelled = wasPresent ? try catalog.withLabels(intent.labels, layer) : layer
        return AppliedLayer(
            layer: labelled, wasPresent: wasPresent, streamBytes: tar.byteCount,
            timings: tar.timings, warnings: tar.warnings)
    }
}
