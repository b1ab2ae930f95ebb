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
            "name": JSON(name),
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
    ///
    /// `existing` and `warnings` are given by commands that may find the layer in the store or may not keep
    /// all of it.
    func print(
        id layer: Layer, existing: Bool? = nil, _ timings: WorkTimings? = nil,
        warnings: [LayerWarning]? = nil
    ) throws(DriverError) {
        try print(name: layer.id, layer.json, existing: existing, timings, warnings: warnings)
    }

    /// The same for what has a name and other members.
    func print(
        name: String, _ json: @autoclosure () -> JSON, existing: Bool?, _ timings: WorkTimings?,
        warnings: [LayerWarning]? = nil
    ) throws(DriverError) {
        tell(warnings ?? [])
        guard settings.json else {
            if let timings { Failure.printLine(timings.line()) }
            return try print(name, json: .null)
        }
        var object = json()
        if let existing { object = object.adding(("existing", .bool(existing))) }
        if let warnings { object = object.adding(("warnings", JSON(warnings, \.json))) }
        if let timings { object = object.adding(timings.member()) }
        try output.print(object)
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
