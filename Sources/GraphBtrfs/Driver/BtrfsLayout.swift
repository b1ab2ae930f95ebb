// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem

/// Where the btrfs driver keeps what.
///
/// ```
/// ROOT/btrfs/NUMBER              a plain directory, so that a layer can be moved to the trash:
///                                a read-only subvolume itself cannot
/// ROOT/btrfs/NUMBER/tree         the layer's subvolume
/// ROOT/btrfs/NUMBER/use          a link to nothing: the layer was mounted
/// ROOT/btrfs/NUMBER/tree/root    the layer's whole tree
/// ROOT/btrfs/NUMBER/tree/stage   a layer tar's changes, from applyTarget to finishApply; in the
///                                subvolume, because nothing can be renamed out of one
/// ```
enum BtrfsLayout {
    static let driver = "btrfs"
    static let subvolume: RawPath = "tree"

    private static let prefix = WholeTrees.tree.joined("/")

    /// The path in a layer's tree of one in its subvolume, empty for the tree itself; nil for what
    /// lies elsewhere in the subvolume.
    static func pathInTree(_ path: RawPath) -> RawPath? {
        if path == WholeTrees.tree { return "" }
        return path.hasPrefix(prefix) ? path.dropFirst(prefix.count) : nil
    }
}
