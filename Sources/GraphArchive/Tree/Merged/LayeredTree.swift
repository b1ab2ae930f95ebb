// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// A filesystem tree made of directories, each hiding or merging with those below it.
///
/// A reading view: nothing is mounted to look at it.
package struct LayeredTree: Sendable {
    /// The root of each layer, topmost first.
    ///
    /// Empty for the empty tree.
    ///
    /// Two trees share a layer when they hold the same `Directory` object; a comparison does not
    /// look into what both share at their bottom.
    package let layers: [Directory]
    package let whiteouts: WhiteoutFormat
    /// The places in `layers` of those that may hold redirects, files without their data and
    /// whiteouts that are attributes; nil when any may.
    ///
    /// In the others nothing is looked for beyond whiteout devices and opaque directories, which
    /// saves a call a name; what is found all the same is damage.
    package let referring: Set<Int>?
    /// Whether nobody can change anything in it, so that no directory has to be held open for fear of
    /// links put in its place.
    package var isFixed = false

    /// Describes a tree.
    package init(layers: [Directory], whiteouts: WhiteoutFormat, referring: Set<Int>? = nil) {
        (self.layers, self.whiteouts, self.referring) = (layers, whiteouts, referring)
    }

    /// Whether a layer may refer to names in others.
    func mayRefer(_ index: Int) -> Bool {
        whiteouts != .plain && referring?.contains(index) ?? true
    }

    /// The tree with nothing in it, not even attributes of its root.
    package static let empty = LayeredTree(layers: [], whiteouts: .plain)
}

/// Where the changes of a layer tar are written, recorded as overlayfs records them.
public struct ApplyTarget: Sendable {
    /// An empty directory: the layer's own, or a staging place that is merged later.
    package let directory: Directory
    /// How deletions are recorded in `directory`.
    ///
    /// Only where `lower` shows what is deleted: overlayfs lists the names of needless ones.
    package let namespace: OverlayNamespace
    /// Whether ``mergeStage(_:_:into:observer:)`` is to read the marks, and no overlay: then they are
    /// others, since whole trees may hold what overlayfs would take for marks.
    package let isStage: Bool
    /// What lies below: looked into for links, for the attributes of directories that the archive
    /// does not name, and for targets of hard links.
    package let lower: LayeredTree
    /// Set while `lower` is still being written, and nothing in it may be looked at.
    package var lowerCompletion: TreeCompletion?

    /// Describes a layer of an overlay.
    package init(directory: Directory, namespace: OverlayNamespace, lower: LayeredTree) {
        (self.directory, self.namespace, self.lower) = (directory, namespace, lower)
        isStage = false
    }

    /// Describes a staging place; in `namespace` marks can be set there.
    package init(stage: Directory, namespace: OverlayNamespace, lower: LayeredTree) {
        (directory, self.namespace, self.lower) = (stage, namespace, lower)
        isStage = true
    }

    var marks: LayerMarks { LayerMarks(namespace, isStage: isStage) }
}

/// When a tree that others write is complete.
package struct TreeCompletion: Sendable {
    let isComplete: @Sendable () -> Bool
    let wait: @Sendable () throws(SyscallError) -> Void

    /// Asks with two closures; `wait` throws `ECANCELED` when the tree will not be complete.
    package init(
        isComplete: @escaping @Sendable () -> Bool,
        wait: @escaping @Sendable () throws(SyscallError) -> Void
    ) {
        (self.isComplete, self.wait) = (isComplete, wait)
    }
}

/// The two sides of a diff.
public struct DiffSource: Sendable {
    /// The tree before; ``LayeredTree/empty`` when everything is new.
    package var old: LayeredTree
    /// The tree after.
    package var new: LayeredTree
    /// Where the trees may differ, where the driver knows; nil to compare them whole.
    package let changedPaths: ChangedPaths?
    /// How the driver knows that, or why it does not, for a person; nil where there is nothing to
    /// tell.
    package let note: String?
    /// Files of the new tree that are known to be as in the old one.
    package var copies: CopiedFiles?
    /// Whether the immutable and append-only flags of what the new tree has alone are taken away as it is
    /// looked at: no archive has them, and the layers above would inherit them on some drivers.
    package var clearsLocks = false

    /// Describes a diff.
    package init(
        old: LayeredTree, new: LayeredTree, changedPaths: ChangedPaths? = nil, note: String? = nil
    ) {
        (self.old, self.new) = (old, new)
        (self.changedPaths, self.note) = (changedPaths, note)
    }
}
