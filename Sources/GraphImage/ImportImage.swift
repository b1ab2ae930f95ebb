// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphStore

/// Labels that an import puts on an image's top layer.
public enum ImageLabel {
    /// The image's name.
    public static let name = "org.opencontainers.image.ref.name"
    /// Digest of the OCI manifest, when there is one.
    public static let manifest = "graph.image.manifest"
    /// Digest of the image's configuration.
    public static let configuration = "graph.image.config"
}

/// Brings an image's layers into a store, and verifies all digests.
///
/// Layers that the store has are not read. When it fails, the layers that it added and that nothing
/// uses by then are removed again.
///
/// - Parameters:
///   - source: Holds the image.
///   - name: Chooses the image where the source holds several, and becomes its name; nil for the
///     only one, with the name that it has there.
///   - platform: Chooses among images of one name for several platforms.
///   - store: Takes the layers.
///   - observer: Hears how many bytes of the image have been read, and may stop the import.
/// - Returns: The top layer, with the labels of ``ImageLabel``, and what the time went into.
/// - Throws: What ``ImageSource/image(named:for:)`` and the store throw;
///   ``DriverError/Code/digestMismatch`` for a blob with other bytes than its digest says.
public func importImage(
    _ source: ImageSource, name: String? = nil, for platform: Platform = .host,
    into store: LayerStore, observer: WorkObserver = .none
) throws(DriverError) -> ImportedImage {
    let image = try source.image(named: name, for: platform)
    guard !image.layers.isEmpty else {
        throw DriverError(.unsupported, "the image has no layers")
    }
    var labels = [ImageLabel.configuration: image.configurationDigest.description]
    labels[ImageLabel.manifest] = image.manifestDigest?.description
    labels[ImageLabel.name] = name ?? image.name
    // Somebody else's failed import may take back a layer that this one has found: look again.
    for _ in 0..<3 {
        let work = ImageImport(image, files: source.files, labels: labels, store, observer)
        do throws(DriverError) {
            return try work.run()
        } catch  where error.code == .layerNotFound {
            continue
        }
    }
    return try ImageImport(image, files: source.files, labels: labels, store, observer).run()
}

/// An image that is in a store.
public struct ImportedImage: Hashable, Sendable {
    /// The topmost of its layers.
    public let top: Layer
    /// Of all layers that were read.
    public let timings: WorkTimings
}

/// One pass over an image's layers.
private final class ImageImport {
    private let image: Image
    private let files: ImageFiles
    private let labels: [String: String]
    private let store: LayerStore
    private let observer: WorkObserver
    private var added: [Layer] = []
    private var completedBytes: UInt64 = 0
    private var totalBytes: UInt64 = 0
    private var timings = WorkTimings()

    init(
        _ image: Image, files: ImageFiles, labels: [String: String], _ store: LayerStore,
        _ observer: WorkObserver
    ) {
        (self.image, self.files, self.labels) = (image, files, labels)
        (self.store, self.observer) = (store, observer)
    }

    func run() throws(DriverError) -> ImportedImage {
        do throws(DriverError) {
            return ImportedImage(top: try applyChain(), timings: timings)
        } catch {
            takeBack()
            throw error
        }
    }

    private func applyChain() throws(DriverError) -> Layer {
        var chainIDs: [Digest] = []
        for layer in image.layers {
            chainIDs.append(Digest.chain(parent: chainIDs.last, diff: layer.diffID))
        }
        // A layer's parents are in the store when it is, so the topmost found is all to look for.
        var top: Layer?
        var missing = image.layers.count
        while missing > 0 {
            top = try store.findCommitted(chainID: chainIDs[missing - 1])
            if top != nil { break }
            missing -= 1
        }
        let rest = image.layers[missing...]
        // Says what is missing before anything is unpacked.
        for layer in rest { totalBytes += try layer.range(in: files).count }
        for (index, layer) in zip(rest.indices, rest) {
            let isLast = index == image.layers.count - 1
            top = try apply(layer, above: top, labels: isLast ? labels : [:])
        }
        guard let top else { preconditionFailure("an image with layers has a top one") }
        let wanted = labels.filter { top.labels[$0.key] != $0.value }
        if wanted.isEmpty { return top }
        return try store.setLabels(of: top.id, wanted.mapValues { Optional($0) })
    }

    private func apply(
        _ layer: ImageLayer, above parent: Layer?, labels: [String: String]
    ) throws(DriverError) -> Layer {
        let blob = BlobSource(try layer.range(in: files), expected: layer.blobDigest) {
            [self] count throws(ArchiveError) in
            completedBytes += UInt64(count)
            try observer.report(progress)
        }
        let watcher = observer
        // The store's own reports count the bytes of one layer; these count those of the image.
        let stopper = WorkObserver(isCancelled: { watcher.isCancelled })
        let applied: AppliedLayer
        do throws(DriverError) {
            applied = try store.apply(
                blob, parent: parent?.id, diffID: layer.diffID, labels: labels, observer: stopper)
        } catch  where error.code == .invalidArchive {
            // Damaged bytes break the archive in them mostly before their end is reached. That they
            // are not the bytes that were meant says more.
            try attempting(archive: "unpack layer \(layer.diffID)", try blob.drain())
            throw error
        }
        if !applied.wasPresent { added.append(applied.layer) }
        timings += applied.timings
        return applied.layer
    }

    private var progress: WorkProgress {
        WorkProgress(
            phase: "importing", completedBytes: completedBytes, totalBytes: totalBytes)
    }

    /// Removes the layers that this import added, the topmost first, as far as nothing uses them.
    private func takeBack() {
        do throws(DriverError) {
            while let layer = added.popLast() { _ = try store.remove(layer.id) }
        } catch {
            // Somebody has built on it by now, or it is gone: what lies below it stays.
        }
        // With what the failed layer itself had unpacked.
        _ = try? store.reclaim(observer: .none)
    }
}
