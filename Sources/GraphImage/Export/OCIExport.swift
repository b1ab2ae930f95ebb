// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphStore
import GraphSystem

/// An image in the index of a layout.
struct IndexEntry {
    let manifest: WrittenBlob
    let names: [String]

    /// The descriptors of it, one for each name.
    var descriptors: [JSONValue] {
        let plain: [String: JSONValue] = [
            "mediaType": .string(MediaType.ociManifest),
            "digest": .string(manifest.digest.description),
            "size": JSONValue(manifest.bytes),
        ]
        if names.isEmpty { return [.object(plain)] }
        return names.map { name in
            var named = plain
            named["annotations"] = .object([OCILayout.nameKey: .string(name)])
            return .object(named)
        }
    }
}

/// Writes images as an OCI layout.
struct OCIExport {
    private let store: LayerStore
    private let place: any ExportPlace
    private let options: ExportOptions
    private let observer: WorkObserver

    init(
        _ store: LayerStore, _ place: any ExportPlace, _ options: ExportOptions,
        _ observer: WorkObserver
    ) {
        (self.store, self.place, self.options) = (store, place, options)
        self.observer = observer
    }

    func write(_ images: [ExportedImage]) throws(DriverError) -> [WrittenImage] {
        var entries: [IndexEntry] = []
        var written: [WrittenImage] = []
        var blobs: [WrittenLayer.Key: WrittenLayer] = [:]
        for image in images {
            var layers: [WrittenLayer] = []
            for (index, layer) in image.layers.enumerated() {
                let came = image.manifest?.description.layers
                let blob = came?.count == image.layers.count ? came?[index] : nil
                let key = WrittenLayer.Key(
                    number: layer.number, compression: compression(of: blob),
                    came: blob?.digest)
                let done =
                    if let known = blobs[key] { known } else { try write(layer, key, blob) }
                blobs[key] = done
                layers.append(done)
            }
            let configuration = try put(image.configuration)
            let manifest = try self.manifest(of: image, configuration, layers)
            let blob = try put(manifest.bytes, manifest.digest)
            entries.append(IndexEntry(manifest: blob, names: image.names))
            written.append(
                WrittenImage(
                    id: Digest.of(image.configuration), names: image.names,
                    manifest: blob.digest.description,
                    replacedManifest: manifest.change == nil
                        ? nil : image.manifest?.description.digest,
                    manifestChange: manifest.change))
        }
        try place.finish(entries)
        return written
    }

    /// How a layer is compressed: as asked for, else as it came.
    private func compression(of blob: StoredBlob?) -> Compression {
        let came = blob?.compression ?? .gzip
        return options.compression ?? (Compression.written.contains(came) ? came : .gzip)
    }

    private func write(
        _ layer: Layer, _ key: WrittenLayer.Key, _ came: StoredBlob?
    ) throws(DriverError) -> WrittenLayer {
        if let came, (options.compression ?? came.compression) == came.compression,
            let kept = try store.images.keptBlob(came.digest)
        {
            let blob = try put(kept, came)
            return WrittenLayer(blob: blob, compression: key.compression, isAsItCame: true)
        }
        let blob = try place.put(
            blob: { (sink) throws(DriverError) in
                try layer.write(
                    from: store, to: Compressor(sink, key.compression), observer)
            }, expecting: came.flatMap { BlobDigest(parsing: $0.digest) })
        return WrittenLayer(
            blob: blob, compression: key.compression,
            isAsItCame: blob.digest.description == came?.digest)
    }

    /// Writes a layer that was kept as it came.
    private func put(
        _ kept: consuming OwnedDescriptor, _ came: StoredBlob
    ) throws(DriverError) -> WrittenBlob {
        let source = FileSource(kept)
        let blob = try place.put(
            blob: { (sink) throws(DriverError) in
                var buffer = [UInt8](repeating: 0, count: 1 << 18)
                while true {
                    let count = try attempting(
                        archive: "read the blob \(came.digest)", try source.read(into: &buffer))
                    if count == 0 { break }
                    try attempting(
                        archive: "write the image",
                        try sink.write(buffer.span.extracting(0..<count)))
                    try attempting(archive: "write the image", try observer.requireGoOn())
                }
                try attempting(archive: "write the image", try sink.finish())
            }, expecting: BlobDigest(parsing: came.digest))
        guard blob.digest.description == came.digest else {
            throw DriverError(
                .digestMismatch, "the blob \(came.digest) was kept, and has \(blob.digest) now")
        }
        return blob
    }

