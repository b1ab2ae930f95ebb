// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Something of an archive or of a layer that was left out or changed on the way, once for each kind.
public struct LayerWarning: Hashable, Sendable {
    /// What was left out or changed; docs/formats/archives.md says why.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// An attribute that is the host's to give.
        case hostAttribute = "host_attribute"
        /// An attribute that an overlay over the layer would obey.
        case overlayAttribute = "overlay_attribute"
        /// An attribute that the filesystem has no place for.
        case unknownAttribute = "unknown_attribute"
        /// An attribute `user.*` of a link, a device or a pipe.
        case misplacedAttribute = "misplaced_attribute"
        /// An attribute that a user namespace may not set.
        case refusedAttribute = "refused_attribute"
        /// A device that a user namespace may not make.
        case refusedDevice = "refused_device"
        /// A character device 0:0, which is a deletion to the overlay over the layer.
        case whiteoutDevice = "whiteout_device"
        /// What AUFS kept for itself.
        case aufsMetadata = "aufs_metadata"
        /// A member that is the root by its name, and no directory.
        case misplacedRoot = "misplaced_root"
        /// A time that not every filesystem can hold, replaced by 1970-01-01.
        case time
        /// A name that means a deletion in archives, left out of a diff.
        case whiteoutName = "whiteout_name"
    }

    /// What was left out or changed.
    public let kind: Kind
    /// How many of this kind.
    package internal(set) var count: UInt64
    /// The first of them: a path in the layer, with the attribute's name before it.
    public let first: String

    /// Those of several layers as those of one.
    public static func joined(_ lists: [[LayerWarning]]) -> [LayerWarning] {
        var joined = LayerWarnings()
        for warning in lists.joined() { joined.add(warning) }
        return joined.all
    }

    /// What happened, for a person, without a full stop at its end.
    public var description: String {
        let what =
            switch kind {
            case .hostAttribute: "attributes left out that are this host's to give"
            case .overlayAttribute: "attributes of overlayfs left out"
            case .unknownAttribute: "attributes left out that the filesystem has no place for"
            case .misplacedAttribute: "attributes user.* left out of links, devices and the like"
            case .refusedAttribute: "attributes left out that a user namespace may not set"
            case .refusedDevice: "devices left out that a user namespace may not make"
            case .whiteoutDevice:
                "character devices 0:0 left out, which delete a name in an overlay"
            case .aufsMetadata: "files left out that AUFS kept for itself"
            case .misplacedRoot: "members left out that are the root by their name and no directory"
            case .time: "times set to 1970-01-01, which not all filesystems can hold"
            case .whiteoutName: "names left out that mean deletions in a layer tar"
            }
        return "\(what): \(count), first \(first)"
    }
}

/// Warnings that are being gathered.
struct LayerWarnings {
    private var found: [LayerWarning.Kind: LayerWarning] = [:]

    /// Takes note of one; `first` is asked for at the first of its kind alone.
    mutating func add(_ kind: LayerWarning.Kind, _ first: @autoclosure () -> String) {
        if found[kind] == nil { found[kind] = LayerWarning(kind: kind, count: 0, first: first()) }
        found[kind]?.count += 1
    }

    mutating func add(_ warning: LayerWarning) {
        found[
            warning.kind, default: LayerWarning(kind: warning.kind, count: 0, first: warning.first)
        ]
        .count += warning.count
    }

    /// All, in the order of their kinds.
    var all: [LayerWarning] { LayerWarning.Kind.allCases.compactMap { found[$0] } }
}
