// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// Removes images, and the layers that only they used.
struct RemoveImageOperation: Sendable {
    /// Removes layers; what it works with is all that this needs beside blobs.
    let layers: RemoveOperation
    let blobs: KeptBlobs

    /// Removes an image, and the layers that only it used.
    @discardableResult
    func removeImage(_ reference: String) throws(DriverError) -> RemovedImage {
        try layers.access.require("remove image \(reference)")
        layers.space.giveWay()
        return try layers.space.withReserve { () throws(DriverError) in
            let (id, chain) = try chain(ofImage: reference)
            return try layers.locks.with(chain[...]) { () throws(DriverError) in
                let removed = try removeLocked(reference, id)
                finishRemoval(of: removed.layers)
                if removed.untagged == nil { forgetBlobs(of: removed.image) }
                return removed
            }
        }
    }

    /// The image that is meant, and the numbers of its layers, the topmost first.
    private func chain(
        ofImage reference: String
    ) throws(DriverError) -> (id: String, layers: [LayerNumber]) {
        try layers.catalog.consistent("look for image \(reference)") { connection in
            let queries = ImageQueries(connection)
            let id = try queries.id(reference)
            guard let top = try queries.top(of: id) else { return (id, []) }
            return (id, try [top] + CatalogReader(connection).parents(of: top))
        }
    }

    /// Begins the removal; the caller holds the locks of all layers.
    private func removeLocked(
        _ reference: String, _ id: String
    ) throws(DriverError) -> RemovedImage {
        var unused: Set<LayerNumber> = []
        while true {
            let records = try layers.catalog.consistent("look for image \(reference)") {
                try Self.layersOnly(of: id, $0)
            }
            for record in records where unused.insert(record.number).inserted {
                try layers.use.refuse(record, before: .removing)
            }
            // Meanwhile the last user of one more layer may have gone.
            if let removed = try beginRemoval(reference, id, unused) { return removed }
        }
    }

    /// The layers that only an image uses, the topmost first.
    private static func layersOnly(
        of id: String, _ connection: Database
    ) throws -> [LayerRecord] {
        let (layers, images) = (CatalogReader(connection), ImageQueries(connection))
        var found: [LayerRecord] = []
        var number = try images.top(of: id)
        while let next = number, let record = try layers.layer(next) {
            let children = try layers.children(of: next, limit: 2).map(\.number)
            guard record.state == .ready, record.layer.kind == .committed,
                record.layer.id == record.layer.chainID?.hex, record.layer.labels.isEmpty,
                children.allSatisfy({ $0 == found.last?.number }),
                try images.ids(over: next).allSatisfy({ $0 == id })
            else { break }
            found.append(record)
            number = record.parent
        }
        return found
    }

    /// Records the removal; nil when it would remove a layer that is not known to be unused.
    private func beginRemoval(
        _ reference: String, _ id: String, _ unused: Set<LayerNumber>
    ) throws(DriverError) -> RemovedImage? {
        let owner = try layers.owner.number()
        return try layers.catalog.write(
            "remove image \(reference)", layers.catalog.resultSynchronization
        ) {
            connection in
            let (queries, changes) = (ImageQueries(connection), ImageChanges(connection))
            let image = try ImageRecords.found(try queries.image(id), reference)
            let name = try queries.wholeName(reference, of: id)
            if image.names.count > 1 {
                guard let name else {
                    throw DriverError(
                        .layerInUse,
                        "image \(id.prefix(12)) has several names, remove it by them: "
                            + image.names.joined(separator: ", "))
                }
                try changes.removeName(name)
                try changes.touch(id, at: .now)
                return RemovedImage(image: image, untagged: name, layers: [])
            }
            let layers = try Self.layersOnly(of: id, connection)
            if !layers.allSatisfy({ unused.contains($0.number) }) { return nil }
            try changes.delete(id)
            for record in layers {
                try CatalogWriter(connection).beginRemoval(of: record.number, owner: owner)
            }
            return RemovedImage(image: image, untagged: nil, layers: layers.map(\.layer))
        }
    }

    /// Removes the blobs that were kept of an image; what fails is left to the next collection.
    private func forgetBlobs(of image: StoredImage) {
        do throws(DriverError) {
            let digests = image.manifests.flatMap { $0.layers.map(\.digest) }
            try blobs.removeUnnamed(among: Set(digests))
        } catch {
            layers.log.warn("could not remove the blobs of an image that was removed", nil, error)
        }
    }

    /// Takes the layers' bytes away; what fails is left to the next recovery.
    private func finishRemoval(of removed: [Layer]) {
        let gone = removed.map(\.number).filter { number in
            do throws(DriverError) {
                try layers.space.withReserve { () throws(DriverError) in
                    try layers.driver.remove(number)
                }
                return true
            } catch {
                layers.log.warn(
                    "could not remove a layer of an image that was removed", number, error)
                layers.pending.disown(number)
                return false
            }
        }
        layers.finishRemoval(gone)
    }
}
