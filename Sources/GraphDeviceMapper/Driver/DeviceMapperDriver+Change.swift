// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

extension DeviceMapperDriver {
    /// What is kept of a layer's volume.
    ///
    /// - Throws: ``DriverError/Code/layerNotFound`` when the layer has none.
    func record(of layer: LayerNumber) throws(DriverError) -> VolumeRecord {
        let directory = try directories.open(layer)
        let record = try attempting(
            "look at layer \(layer)", try VolumeRecord(in: directory, DeviceMapperLayout.volume))
        guard let record, record.number == layer else {
            throw DriverError(.layerNotFound, "layer \(layer) was never finished")
        }
        return record
    }

    func volume(_ pool: ThinPool, _ record: VolumeRecord, readOnly: Bool) -> ThinVolume {
        pool.volume(
            record.number.rawValue, sectors: record.sectors, options: options.mountOptions,
            readOnly: readOnly)
    }

    /// The root of a layer's filesystem, mounted where nobody sees it.
    func openRoot(
        _ pool: ThinPool, _ record: VolumeRecord, _ isSealed: Bool
    ) throws(DriverError) -> Directory {
        if !isSealed { try refuseAttached(record.number, pool) }
        let volume = volume(pool, record, readOnly: isSealed)
        return try attempting(
            "mount the volume of layer \(record.number)", try volume.openFilesystem(pool.mapper))
    }

    private func openTree(_ layer: LayerNumber) throws(DriverError) -> Directory {
        let record = try record(of: layer)
        let isSealed = try directories.status(of: layer, DeviceMapperLayout.sealed) != nil
        let root = try openRoot(try place.pool(), record, isSealed)
        return try attempting("open layer \(layer)", try root.openDirectory(WholeTrees.tree))
    }

    // MARK: Change

    package func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        let record = try record(of: layer)
        _ = try directories.writableDirectory()
        let pool = try place.pool()
        try pool.requireChangeable()
        try PoolGrowth(of: pool).requireReserve(options)
        let root = try openRoot(pool, record, false)
        let tree = try attempting("open layer \(layer)", try root.openDirectory(WholeTrees.tree))
        let target = try WholeTrees.makeStage(in: root, beside: tree, of: layer, parents: parents)
        unpacking.withLock { $0[layer] = root }
        return target
    }

    package func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        _ = try record(of: layer)
        guard let root = unpacking.withLock({ $0[layer] }) else {
            throw DriverError(.wrongKind, "nothing was applied to layer \(layer)")
        }
        let tree = try attempting("open layer \(layer)", try root.openDirectory(WholeTrees.tree))
        try WholeTrees.merge(in: root, into: tree, of: layer, observer: observer)
    }

    /// Two trees to be compared; where the pool says that both volumes have the same blocks, nothing
    /// in them has to be.
    package func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        guard let base else {
            return DiffSource(old: .empty, new: WholeTrees.plain(try openTree(layer)))
        }
        let isSame = try isUnchanged(layer, base)
        let old = try openTree(base)
        // The same tree as far as anybody can see, and mounting the layer's own would write to it.
        let new = base == layer || isSame ? old : try openTree(layer)
        return DiffSource(
            old: WholeTrees.plain(old), new: WholeTrees.plain(new),
            changedPaths: isSame ? ChangedPaths() : nil,
            note: isSame ? "the same blocks, as the pool says" : "whole trees")
    }

    /// Whether the pool has the same map for both volumes: then no block differs.
    ///
    /// A volume in use may have changes that the pool has not seen.
    private func isUnchanged(
        _ layer: LayerNumber, _ base: LayerNumber
    ) throws(DriverError) -> Bool {
        _ = try record(of: layer)
        _ = try record(of: base)
        let pool = try place.pool()
        guard (try? directories.writableDirectory()) != nil else { return false }
        do throws(SyscallError) {
            for number in [layer, base] {
                if try pool.usedDevice(of: number) != nil { return false }
            }
        } catch {
            return false
        }
        guard let volumes = try? PoolMetadata.volumes(of: pool) else { return false }
        let roots = volumes.filter { [layer.rawValue, base.rawValue].contains($0.number) }
            .map(\.mapRoot)
        return roots.count == (layer == base ? 1 : 2) && Set(roots).count == 1
    }
}
