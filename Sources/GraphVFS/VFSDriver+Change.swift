// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
import GraphSystem

extension VFSDriver {
    package func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        try trees.applyTarget(for: layer, parents: parents)
    }

    package func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        try trees.finishApply(of: layer, observer: observer)
    }

    package func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        var source = try trees.diffSource(of: layer, from: base)
        if base == parents.first { source.copies = copies(in: layer) }
        return source
    }

    /// What was recorded when the layer was copied from its parent, as far as it holds.
    func copies(in layer: LayerNumber) -> CopiedFiles? {
        // A comparison without it takes longer, and comes to the same.
        guard let directory = try? directories.open(layer),
            let file = try? directory.open(Self.copied, .readOnly)
        else { return nil }
        return try? CopiedFiles(file)
    }

    static let copied: RawPath = "copied"
}
