// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphSystem

/// The configuration of an image that is made of another by adding layers: all of the other's members
/// stay, in a canonical order.
struct ContainerConfiguration {
    private var members: [String: Any]
    private var diffIDs: [String]
    /// Nil where the other image has layers and no history, which would not fit them.
    private var history: [Any]?

    /// Begins with another image's configuration, or with one for this machine and no layers.
    init(_ base: [UInt8]?) {
        let read = base.flatMap {
            try? JSONSerialization.jsonObject(with: Data($0)) as? [String: Any]
        }
        members =
            read ?? [
                "architecture": Platform.host.architecture, "os": Platform.host.system,
                "config": [String: Any](),
            ]
        let filesystem = members["rootfs"] as? [String: Any]
        diffIDs = filesystem?["diff_ids"] as? [String] ?? []
        history = members["history"] as? [Any] ?? (diffIDs.isEmpty ? [] : nil)
    }

    /// Adds a layer that was made at some time.
    mutating func add(_ diffID: Digest, named name: String, at time: Timestamp) {
        let text = Date(timeIntervalSince1970: Double(time.seconds)).ISO8601Format()
        diffIDs.append(diffID.description)
        members["created"] = text
        history?.append(["created": text, "created_by": "graphctl export --layer \(name)"])
    }

    /// The configuration as JSON with sorted keys.
    func bytes() throws(DriverError) -> [UInt8] {
        var members = members
        members["rootfs"] = ["type": "layers", "diff_ids": diffIDs]
        members["history"] = history
        return try json(members)
    }
}

/// Writes JSON with sorted keys.
func json(_ value: Any) throws(DriverError) -> [UInt8] {
    do {
        return [UInt8](
            try JSONSerialization.data(
                withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes]))
    } catch {
        throw DriverError(.system, "could not write JSON: \(error)")
    }
}
