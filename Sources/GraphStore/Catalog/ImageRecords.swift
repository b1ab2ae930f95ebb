// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
public import GraphCore
import GraphSQLite
package import GraphSystem

/// The images of a store: names and documents over its layers.
public struct ImageRecords: Sendable {
    let catalog: Catalog
    let blobs: KeptBlobs
    let removal: RemoveImageOperation
    let access: WriteAccess
    let space: FreeSpaceGuard

    /// Lists the images, the oldest first.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/unsupported`` where a store from before images were
    ///   recorded is only read.
    public func all() throws(DriverError) -> [StoredImage] {
        try catalog.consistent("list the images") { connection in
            let queries = ImageQueries(connection)
            guard try queries.arePresent() else {
                throw DriverError(
                    .unsupported,
                    "the store was made before images were recorded: use it once where it can be "
                        + "written, and its images are")
            }
            return try queries.ids().compactMap { try queries.image($0) }
        }
    }

    /// Finds an image: by a name, with its registry and `:latest` or without, by its id or the start of
    /// it that no other image has, or by the digest of a manifest.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/imageNotFound``, or
    ///   ``GraphCore/DriverError/Code/invalidArgument`` when several may be meant.
    public func find(_ reference: String) throws(DriverError) -> StoredImage {
        try catalog.consistent("look for image \(reference)") { connection in
            let queries = ImageQueries(connection)
            return try Self.found(try queries.image(queries.id(reference)), reference)
        }
    }

    /// The images whose topmost layer a layer is, the oldest first.
    public func over(_ layer: Layer) throws(DriverError) -> [StoredImage] {
        try catalog.consistent("look for images over layer \(layer.id)") { connection in
            let queries = ImageQueries(connection)
            guard try queries.arePresent() else { return [] }
            return try queries.ids(over: layer.number).compactMap { try queries.image($0) }
        }
    }

    /// The bytes of an image's configuration, as they came.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/unsupported`` when the store has only its digest.
    public func configuration(of image: StoredImage) throws(DriverError) -> [UInt8] {
        let bytes = try catalog.consistent("read the configuration of image \(image.id)") {
            try ImageQueries($0).configuration(of: image.id.hex)
        }
        guard let bytes else {
            throw DriverError(
                .unsupported,
                "the store has only the digest of the configuration of image \(image.id), from before "
                    + "images were recorded: import it again")
        }
        guard Digest.of(bytes) == image.id else {
            throw DriverError(.storeDamaged, "the configuration of image \(image.id) was changed")
        }
        return bytes
    }

    /// The bytes of a manifest, as they came; nil where the store has only its digest.
    public func manifestDocument(_ digest: String) throws(DriverError) -> [UInt8]? {
        try catalog.consistent("read manifest \(digest)") {
            try ImageQueries($0).document(ofManifest: digest)
        }
    }

    /// The manifest that a reference to an image stands for: the one that was imported under that name,
    /// or whose digest it is, else the newest.
    public func manifest(
        of image: StoredImage, as reference: String
    ) throws(DriverError) -> StoredManifest? {
        let digest = try catalog.consistent("look for the manifest of \(reference)") {
            connection in
            let queries = ImageQueries(connection)
            let name = image.names.first { $0 == reference }
            return try name.flatMap { try queries.manifest(named: $0) } ?? reference
        }
        return image.manifests.first { $0.digest == digest } ?? image.manifests.first
    }

