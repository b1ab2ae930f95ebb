// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import FoundationEssentials
import GraphArchive
import GraphCore
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

extension JSON: Decodable {
    /// Reads any JSON; a number that is no integer of 64 bits becomes text.
    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(Int64.self) {
            self = .number(number)
        } else if let number = try? value.decode(Double.self) {
            self = .string(String(number))
        } else if let text = try? value.decode(String.self) {
            self = .string(text)
        } else if let values = try? value.decode([JSON].self) {
            self = .array(values)
        } else {
            self = .object(try value.decode([String: JSON].self))
        }
    }

    /// What a document says; null where it is none.
    init(document: [UInt8]) {
        self = (try? JSONDecoder().decode(JSON.self, from: Data(document))) ?? .null
    }
}
