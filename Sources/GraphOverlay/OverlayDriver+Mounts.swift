// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
package import GraphSystem
import SystemPackage

extension OverlayDriver {
    package func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] {
        try directories.require(layer, OverlayLayout.diff)
        let lowerCount = writable ? parents.count : parents.count + 1
        guard lowerCount <= Self.lowersMax else {
            throw DriverError(
                .depthExceeded,
                "layer \(layer) lies on \(parents.count) others; overlayfs merges at most "
                    + "\(Self.lowersMax)")
        }
        let volatile = writable ? try volatileLayers.requireWhole(layer) : nil
        if writable { try restoreWorkDirectory(of: layer) }
        if let volatile { try volatileLayers.prepareMount(of: layer, volatile) }
        return [try mount(layer, parents, writable: writable, isVolatile: volatile != nil)]
    }

    /// Makes the work directory of a base layer, which needs none before it is mounted, and of a layer
    /// that was sealed but not recorded as such, so that it is as usable as its record says.
    private func restoreWorkDirectory(of layer: LayerNumber) throws(DriverError) {
        guard try directories.status(of: layer, OverlayLayout.work) == nil else { return }
        let directory = try directories.open(layer)
        _ = try attempting(
            "make the work directory of layer \(layer)",
            try directory.makeOrOpenDirectory(OverlayLayout.work, permissions: 0o700))
    }

    /// What shows a layer.
    ///
    /// A base layer lies on an empty directory: so overlayfs tells who uses it, keeps its own attributes
    /// to itself, and takes no device that would delete something where the layer is a lower one.
    private func mount(
        _ layer: LayerNumber, _ parents: [LayerNumber], writable: Bool, isVolatile: Bool
    ) throws(DriverError) -> Mount {
        let attributes = writable ? options.attributes : options.attributes.union(.readOnly)
        let mark =
            parents.isEmpty
            ? ReferenceMark() : try references.markForMount(of: layer, writable: writable)
        var lowers = parents.map { layout.diff($0) }
        if lowers.isEmpty {
            guard try hasEmptyLower(writable: writable) else {
                return Mount(.bind(layout.diff(layer)), attributes: attributes)
            }
            lowers = [layout.empty]
        }
        if !writable { lowers.insert(layout.diff(layer), at: 0) }
        var kernelOptions = options.kernelOptions(namespace, mark, writable: writable)
        if isVolatile {
            kernelOptions.append(try VolatileLayers.option(usesOptionString: usesOptionString))
        }
        let layers = OverlayLayers(
            lowers: lowers, upper: writable ? layout.diff(layer) : nil,
            work: writable ? layout.work(layer) : nil,
            options: kernelOptions, usesOptionString: usesOptionString)
        return Mount(.overlay(layers), attributes: attributes)
    }

    /// Whether the directory that base layers lie on is there, or could be made.
    ///
    /// It is made with the store; who lost it may look at its layers all the same, on a full disk and where
    /// the store is only read.
    private func hasEmptyLower(writable: Bool) throws(DriverError) -> Bool {
        guard let directory = directories.openedDirectory else { return false }
        let isThere = try attempting(
            "look at the directory overlay", try directory.statusIfPresent(of: OverlayLayout.empty))
        if isThere != nil { return true }
        if directories.isReadOnly { return false }
        do throws(DriverError) {
            try Self.makeEmptyLower(in: directory)
            return true
        } catch  where error.code == .noSpace && !writable {
            return false
        }
    }

    /// Makes the directory that base layers lie on.
    static func makeEmptyLower(in directory: Directory) throws(DriverError) {
        do throws(SyscallError) {
            try directory.makeDirectory(OverlayLayout.empty, permissions: 0o755)
        } catch  where error.errno == .fileExists {
            return
        } catch {
            throw spaceError(
                "make the directory that base layers lie on", error, on: directory.descriptor)
        }
    }
}
