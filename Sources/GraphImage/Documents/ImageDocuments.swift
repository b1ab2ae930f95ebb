// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import FoundationEssentials
import GraphArchive
import GraphCore

/// `oci-layout`, which marks a directory as an OCI image layout.
struct LayoutDocument: Decodable {
    let imageLayoutVersion: String
}

/// A reference to a blob: "OCI Content Descriptors".
struct Descriptor: Decodable {
    /// Empty where there is none.
    let mediaType: String
    let digest: String
    let size: UInt64
    let annotations: [String: String]?
    let platform: PlatformDocument?

    private enum CodingKeys: CodingKey { case mediaType, digest, size, annotations, platform }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        mediaType = try values.decodeIfPresent(String.self, forKey: .mediaType) ?? ""
        digest = try values.decode(String.self, forKey: .digest)
        size = try values.decode(UInt64.self, forKey: .size)
        annotations = try values.decodeIfPresent([String: String].self, forKey: .annotations)
        platform = try values.decodeIfPresent(PlatformDocument.self, forKey: .platform)
    }
}

/// The platform in a descriptor, or at the top of a configuration.
struct PlatformDocument: Decodable, Sendable {
    let os: String?
    let architecture: String?
    let variant: String?

    /// Nil when the fields that matter are missing.
    var platform: Platform? {
        guard let os, let architecture else { return nil }
        return Platform(system: os, architecture: architecture, variant: variant)
    }
}

/// "OCI Image Index" and "OCI Image Manifest" in one, to tell them apart by what they hold.
struct ManifestDocument: Decodable {
    let schemaVersion: Int
    let mediaType: String?
    let manifests: [Descriptor]?
    let config: Descriptor?
    let layers: [Descriptor]?
}

/// The part of "OCI Image Configuration" that says what the layers are.
struct ConfigurationDocument: Decodable {
    struct Filesystem: Decodable {
        let type: String
        /// Nil or empty for an image without layers.
        let diffIDs: [String]?

        enum CodingKeys: String, CodingKey {
            case type
            case diffIDs = "diff_ids"
        }
    }

    let rootfs: Filesystem
}

/// One image in the `manifest.json` of a docker-archive.
struct DockerImageDocument: Decodable {
    let configuration: String
    let tags: [String]?
    let layers: [String]

    enum CodingKeys: String, CodingKey {
        case configuration = "Config"
        case tags = "RepoTags"
        case layers = "Layers"
    }
}

/// Reads a JSON document.
func decode<Document: Decodable>(
    _ type: Document.Type, from bytes: [UInt8], named name: String
) throws(DriverError) -> Document {
    do {
        return try JSONDecoder().decode(type, from: Data(bytes))
    } catch let error as DecodingError {
        throw DriverError(.invalidArchive, "\(name) is not as it should be: \(reason(error))")
    } catch {
        throw DriverError(.invalidArchive, "\(name) is not JSON")
    }
}

/// One sentence about a failure, without the values that were read.
private func reason(_ error: DecodingError) -> String {
    let context: DecodingError.Context
    var missing = ""
    switch error {
    case .keyNotFound(let key, let found): (missing, context) = (key.stringValue, found)
    case .typeMismatch(_, let found), .valueNotFound(_, let found): context = found
    case .dataCorrupted(let found): context = found
    @unknown default: return "it cannot be read"
    }
    let place = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
        .joined(separator: ".")
    if !missing.isEmpty {
        return place.isEmpty ? "there is no \(missing)" : "\(place) has no \(missing)"
    }
    return place.isEmpty ? "it is not the JSON expected" : "\(place) has the wrong type or value"
}
