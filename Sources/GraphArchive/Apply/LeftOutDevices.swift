// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The devices of an archive that are not in the layer, for hard links to them, which are left out as well.
struct LeftOutDevices {
    private var kinds: [RawPath: LayerWarning.Kind] = [:]
    private var byteCount = 0
    /// Of names; a hard link to a device beyond them is one to nothing.
    private static let bytesMax = 1 << 20

    /// Notes the device of a name.
    mutating func add(_ path: RawPath, _ kind: LayerWarning.Kind) {
        byteCount += path.count
        if byteCount <= Self.bytesMax { kinds[path] = kind }
    }

    /// Why the device of a name is not there; nil where none was left out.
    func kind(of path: RawPath) -> LayerWarning.Kind? { kinds.isEmpty ? nil : kinds[path] }
}