    private func put(
        _ bytes: [UInt8], _ expected: BlobDigest? = nil
    ) throws(DriverError) -> WrittenBlob {
        try place.put(
            blob: { (sink) throws(DriverError) in
                try attempting(archive: "write the image", try sink.write(bytes.span))
                try attempting(archive: "write the image", try sink.finish())
            }, expecting: expected)
    }

    // MARK: The manifest

    /// The manifest that came, where it still fits; else one that says what was written.
    ///
    /// It is OCI's always: programs look for no name of another one in a layout.
    private func manifest(
        of image: ExportedImage, _ configuration: WrittenBlob, _ layers: [WrittenLayer]
    ) throws(DriverError) -> (bytes: [UInt8], digest: BlobDigest?, change: ManifestChange?) {
        let change = Self.change(of: image.manifest, configuration, layers)
        if change == nil, let came = image.manifest {
            return (came.document, BlobDigest(parsing: came.description.digest), nil)
        }
        var members = image.manifest.flatMap { JSONValue(document: $0.document)?.members } ?? [:]
        let said = members["layers"]?.elements ?? []
        members["schemaVersion"] = 2
        members["mediaType"] = .string(MediaType.ociManifest)
        members["config"] = [
            "mediaType": .string(Self.configurationType(image.manifest?.description)),
            "digest": .string(configuration.digest.description),
            "size": JSONValue(configuration.bytes),
        ]
        members["layers"] = .array(
            layers.enumerated().map { index, layer in
                layer.descriptor(of: said.count == layers.count ? said[index] : [:])
            })
        return (try JSONValue.object(members).document(), nil, change)
    }

    /// Why the manifest that came is not the one that is written; nil where it is, and where none came.
    private static func change(
        of came: (description: StoredManifest, document: [UInt8])?, _ configuration: WrittenBlob,
        _ layers: [WrittenLayer]
    ) -> ManifestChange? {
        guard let came else { return nil }
        if !layers.allSatisfy(\.isAsItCame) { return .compression }
        if came.description.mediaType == MediaType.dockerManifest { return .mediaTypes }
        let text = String(decoding: came.document, as: UTF8.self)
        return text.contains(configuration.digest.description) ? nil : .algorithm
    }

    private static func configurationType(_ came: StoredManifest?) -> String {
        let type = came?.configurationType ?? ""
        let isOCI = came?.mediaType == MediaType.ociManifest && !type.isEmpty
        return isOCI ? type : MediaType.ociConfiguration
    }
}

/// A layer as it was written.
private struct WrittenLayer {
    /// What tells layers of an export apart.
    struct Key: Hashable {
        let number: LayerNumber
        let compression: Compression
        /// The blob that it would best be.
        let came: String?
    }

    let blob: WrittenBlob
    let compression: Compression
    let isAsItCame: Bool

    /// What a manifest says of it: all that the one said with which it came, but what changed.
    func descriptor(of came: JSONValue) -> JSONValue {
        var descriptor = came.members ?? [:]
        if isAsItCame {
            descriptor["mediaType"] = .string(MediaType.ociLayer(came["mediaType"]?.text ?? ""))
            return .object(descriptor)
        }
        for key in ["urls", "data"] { descriptor[key] = nil }
        let suffix = compression == .none ? "" : "+" + compression.rawValue
        descriptor["mediaType"] = .string(MediaType.ociLayer + suffix)
        descriptor["digest"] = .string(blob.digest.description)
        descriptor["size"] = JSONValue(blob.bytes)
        return .object(descriptor)
    }
}

extension Layer {
    /// Writes its tar, which has to be the one that is recorded.
    func write(
        from store: LayerStore, to sink: any ByteSink, _ observer: WorkObserver
    ) throws(DriverError) {
        let written = try store.writeDiff(of: id, to: sink, observer: observer)
        if written.digest != diffID {
            throw DriverError(
                .digestMismatch,
                "layer \(id) has the digest \(written.digest), and not that of its record")
        }
    }
}
