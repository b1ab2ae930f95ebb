// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphImage
import GraphStore

extension StoredImage {
    /// The image as `--json` prints it.
    var json: JSON {
        [
            "id": JSON(id),
            "names": JSON(names) { .string($0) },
            "top_layer": JSON(top),
            "layer_count": JSON(layerCount),
            "usage": usage.json,
            "platform": platform.map { .string($0) } ?? .null,
            "manifests": JSON(manifests, \.json),
            "has_configuration": .bool(hasConfiguration),
            "created": JSON(created),
            "updated": JSON(updated),
        ]
    }

    /// `linux/arm64/v8`; nil where its configuration does not say it.
    var platform: String? {
        let parts = [system, architecture, variant].compactMap { $0 }.filter { !$0.isEmpty }
        return parts.isEmpty ? nil : parts.joined(separator: "/")
    }
}

extension StoredManifest {
    /// The manifest as `--json` prints it.
    var json: JSON {
        [
            "digest": .string(digest),
            "media_type": JSON(mediaType),
            "configuration_media_type": JSON(configurationType),
            "layers": JSON(layers) { layer in
                [
                    "diff_id": JSON(layer.diffID), "digest": .string(layer.digest),
                    "bytes": JSON(layer.bytes), "media_type": .string(layer.mediaType),
                    "compression": JSON(layer.compression?.rawValue),
                ]
            },
        ]
    }
}

extension JSON {
    /// What a document says; null where it is none.
    init(document: [UInt8]) { self = JSONValue(document: document).map { JSON($0) } ?? .null }

    private init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let bool): self = .bool(bool)
        case .integer(let number): self = .number(number)
        case .unsigned(let number): self = .decimal(Double(number))
        case .number(let number): self = .decimal(number)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .array(elements.map { JSON($0) })
        case .object(let members): self = .object(members.mapValues { JSON($0) })
        }
    }
}
