// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

/// Where overlayfs keeps its own extended attributes.
public enum OverlayNamespace: String, Hashable, Sendable {
    /// `trusted.overlay.`, for root of the initial user namespace.
    case trusted = "trusted.overlay."
    /// `user.overlay.`, in other user namespaces (mount option `userxattr`).
    case user = "user.overlay."

    /// The full name of an attribute, such as `trusted.overlay.opaque`.
    public func name(_ key: String) -> String { rawValue + key }
}

/// How a directory of a ``LayeredTree`` records what its layer deletes.
public enum LayerEncoding: Hashable, Sendable {
    /// It records nothing: the directory is a whole tree.
    case plain
    /// As overlayfs does: a character device 0:0 for a deleted name, the attribute `opaque` on a
    /// directory that hides those below it.
    case overlay(OverlayNamespace)
}

/// A filesystem tree made of directories, each hiding or merging with those below it.
///
/// A reading view: nothing is mounted to look at it.
public struct LayeredTree: Sendable {
    /// The root of each layer, topmost first.
    ///
    /// Empty for the empty tree.
    ///
    /// Two trees share a layer when they hold the same `Directory` object; a comparison does not
    /// look into what both share at their bottom.
    public let layers: [Directory]
    public let encoding: LayerEncoding

    /// Describes a tree.
    public init(layers: [Directory], encoding: LayerEncoding) {
        (self.layers, self.encoding) = (layers, encoding)
    }

    /// The tree with nothing in it, not even attributes of its root.
    public static let empty = LayeredTree(layers: [], encoding: .plain)
}

/// Where the changes of a layer tar are written, recorded as overlayfs records them.
public struct ApplyTarget: Sendable {
    /// An empty directory: the layer's own, or a staging place that is merged later.
    public let directory: Directory
    /// How deletions are recorded in `directory`.
    ///
    /// Only where `lower` shows what is deleted: overlayfs lists the names of needless ones.
    public let namespace: OverlayNamespace
    /// What lies below: looked into for links, for the attributes of directories that the archive
    /// does not name, and for targets of hard links.
    public let lower: LayeredTree

    /// Describes a place.
    public init(directory: Directory, namespace: OverlayNamespace, lower: LayeredTree) {
        (self.directory, self.namespace, self.lower) = (directory, namespace, lower)
    }
}

/// The two sides of a diff.
public struct DiffSource: Sendable {
    /// The tree before; ``LayeredTree/empty`` when everything is new.
    public let old: LayeredTree
    /// The tree after.
    public let new: LayeredTree
    /// Where the trees may differ, where the driver knows; nil to compare them whole.
    public let changedPaths: ChangedPaths?
    /// How the driver knows that, or why it does not, for a person; nil where there is nothing to
    /// tell.
    public let note: String?

    /// Describes a diff.
    public init(
        old: LayeredTree, new: LayeredTree, changedPaths: ChangedPaths? = nil, note: String? = nil
    ) {
        (self.old, self.new) = (old, new)
        (self.changedPaths, self.note) = (changedPaths, note)
    }
}
