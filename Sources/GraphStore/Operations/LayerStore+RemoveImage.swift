// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
public import GraphCore
import GraphSQLite
import GraphSystem

extension LayerStore {
    /// Removes an image, and the layers that only it used.
    ///
    /// An image that is given by one of several names loses that name and is kept. A layer stays that has
    /// other children, an id of its own or labels, or that is another image's topmost: somebody put it there
    /// for its own sake.
    ///
    /// The image goes in the transaction that records the intent to remove its layers, so that none is
    /// left over whenever the process dies.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/imageNotFound``;
    ///   ``GraphCore/DriverError/Code/layerInUse`` for an image that is given by its id and has several
    ///   names, and for one whose layers somebody uses without the store's knowledge.
    @discardableResult
    public func removeImage(_ reference: String) throws(DriverError) -> RemovedImage {
        try checkWritable("remove image \(reference)")
        bed?.giveWay()
        return try withReserve { () throws(DriverError) in
            let (id, chain) = try chain(ofImage: reference)
            return try withLocks(on: chain[...]) { () throws(DriverError) in
                let removed = try removeLocked(reference, id)
                for layer in removed.layers { finishRemovalOfImage(layer) }
                if removed.untagged == nil { forgetBlobs(of: removed.image) }
                return removed
            }
        }
    }

    /// The image that is meant, and the numbers of its layers, the topmost first.
    private func chain(
        ofImage reference: String
    ) throws(DriverError) -> (id: String, layers: [LayerNumber]) {
        try database.consistent("look for image \(reference)") { connection in
            let queries = ImageQueries(connection)
            let id = try queries.id(reference)
            guard let top = try queries.top(of: id) else { return (id, []) }
            return (id, try [top] + LayerQueries(connection).parents(of: top))
        }
    }

    /// Locks layers one after the other, the topmost first as everybody does.
    private func withLocks<Value>(
        on numbers: ArraySlice<LayerNumber>, _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        guard let first = numbers.first else { return try body() }
        return try withLock(on: first) { () throws(DriverError) in
            try withLocks(on: numbers.dropFirst(), body)
        }
    }

    /// Begins the removal; the caller holds the locks of all layers.
    private func removeLocked(
        _ reference: String, _ id: String
    ) throws(DriverError) -> RemovedImage {
        var unused: Set<LayerNumber> = []
        while true {
            let records = try database.consistent("look for image \(reference)") {
                try Self.layersOnly(of: id, $0)
            }
            for record in records where unused.insert(record.number).inserted {
                try refuseUsed(record, before: .removing)
            }
            // Meanwhile the last user of one more layer may have gone.
            if let removed = try beginRemoval(reference, id, unused) { return removed }
        }
    }

    /// The layers that only an image uses, the topmost first.
    private static func layersOnly(
        of id: String, _ connection: Database
    ) throws -> [LayerRecord] {
        let (layers, images) = (LayerQueries(connection), ImageQueries(connection))
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
        let owner = try owner()
        return try database.write("remove image \(reference)", resultSynchronization) {
            connection in
            let (queries, changes) = (ImageQueries(connection), ImageChanges(connection))
            let image = try Self.found(try queries.image(id), reference)
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
                try LayerChanges(connection).beginRemoval(of: record.number, owner: owner)
            }
            return RemovedImage(image: image, untagged: nil, layers: layers.map(\.layer))
        }
    }

    /// Removes the blobs that were kept of an image; what fails is left to the next collection.
    private func forgetBlobs(of image: StoredImage) {
        do throws(DriverError) {
            let digests = image.manifests.flatMap { $0.layers.map(\.digest) }
            try removeUnnamedBlobs(among: Set(digests))
        } catch {
            warn("could not remove the blobs of an image that was removed", nil, error)
        }
    }

    /// Takes a layer's bytes away; what fails is left to the next recovery.
    private func finishRemovalOfImage(_ layer: Layer) {
        do throws(DriverError) {
            try withReserve { () throws(DriverError) in try driver.remove(layer.number) }
            finishRemoval(layer.number)
        } catch {
            warn("could not remove a layer of an image that was removed", layer.number, error)
            release(layer.number)
        }
    }
}
