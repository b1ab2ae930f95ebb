// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Where the vfs driver keeps what.
///
/// ```
/// ROOT/vfs/NUMBER/root     the layer's whole tree
/// ROOT/vfs/NUMBER/stage    a layer tar's changes, from applyTarget to finishApply
/// ```
struct VFSLayout: Hashable, Sendable {
    /// The store's root.
    let root: FilePath

    static let driver = "vfs"
    static let tree: RawPath = "root"
    static let stage: RawPath = "stage"

    /// A layer's whole tree.
    func tree(_ layer: LayerNumber) -> FilePath {
        root.appending(Self.driver).appending(layer.description).appending("root")
    }
}
