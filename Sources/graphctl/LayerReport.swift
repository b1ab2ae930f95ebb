// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphStore
import SystemPackage

extension Layer {
    /// The layer as `--json` prints it.
    var json: JSON {
        [
            "id": .string(id),
            "number": JSON(Int(number.rawValue)),
            "kind": .string(kind.rawValue),
            "parent": JSON(parent),
            "depth": JSON(depth),
            "diff_id": JSON(diffID),
            "chain_id": JSON(chainID),
            "content_digest": JSON(contentDigest),
            "diff_bytes": JSON(diffBytes),
            "recipe_bytes": JSON(recipeBytes),
            "usage": usage.map(\.json) ?? .null,
            "durability": JSON(durability?.rawValue),
            "limits": ["bytes": JSON(limits.bytes)],
            "created": JSON(created),
            "updated": JSON(updated),
            "labels": JSON(labels),
        ]
    }
}

extension LayerUsage {
    /// The space as `--json` prints it.
    var json: JSON { ["bytes": JSON(bytes), "inodes": JSON(inodes)] }
}

extension MountedLayer {
    /// The mount as `--json` prints it.
    var json: JSON {
        ["id": .string(layer.id), "path": .string(path.string), "count": JSON(count)]
    }
}

extension LayerWarning {
    /// The warning as `--json` prints it.
    var json: JSON {
        ["kind": .string(kind.rawValue), "count": JSON(count), "first": .string(first)]
    }
}

extension Session {
    /// Prints a layer's id, and warnings and timings on standard error, or with the layer as JSON too.
    func print(
        id layer: Layer, _ timings: WorkTimings? = nil, warnings: [LayerWarning]? = nil
    ) throws(DriverError) {
        tell(warnings ?? [])
        var json = layer.json
        if let warnings { json = json.adding(("warnings", JSON(warnings, \.json))) }
        if let timings {
            if global.json {
                json = json.adding(timings.member())
            } else {
                Failure.printLine(timings.line())
            }
        }
        try print(layer.id, json: json)
    }

    /// Tells a person on standard error what was left out or changed on the way.
    func tell(_ warnings: [LayerWarning]) {
        for warning in warnings { warn("warning: \(warning.description)") }
    }

    /// Prints a mount's path.
    func print(path mount: MountedLayer) throws(DriverError) {
        try print(mount.path.string, json: mount.json)
    }
}
