// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
public import GraphCore
public import GraphStore
public import GraphSystem

/// An image that is to be written: an image of the store, or a container's layer over one.
public struct ExportedImage: Sendable {
    /// What it is to be called there.
    public var names: [String]
    let configuration: [UInt8]
    /// The base first.
    let layers: [Layer]
    /// The manifest that it came with, and its bytes.
    let manifest: (description: StoredManifest, document: [UInt8])?

    /// Takes an image of a store.
    ///
    /// - Parameters:
    ///   - reference: A name of the image, which it is to have there; its id or a manifest's digest, with
    ///     which it has all its names.
    ///   - store: Has the image.
    /// - Throws: ``DriverError/Code/imageNotFound``; ``DriverError/Code/unsupported`` for an image from
    ///   before images were recorded.
    public init(_ reference: String, of store: LayerStore) throws(DriverError) {
        let image = try store.images.find(reference)
        let named = image.names.filter { ImageSource.matches($0, reference) }
        names = named.contains(reference) ? [reference] : named.isEmpty ? image.names : named
        configuration = try store.images.configuration(of: image)
        layers = if let top = image.top { try store.chain(of: top).reversed() } else { [] }
        let content = try ConfigurationContent(configuration, named: image.id.description)
        guard content.diffIDs == layers.compactMap(\.diffID) else {
            throw DriverError(
                .storeDamaged, "the layers of image \(reference) are not those of its configuration"
            )
        }
        if let found = try store.images.manifest(of: image, as: names.first ?? reference),
            let document = try store.images.manifestDocument(found.digest)
        {
            manifest = (found, document)
        } else {
            manifest = nil
        }
    }

    /// Takes a committed layer over an image of a store: the image's configuration, to which the layers
    /// above it are added.
    ///
    /// - Parameters:
    ///   - reference: The committed layer.
    ///   - base: The image that it is over; nil for the nearest below it, or for none where there is none.
    ///   - store: Has both.
    ///   - time: When it was made, as its configuration is to say; nil for when the layer was committed.
    /// - Throws: ``DriverError/Code/wrongKind`` for a layer that is not committed,
    ///   ``DriverError/Code/invalidArgument`` when the image is not below it, or several are.
    public init(
        layer reference: String, over base: String? = nil, of store: LayerStore,
        time: Timestamp? = nil
    ) throws(DriverError) {
        let layer = try store.layer(reference)
        guard layer.kind == .committed else {
            throw DriverError(
                .wrongKind,
                "layer \(layer.id) is \(layer.kind.rawValue): only a committed layer is exported")
        }
        let chain = try store.chain(of: layer.id)
        let image: StoredImage? =
            if let base { try store.images.find(base) } else { try Self.nearestImage(chain, store) }
        let added = chain.prefix { $0.id != image?.top }.reversed()
        if let image, let top = image.top, added.count == chain.count {
            throw DriverError(
                .invalidArgument, "layer \(layer.id) is not over layer \(top), that of the image")
        }
        var new = ContainerConfiguration(
            try image.map { (image) throws(DriverError) in try store.images.configuration(of: image)
            })
        for layer in added {
            guard let diffID = layer.diffID else {
                throw DriverError(
                    .unsupported,
                    "layer \(layer.id) has names that begin with .wh., which no layer tar can hold")
            }
            new.add(diffID, named: layer.id, at: time ?? layer.updated)
        }
        configuration = try new.bytes()
        names = []
        layers = chain.reversed()
        manifest = nil
    }

    /// The image whose topmost layer is the first of a chain that is one.
    private static func nearestImage(
        _ chain: [Layer], _ store: LayerStore
    ) throws(DriverError) -> StoredImage? {
        for layer in chain {
            let images = try store.images.over(layer)
            if images.isEmpty { continue }
            guard images.count == 1 else {
                throw ImageSource.choiceError(
                    nil, among: images.map { $0.names.first ?? $0.id.hex })
            }
            return images[0]
        }
        return nil
    }
}
