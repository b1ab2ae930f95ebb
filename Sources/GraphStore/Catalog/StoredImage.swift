// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphSystem

/// An image as the store records it: names for a configuration, over a chain of layers.
///
/// Several images may be over one chain. What they are is told by their bytes, which the store keeps as
/// they came: ``LayerStore/configuration(of:)``, ``LayerStore/manifestDocument(_:)``.
public struct StoredImage: Hashable, Sendable {
    /// Digest of the configuration, which docker and podman call the image's id.
    public let id: Digest
    /// What it is called, sorted; may be empty.
    public let names: [String]
    /// The id of its topmost layer; nil for an image without layers.
    public let top: String?
    /// How many layers its chain has.
    public let layerCount: Int
    /// The space of its layers, those that other images have, too, among them.
    public let usage: LayerUsage
    /// What it runs on, as its configuration says it.
    public let system: String?
    /// `architecture` of the configuration, such as `amd64`.
    public let architecture: String?
    /// `variant` of the configuration, such as `v7`.
    public let variant: String?
    /// The newest first; none for an image that came without.
    public let manifests: [StoredManifest]
    /// Whether the store has its configuration; false for an image that was imported before images
    /// were recorded, until it is imported again.
    public let hasConfiguration: Bool
    /// When the record was made.
    public let created: Timestamp
    /// When the record last changed.
    public let updated: Timestamp
}

/// A manifest by which an image came.
public struct StoredManifest: Hashable, Sendable {
    /// `sha256:` or `sha512:` and digits of base 16.
    public let digest: String
    /// Nil where only the digest is known.
    public let mediaType: String?
    /// The media type of the configuration in it.
    public let configurationType: String?
    /// What it says of the layers, the base first.
    public let layers: [StoredBlob]

    /// Describes a manifest.
    public init(
        digest: String, mediaType: String?, configurationType: String?, layers: [StoredBlob]
    ) {
        (self.digest, self.mediaType) = (digest, mediaType)
        (self.configurationType, self.layers) = (configurationType, layers)
    }
}

/// A layer as a manifest has it.
public struct StoredBlob: Hashable, Sendable {
    /// Digest of the uncompressed tar.
    public let diffID: Digest
    /// Digest of the bytes as they came, mostly compressed: `sha256:` or `sha512:` and digits.
    public let digest: String
    /// Bytes as they came.
    public let bytes: UInt64
    /// The blob's media type as the manifest has it.
    public let mediaType: String
    /// Nil where nobody has looked.
    public let compression: Compression?

    /// Describes a layer.
    public init(
        diffID: Digest, digest: String, bytes: UInt64, mediaType: String,
        compression: Compression?
    ) {
        (self.diffID, self.digest, self.bytes) = (diffID, digest, bytes)
        (self.mediaType, self.compression) = (mediaType, compression)
    }
}

/// An image that is to be recorded.
public struct NewImage: Sendable {
    /// The configuration, whose sha256 is the image's id.
    public var configuration: [UInt8]
    /// `os` of the configuration.
    public var system: String?
    /// `architecture` of the configuration.
    public var architecture: String?
    /// `variant` of the configuration.
    public var variant: String?
    /// What it is to be called, beside the names that it has.
    public var names: [String]
    /// The manifest by which it came, with its bytes; their digest has been verified.
    public var manifest: (description: StoredManifest, document: [UInt8])?

    /// Describes an image.
    public init(
        configuration: [UInt8], system: String? = nil, architecture: String? = nil,
        variant: String? = nil, names: [String] = [],
        manifest: (description: StoredManifest, document: [UInt8])? = nil
    ) {
        (self.configuration, self.names, self.manifest) = (configuration, names, manifest)
        (self.system, self.architecture, self.variant) = (system, architecture, variant)
    }

    /// Its id.
    public var id: Digest { Digest.of(configuration) }
}

/// What became of the removal of an image.
public struct RemovedImage: Hashable, Sendable {
    /// The image as it was.
    public let image: StoredImage
    /// The name that was taken from it, where it has others and was kept.
    public let untagged: String?
    /// The layers that only it used, which were removed with it, the topmost first.
    public let layers: [Layer]
}

/// What a word names.
public enum Referent: Hashable, Sendable {
    case layer(Layer)
    case image(StoredImage)
}

/// The rules for names of images.
public enum ImageName {
    /// Bytes of the longest name: twice what registries take of one with a digest.
    public static let bytesMax = 1_024
}
