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
        if writable { try restoreWorkDirectory(of: layer) }
        return [try mount(layer, parents, writable: writable)]
    }

    /// Makes the work directory of a base layer, which needs none before it is mounted, and of a layer
    /// that was sealed but not recorded as such, so that it is as usable as its record says.
    private func restoreWorkDirectory(of layer: LayerNumber) throws(DriverError) {
        guard try folders.status(of: layer, OverlayLayout.work) == nil else { return }
        let folder = try folders.open(layer)
        _ = try attempting(
            "make the work directory of layer \(layer)",
            try folder.makeOrOpenDirectory(OverlayLayout.work, permissions: 0o700))
    }

    /// What shows a layer.
    ///
    /// A base layer lies on an empty directory: so overlayfs tells who uses it, keeps its own attributes
    /// to itself, and takes no device that would delete something where the layer is a lower one.
    private func mount(
        _ layer: LayerNumber, _ parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> Mount {
        let attributes = writable ? options.attributes : options.attributes.union(.readOnly)
        let mark =
            parents.isEmpty ? ReferenceMark() : try references(of: layer, writable: writable)
        var lowers = parents.map { layout.diff($0) }
        if lowers.isEmpty {
            // A store that was never written to since there is that directory shows what it has.
            guard try hasEmptyLower() else {
                return Mount(.bind(layout.diff(layer)), attributes: attributes)
            }
            lowers = [layout.empty]
        }
        if !writable { lowers.insert(layout.diff(layer), at: 0) }
        let layers = OverlayLayers(
            lowers: lowers, upper: writable ? layout.diff(layer) : nil,
            work: writable ? layout.work(layer) : nil,
            options: options.kernelOptions(namespace, mark, writable: writable),
            usesOptionString: usesOptionString)
        return Mount(.overlay(layers), attributes: attributes)
    }

    /// Makes the directory that base layers lie on; false where it is missing in a store that is only read.
    private func hasEmptyLower() throws(DriverError) -> Bool {
        guard let folder = folders.openFolder else { return false }
        do throws(SyscallError) {
            if try folder.statusIfPresent(of: OverlayLayout.empty) != nil { return true }
            if folders.isReadOnly { return false }
            try folder.makeDirectory(OverlayLayout.empty, permissions: 0o755)
            return true
        } catch  where error.errno == .fileExists {
            return true
        } catch {
            throw spaceError(
                "make the directory that base layers lie on", error, on: folder.descriptor)
        }
    }
}