    /// Records an image over a layer, with its names, which other images lose.
    ///
    /// An image that is recorded gets what it lacks: a manifest, names, the configuration of one from
    /// before images were recorded.
    ///
    /// - Parameters:
    ///   - image: The image.
    ///   - top: The id of its topmost layer, which is committed; nil for an image without layers.
    /// - Returns: The image, and whether all but its names was recorded before.
    /// - Throws: ``GraphCore/DriverError/Code/layerNotFound`` when the layer is not there any more.
    @discardableResult
    public func record(
        _ image: NewImage, over top: String?
    ) throws(DriverError) -> (image: StoredImage, wasPresent: Bool) {
        try access.require("record an image")
        for name in image.names { try ImageName.check(name) }
        let id = image.id.hex
        return try catalog.write("record image \(id)", catalog.resultSynchronization) {
            connection in
            let (queries, changes) = (ImageQueries(connection), ImageChanges(connection))
            let number = try top.map { try Self.topmost($0, connection) }
            let known = try queries.image(id)
            var wasPresent = known?.hasConfiguration == true
            if let (manifest, _) = image.manifest {
                wasPresent = try queries.hasDocument(ofManifest: manifest.digest) && wasPresent
            }
            if !wasPresent { try changes.record(image, over: number, at: .now) }
            let manifest = image.manifest?.description.digest ?? known?.manifests.first?.digest
            for name in image.names { try changes.setName(name, of: id, manifest: manifest) }
            if wasPresent, !Set(image.names).isSubset(of: known?.names ?? []) {
                try changes.touch(id, at: .now)
            }
            return (try Self.found(try queries.image(id), id), wasPresent)
        }
    }

    private static func topmost(_ id: String, _ connection: Database) throws -> LayerNumber {
        guard let record = try CatalogReader(connection).layer(id: id), record.isVisible else {
            throw DriverError(.layerNotFound, "layer \(id) was removed meanwhile")
        }
        if record.layer.kind != .committed {
            throw DriverError(
                .wrongKind, "layer \(id) is \(record.layer.kind.described), and no image's layer")
        }
        return record.number
    }

    /// Adds a name to an image, and removes it from the image that had it.
    ///
    /// - Returns: The image with it.
    @discardableResult
    public func tag(_ reference: String, as name: String) throws(DriverError) -> StoredImage {
        try access.require("tag image \(reference)")
        try ImageName.check(name)
        return try catalog.write("tag image \(reference)", catalog.resultSynchronization) {
            connection in
            let (queries, changes) = (ImageQueries(connection), ImageChanges(connection))
            let id = try queries.id(reference)
            let image = try Self.found(try queries.image(id), reference)
            let manifest =
                try queries.manifest(named: reference)
                ?? image.manifests.first { $0.digest == reference }?.digest
                ?? image.manifests.first?.digest
            try changes.setName(name, of: id, manifest: manifest)
            try changes.touch(id, at: .now)
            return try Self.found(try queries.image(id), reference)
        }
    }

    /// Takes a name from its image, which stays, with no name when this was the last.
    ///
    /// - Returns: The image without it.
    @discardableResult
    public func untag(_ name: String) throws(DriverError) -> StoredImage {
        try access.require("untag \(name)")
        return try space.withReserve { () throws(DriverError) in try removeName(name) }
    }

    private func removeName(_ name: String) throws(DriverError) -> StoredImage {
        try catalog.write("untag \(name)", catalog.resultSynchronization) { connection in
            let (queries, changes) = (ImageQueries(connection), ImageChanges(connection))
            guard try queries.arePresent(), let id = try queries.id(named: name),
                let whole = try queries.wholeName(name, of: id)
            else { throw ImageQueries.notFound(name) }
            try changes.removeName(whole)
            try changes.touch(id, at: .now)
            return try Self.found(try queries.image(id), name)
        }
    }

    static func found(_ image: StoredImage?, _ reference: String) throws -> StoredImage {
        guard let image else { throw ImageQueries.notFound(reference) }
        return image
    }

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
    public func remove(_ reference: String) throws(DriverError) -> RemovedImage {
        try removal.removeImage(reference)
    }

    /// A layer as it came, compressed, where it was kept; nil where it was not.
    package func keptBlob(_ digest: String) throws(DriverError) -> OwnedDescriptor? {
        try blobs.open(digest)
    }

    /// Keeps a layer as it came, for as long as a manifest of an image names it; nothing where it is kept.
    ///
    /// - Parameters:
    ///   - digest: What a manifest that is recorded calls it.
    ///   - write: Writes and verifies it.
    /// - Throws: What `write` throws when it is not what it should be; then nothing is kept.
    package func keepBlob(
        _ digest: String, _ write: (any ByteSink) throws(DriverError) -> Void
    ) throws(DriverError) {
        try blobs.keep(digest, write)
    }
}
