// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphStore
import Synchronization

/// Brings an image and its layers into a store, and verifies all digests.
///
/// Layers that the store has are not read, and an image that it has gets the names that it lacks. When it fails, the layers that it added and that nothing
/// uses by then are removed again.
///
/// - Parameters:
///   - source: Holds the image.
///   - name: Chooses the image where the source holds several, and becomes its name; nil for the
///     only one, with the names that it has there.
///   - platform: Chooses among images of one name for several platforms.
///   - store: Takes the layers.
///   - keepsBlobs: Whether to keep the layers also as they came, compressed, so that an export has the
///     manifest that came: about as much space again as they had in the source.
///   - observer: Hears how many bytes of the image have been read, and may stop the import.
/// - Returns: The image as it is recorded, and what the time went into.
/// - Throws: What ``ImageSource/image(named:for:)`` and the store throw;
///   ``DriverError/Code/digestMismatch`` for a blob with other bytes than its digest says.
public func importImage(
    _ source: ImageSource, name: String? = nil, for platform: Platform = .host,
    into store: LayerStore, keepsBlobs: Bool = false, observer: WorkObserver = .none
) throws(DriverError) -> ImportedImage {
    let image = try source.image(named: name, for: platform)
    let names = name.map { [$0] } ?? image.names
    for given in names where given.utf8.count > ImageName.bytesMax {
        throw DriverError(
            name == nil ? .invalidArchive : .invalidArgument,
            "the image's name has \(given.utf8.count) bytes, and at most \(ImageName.bytesMax) "
                + "are taken; --name gives it another one")
    }
    let work = ImageImport(
        image: image, files: source.files, names: names, store: store, keepsBlobs: keepsBlobs,
        observer: observer)
    // Somebody else's failed import may take back a layer that this one has found: look again.
    for _ in 0..<8 {
        do throws(DriverError) {
            return try work.run()
        } catch  where error.code == .layerNotFound {
            continue
        }
    }
    return try work.run()
}

/// An image that is in a store.
public struct ImportedImage: Hashable, Sendable {
    /// The image's record.
    public let image: StoredImage
    /// The topmost of its layers; nil for an image without layers.
    public let top: Layer?
    /// Whether the store had all of it, its names apart.
    public let wasPresent: Bool
    /// Of all layers that were read.
    public let timings: WorkTimings
    /// What is not in its layers as their archives say, of those that were unpacked.
    public let warnings: [LayerWarning]
}

/// One pass over an image's layers.
private struct ImageImport {
    let image: Image
    let files: ImageFiles
    let names: [String]
    let store: LayerStore
    let keepsBlobs: Bool
    let observer: WorkObserver

    func run() throws(DriverError) -> ImportedImage {
        let (found, missing) = try topmostFound()
        var applied: [AppliedLayer] = []
        if missing > 0 {
            applied = try store.apply(
                chain: try chain(of: image.layers.suffix(missing)), parent: found?.id,
                // The store's own reports count the bytes of one layer; these count those of the
                // image.
                observer: WorkObserver(isCancelled: { [observer] in observer.isCancelled }))
        }
        let top = applied.last?.layer ?? found
        do throws(DriverError) {
            let (stored, wasPresent) = try store.images.record(newImage(), over: top?.id)
            if keepsBlobs { try keepBlobs(stored, wasPresent: wasPresent) }
            return ImportedImage(
                image: stored, top: top, wasPresent: wasPresent && missing == 0,
                timings: applied.reduce(into: WorkTimings()) { $0 += $1.timings },
                warnings: LayerWarning.joined(applied.map(\.warnings)))
        } catch {
            takeBack(applied)
            throw error
        }
    }

