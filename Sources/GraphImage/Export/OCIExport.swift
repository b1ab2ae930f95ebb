// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphStore
import GraphSystem

/// An image in the index of a layout.
struct IndexEntry {
    let mediaType: String
    let manifest: WrittenBlob
    let names: [String]

    /// The descriptors of it, one for each name.
    var descriptors: [JSONValue] {
        let plain: [String: JSONValue] = [
            "mediaType": .string(mediaType), "digest": .string(manifest.digest.description),
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
            entries.append(
                IndexEntry(mediaType: manifest.type, manifest: blob, names: image.names))
            let came = image.manifest?.description.digest
            written.append(
                WrittenImage(
                    id: Digest.of(image.configuration), names: image.names,
                    manifest: blob.digest.description,
                    replacedManifest: came == blob.digest.description ? nil : came))
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
            let kept = try store.keptBlob(came.digest)
        {
            let blob = try put(kept, came)
            return WrittenLayer(blob: blob, compression: key.compression, isAsItCame: true)
        }
        let blob = try place.put(
            blob: { (sink) throws(DriverError) in
                try store.writeLayer(layer, to: Compressor(sink, key.compression), observer)
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
    private func manifest(
        of image: ExportedImage, _ configuration: WrittenBlob, _ layers: [WrittenLayer]
    ) throws(DriverError) -> (bytes: [UInt8], digest: BlobDigest?, type: String) {
        let came = image.manifest
        let type = came?.description.mediaType ?? MediaType.ociManifest
        // A configuration that the manifest names by sha512 is written by sha256.
        let text = came.map { String(decoding: $0.document, as: UTF8.self) } ?? ""
        let namesConfiguration = text.contains(configuration.digest.description)
        if let came, namesConfiguration, layers.allSatisfy(\.isAsItCame) {
            return (came.document, BlobDigest(parsing: came.description.digest), type)
        }
        var members = came.flatMap { JSONValue(document: $0.document)?.members } ?? [:]
        let said = members["layers"]?.elements ?? []
        members["schemaVersion"] = 2
        members["mediaType"] = .string(type)
        members["config"] = [
            "mediaType": .string(Self.configurationType(came?.description)),
            "digest": .string(configuration.digest.description),
            "size": JSONValue(configuration.bytes),
        ]
        members["layers"] = .array(
            layers.enumerated().map { index, layer in
                let own = said.count == layers.count ? said[index] : [:]
                return layer.isAsItCame ? own : layer.descriptor(of: own, in: type)
            })
        return (try JSONValue.object(members).document(), nil, type)
    }

    private static func configurationType(_ came: StoredManifest?) -> String {
        let type = came?.configurationType ?? ""
        return type.isEmpty ? MediaType.ociConfiguration : type
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

    /// What a manifest of a type says of it: all that the one said with which it came, but what changed.
    func descriptor(of came: JSONValue, in manifestType: String) -> JSONValue {
        var descriptor = came.members ?? [:]
        for key in ["urls", "data"] { descriptor[key] = nil }
        let isDocker = manifestType == MediaType.dockerManifest
        let base = isDocker ? MediaType.dockerLayer : MediaType.ociLayer
        descriptor["mediaType"] = .string(
            compression == .none ? base : base + (isDocker ? "." : "+") + compression.rawValue)
        descriptor["digest"] = .string(blob.digest.description)
        descriptor["size"] = JSONValue(blob.bytes)
        return .object(descriptor)
    }
}

extension LayerStore {
    /// Writes the tar of a layer, which has to be the one that is recorded.
    func writeLayer(
        _ layer: Layer, to sink: any ByteSink, _ observer: WorkObserver
    ) throws(DriverError) {
        let written = try writeDiff(of: layer.id, to: sink, observer: observer)
        if written.digest != layer.diffID {
            throw DriverError(
                .digestMismatch,
                "layer \(layer.id) has the digest \(written.digest), and not that of its record")
        }
    }
}
