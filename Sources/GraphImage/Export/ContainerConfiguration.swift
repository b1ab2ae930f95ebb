// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import FoundationEssentials
import GraphArchive
import GraphCore
import GraphSystem

/// The configuration of an image that is made of another by adding layers: all of the other's members
/// stay, in a canonical order.
struct ContainerConfiguration {
    private var members: [String: JSONValue]
    private var diffIDs: [JSONValue]
    /// Nil where the other image has layers and no history, which would not fit them.
    private var history: [JSONValue]?

    /// Begins with another image's configuration, or with one for this machine and no layers.
    init(_ base: [UInt8]?) {
        members =
            base.flatMap { JSONValue(document: $0)?.members } ?? [
                "architecture": .string(Platform.host.architecture),
                "os": .string(Platform.host.system), "config": [:],
            ]
        diffIDs = members["rootfs"]?["diff_ids"]?.elements ?? []
        history = members["history"]?.elements ?? (diffIDs.isEmpty ? [] : nil)
    }

    /// Adds a layer that was made at some time.
    mutating func add(_ diffID: Digest, named name: String, at time: Timestamp) {
        let text = Date(timeIntervalSince1970: Double(time.seconds)).ISO8601Format()
        diffIDs.append(.string(diffID.description))
        members["created"] = .string(text)
        history?.append([
            "created": .string(text), "created_by": .string("graphctl export --layer \(name)"),
        ])
    }

    /// The configuration as JSON with sorted keys.
    func bytes() throws(DriverError) -> [UInt8] {
        var members = members
        members["rootfs"] = ["type": "layers", "diff_ids": .array(diffIDs)]
        members["history"] = history.map { .array($0) }
        return try JSONValue.object(members).document()
    }
}
