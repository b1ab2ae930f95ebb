// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
import GraphSystem

extension OverlayDriver {
    package func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        let diff = try directories.open(layer, OverlayLayout.diff)
        guard try attempting("list layer \(layer)", try diff.listing()).isEmpty else {
            throw DriverError(.wrongKind, "layer \(layer) is not empty any more")
        }
        return ApplyTarget(
            directory: diff, namespace: namespace, lower: try tree(parents, try open(parents)))
    }

    package func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        // What was written is the layer already.
        try directories.require(layer, OverlayLayout.diff)
    }

    package func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        let chain = [layer] + parents
        let opened = try open(chain)
        let new = try tree(chain, opened)
        guard let base else { return DiffSource(old: .empty, new: new) }
        // A layer that both chains have has the same parents in both: they share all from there on.
        let baseChain = [base] + baseParents
        let common = baseChain.firstIndex { chain.contains($0) } ?? baseChain.count
        var baseOpened = try open(Array(baseChain[..<common]))
        if common < baseChain.count, let place = chain.firstIndex(of: baseChain[common]) {
            baseOpened += opened[place...]
        }
        return DiffSource(old: try tree(baseChain, baseOpened), new: new)
    }

    private func open(_ layers: [LayerNumber]) throws(DriverError) -> [Directory] {
        var opened: [Directory] = []
        opened.reserveCapacity(layers.count)
        for layer in layers {
            opened.append(try directories.open(layer, OverlayLayout.diff))
        }
        return opened
    }

    private func tree(
        _ chain: [LayerNumber], _ layers: [Directory]
    ) throws(DriverError) -> LayeredTree {
        LayeredTree(
            layers: layers, whiteouts: .overlay(namespace),
            referring: try references.referring(chain))
    }
}
