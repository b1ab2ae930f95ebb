// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Where the overlay driver keeps what.
///
/// ```
/// ROOT/overlay/NUMBER/diff    the layer's changes, recorded as overlayfs records them
/// ROOT/overlay/NUMBER/work    overlayfs's own, until the layer is sealed
/// ROOT/overlay/NUMBER/fresh   takes the place of work while that is tried for users
/// ROOT/overlay/empty          what base layers lie on when they are mounted
/// ```
struct OverlayLayout: Hashable, Sendable {
    /// The driver's directory.
    let directory: FilePath

    /// Takes the store's root.
    init(root: FilePath) { directory = root.appending(Self.driver) }

    static let driver = "overlay"
    static let diff: RawPath = "diff"
    static let work: RawPath = "work"
    static let fresh: RawPath = "fresh"
    static let empty: RawPath = "empty"

    /// A layer's changes: the upper directory while it is writable, a lower one for its children.
    func diff(_ layer: LayerNumber) -> FilePath {
        directory.appending("\(layer)/diff")
    }

    /// A layer's work directory.
    func work(_ layer: LayerNumber) -> FilePath {
        directory.appending("\(layer)/work")
    }

    /// The lower directory of a layer without parents.
    var empty: FilePath { directory.appending("empty") }
}
