// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Where the btrfs driver keeps what.
///
/// ```
/// ROOT/btrfs/NUMBER              a plain directory, so that a layer can be moved to the trash:
///                                a read-only subvolume itself cannot
/// ROOT/btrfs/NUMBER/tree         the layer's subvolume
/// ROOT/btrfs/NUMBER/tree/root    the layer's whole tree
/// ROOT/btrfs/NUMBER/tree/stage   a layer tar's changes, from applyTarget to finishApply; in the
///                                subvolume, because nothing can be renamed out of one
/// ```
struct BtrfsLayout: Hashable, Sendable {
    /// The store's root.
    let root: FilePath

    static let driver = "btrfs"
    static let subvolume: RawPath = "tree"
    static let tree: RawPath = "root"
    static let stage: RawPath = "stage"
    /// The tree, from the layer's folder.
    static let treeInFolder: RawPath = "tree/root"

    /// A layer's whole tree.
    func tree(_ layer: LayerNumber) -> FilePath {
        root.appending(Self.driver).appending(layer.description).appending("tree")
            .appending("root")
    }
}
