// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphStore
import Synchronization

/// Labels that an import puts on an image's top layer.
public enum ImageLabel {
    /// The image's name.
    public static let name = "org.opencontainers.image.ref.name"
    /// Bytes of the longest name: twice what registries take of one with a digest.
    public static let nameBytesMax = 1_024
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
    let given = name ?? image.name
    if let given, given.utf8.count > ImageLabel.nameBytesMax {
        throw DriverError(
            name == nil ? .invalidArchive : .invalidArgument,
            "the image's name has \(given.utf8.count) bytes, and at most "
                + "\(ImageLabel.nameBytesMax) are taken; --name gives it another one")
    }
    var labels = [ImageLabel.configuration: image.configurationDigest.description]
    labels[ImageLabel.manifest] = image.manifestDigest?.description
    labels[ImageLabel.name] = given
    let work = ImageImport(
        image: image, files: source.files, labels: labels, store: store, observer: observer)
    // Somebody else's failed import may take back a layer that this one has found: look again.
    for _ in 0..<3 {
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
    /// The topmost of its layers.
    public let top: Layer
    /// Of all layers that were read.
    public let timings: WorkTimings
    /// What is not in its layers as their archives say, of those that were unpacked.
    public let warnings: [LayerWarning]
}

/// One pass over an image's layers.
private struct ImageImport {
    let image: Image
    let files: ImageFiles
    let labels: [String: String]
    let store: LayerStore
    let observer: WorkObserver

    func run() throws(DriverError) -> ImportedImage {
        let (found, missing) = try topmostFound()
        var timings = WorkTimings()
        var warnings: [LayerWarning] = []
        var top = found
        if missing > 0 {
            let applied = try store.apply(
                chain: try chain(of: image.layers.suffix(missing)), parent: found?.id,
                // The store's own reports count the bytes of one layer; these count those of the
                // image.
                observer: WorkObserver(isCancelled: { [observer] in observer.isCancelled }))
            for layer in applied { timings += layer.timings }
            warnings = LayerWarning.joined(applied.map(\.warnings))
            top = applied.last?.layer
        }
        guard let top else { preconditionFailure("an image with layers has a top one") }
        let wanted = labels.filter { top.labels[$0.key] != $0.value }
        if wanted.isEmpty {
            return ImportedImage(top: top, timings: timings, warnings: warnings)
        }
        let labelled = try store.setLabels(of: top.id, wanted.mapValues { Optional($0) })
        return ImportedImage(top: labelled, timings: timings, warnings: warnings)
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
        return zip(layers, ranges).enumerated().map { index, pair in
            let (layer, range) = pair
            return ChainLayer(
                diffID: layer.diffID, labels: index == layers.count - 1 ? labels : [:]
            ) { () throws(DriverError) in
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
