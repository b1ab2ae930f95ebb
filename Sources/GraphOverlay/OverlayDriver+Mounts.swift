// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
public import GraphSystem
import SystemPackage

extension OverlayDriver {
    public func mounts(
        for layer: LayerNumber, above parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] {
        try folders.require(layer, OverlayLayout.diff)
        let lowerCount = writable ? parents.count : parents.count + 1
        guard lowerCount <= Self.lowersMax else {
            throw DriverError(
                .depthExceeded,
                "layer \(layer) lies on \(parents.count) others; overlayfs merges at most "
                    + "\(Self.lowersMax)")
        }
        if parents.isEmpty {
            try folders.markBind(of: layer, writable: writable)
        } else if writable {
            try restoreWorkDirectory(of: layer)
        }
        return [try mount(layer, parents, writable: writable)]
    }

    /// Makes the work directory of a layer that was sealed but not recorded as such, so that it is
    /// as usable as its record says.
    private func restoreWorkDirectory(of layer: LayerNumber) throws(DriverError) {
        guard try folders.status(of: layer, OverlayLayout.work) == nil else { return }
        let folder = try folders.open(layer)
        _ = try attempting(
            "make the work directory of layer \(layer)",
            try folder.makeOrOpenDirectory(OverlayLayout.work, permissions: 0o700))
    }

    /// What shows a layer.
    ///
    /// A base layer needs no merging: where there is nothing to hide, no deletion is recorded.
    private func mount(
        _ layer: LayerNumber, _ parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> Mount {
        let attributes = writable ? options.attributes : options.attributes.union(.readOnly)
        if parents.isEmpty { return Mount(.bind(layout.diff(layer)), attributes: attributes) }
        let lowers = parents.map { layout.diff($0) }
        let mark = try references(of: layer, writable: writable)
        let kernelOptions = options.kernelOptions(namespace, mark, writable: writable)
        if writable {
            let layers = OverlayLayers(
                lowers: lowers, upper: layout.diff(layer), work: layout.work(layer),
                options: kernelOptions, usesOptionString: usesOptionString)
            return Mount(.overlay(layers), attributes: attributes)
        }
        let layers = OverlayLayers(
            lowers: [layout.diff(layer)] + lowers, options: kernelOptions,
            usesOptionString: usesOptionString)
        return Mount(.overlay(layers), attributes: attributes)
    }
}
