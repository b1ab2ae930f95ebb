// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore

extension VFSDriver {
    public func applyTarget(
        for layer: LayerNumber, above parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        try trees.applyTarget(for: layer, above: parents)
    }

    public func finishApply(
        of layer: LayerNumber, above parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        try trees.finishApply(of: layer, observer: observer)
    }

    public func diffSource(
        of layer: LayerNumber, above parents: [LayerNumber],
        from base: LayerNumber?, above baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        try trees.diffSource(of: layer, from: base)
    }
}