    /// Keeps the compressed layers; takes the image back where that fails.
    ///
    /// They are named by the record by then, so that no collection takes them away.
    private func keepBlobs(_ stored: StoredImage, wasPresent: Bool) throws(DriverError) {
        do throws(DriverError) {
            for layer in image.layers {
                guard let digest = layer.blobDigest,
                    try layer.compression(in: files) != Compression.none
                else { continue }
                let range = try layer.range(in: files)
                try store.images.keepBlob(digest.description) { (sink) throws(DriverError) in
                    try attempting(
                        archive: "keep the blob \(digest)",
                        try copy(BlobSource(range, expected: digest) { _ in }, to: sink))
                }
            }
        } catch {
            if !wasPresent {
                for name in stored.names.dropFirst() { _ = try? store.images.untag(name) }
                _ = try? store.images.remove(stored.id.hex)
            }
            throw error
        }
    }

    private func copy(
        _ source: BlobSource, to sink: any ByteSink
    ) throws(ArchiveError) {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            try observer.requireGoOn()
            let count = try source.read(into: &buffer)
            if count == 0 { return try sink.finish() }
            try sink.write(buffer.span.extracting(0..<count))
        }
    }

    /// Removes the layers that were added, the topmost first, unless somebody uses them by now.
    private func takeBack(_ applied: [AppliedLayer]) {
        for added in applied.reversed() where !added.wasPresent {
            guard (try? store.remove(added.layer.id)) != nil else { return }
        }
        _ = try? store.reclaim()
    }

    private func newImage() throws(DriverError) -> NewImage {
        var new = NewImage(
            configuration: image.configuration, system: image.platform.os,
            architecture: image.platform.architecture, variant: image.platform.variant,
            names: names)
        guard let manifest = image.manifest else { return new }
        var blobs: [StoredBlob] = []
        for layer in image.layers {
            guard let digest = layer.blobDigest, let bytes = layer.blobBytes else { continue }
            blobs.append(
                StoredBlob(
                    diffID: layer.diffID, digest: digest.description, bytes: bytes,
                    mediaType: layer.mediaType, compression: try layer.compression(in: files)))
        }
        new.manifest = (
            StoredManifest(
                digest: manifest.digest.description, mediaType: manifest.mediaType,
                configurationType: manifest.configurationType, layers: blobs),
            manifest.document
        )
        return new
    }

    /// The topmost layer that the store has, and how many are above it.
    ///
    /// A layer's parents are in the store when it is, so this is all to look for.
    private func topmostFound() throws(DriverError) -> (layer: Layer?, missing: Int) {
        var chainIDs: [Digest] = []
        for layer in image.layers {
            chainIDs.append(Digest.chain(parent: chainIDs.last, diff: layer.diffID))
        }
        for (missing, chainID) in chainIDs.reversed().enumerated() {
            if let found = try store.findCommitted(chainID: chainID) { return (found, missing) }
        }
        return (nil, chainIDs.count)
    }

    /// What the store is to apply; says what the image lacks before anything is unpacked.
    private func chain(
        of layers: ArraySlice<ImageLayer>
    ) throws(DriverError) -> [ChainLayer] {
        var ranges: [FileRange] = []
        for layer in layers { ranges.append(try layer.range(in: files)) }
        let progress = ImportProgress(
            totalBytes: ranges.reduce(0) { $0 + $1.count }, observer: observer)
        return zip(layers, ranges).map { layer, range in
            ChainLayer(diffID: layer.diffID) { () throws(DriverError) in
                BlobSource(range, expected: layer.blobDigest) { count throws(ArchiveError) in
                    try progress.add(count)
                }
            }
        }
    }
}

/// Counts the bytes that are read of all layers.
private final class ImportProgress: Sendable {
    private let completedBytes = Atomic<UInt64>(0)
    private let totalBytes: UInt64
    private let observer: WorkObserver

    init(totalBytes: UInt64, observer: WorkObserver) {
        (self.totalBytes, self.observer) = (totalBytes, observer)
    }

    func add(_ count: Int) throws(ArchiveError) {
        let completed = completedBytes.add(UInt64(count), ordering: .relaxed).newValue
        // A layer that was begun anew was counted twice.
        try observer.report(
            WorkProgress(
                phase: "importing", completedBytes: min(completed, totalBytes),
                totalBytes: totalBytes))
    }
}
