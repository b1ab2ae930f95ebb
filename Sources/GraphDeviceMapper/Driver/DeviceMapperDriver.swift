// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
package import GraphSystem
import Synchronization
package import SystemPackage

/// Layers as volumes of a thin pool, each a snapshot of its parent's with a filesystem of its own:
/// blocks are shared until they are written, and a layer has a size that it cannot exceed.
///
/// A volume's number in the pool is the layer's. Each number in the pool has a directory in the store,
/// made before it; a number without one is deleted by whoever finds it. Volumes are active only
/// while something uses them.
package final class DeviceMapperDriver: DirectoryDriver {
    package static let name = DeviceMapperLayout.driver
    package static let livesOnLoopImage = false
    package static let optionPrefix = "dm"

    package let directories: LayerDirectories
    let options: DeviceMapperOptions
    let place: PoolPlace
    /// The filesystems of layers that are being unpacked: mounted until they are sealed, because a
    /// failed write is told to those who have the filesystem open.
    let unpacking = Mutex<[LayerNumber: Directory]>([:])

    package init(root: FilePath, options: DriverOptions, readOnly: Bool) throws(DriverError) {
        let options = try DeviceMapperOptions(options)
        self.options = options
        let place = PoolPlace()
        directories = try LayerDirectories(
            root: root, driver: Self.name, readOnly: readOnly,
            emptying: { (directory) throws(SyscallError) in try place.empty(directory) },
            beforeMaking: { () throws(DriverError) in
                try require(Self.probe(root: root), driver: Self.name)
            })
        self.place = place
        place.open(directories: directories, options: options, isReadOnly: readOnly)
        if !readOnly { _ = try place.pool() }
    }

    /// None: each layer is a whole tree.
    package var depthMax: Int? { nil }

    package var capabilities: DriverCapabilities {
        DriverCapabilities(hasQuota: true, details: place.details)
    }

    // MARK: Lifecycle

    package func create(
        _ layer: LayerNumber, parents: [LayerNumber], limits: LayerLimits,
        observer: WorkObserver
    ) throws(DriverError) {
        _ = try directories.writableDirectory()
        let pool = try place.pool()
        if layer.rawValue == DeviceMapperLayout.base
            || layer.rawValue > DeviceMapperLayout.numberMax
        {
            throw DriverError(
                .unsupported, "a pool has volumes 1 to \(DeviceMapperLayout.numberMax) for layers")
        }
        let below = try parents.first.map { (parent) throws(DriverError) in try record(of: parent) }
        let sectors = try self.sectors(limits, atLeast: below?.sectors ?? pool.settings.baseSectors)
        try PoolGrowth(of: pool).requireReserve(options)
        try directories.create(layer) { directory throws(DriverError) in
            let record = VolumeRecord(number: layer, sectors: sectors)
            do throws(SyscallError) {
                // The pool must not have a number that no directory has, nor after a power cut.
                try record.write(in: directory, DeviceMapperLayout.making)
                try directory.sync()
                try directories.openedDirectory?.sync()
            } catch {
                throw spaceError("make layer \(layer)", error, on: directory.descriptor)
            }
            try pool.makeSnapshot(layer, of: parents.first?.rawValue ?? DeviceMapperLayout.base)
            if sectors > below?.sectors ?? pool.settings.baseSectors {
                try grow(pool, layer, sectors)
            }
            try attempting(
                "make layer \(layer)",
                try directory.rename(
                    DeviceMapperLayout.making, to: DeviceMapperLayout.volume, in: directory))
        }
    }

    /// The size of a new volume.
    ///
    /// It holds what its parents do: it cannot be smaller than they are.
    private func sectors(
        _ limits: LayerLimits, atLeast least: UInt64
    ) throws(DriverError) -> UInt64 {
        guard let bytes = limits.bytes else { return least }
        let sectors = bytes / 512 / 128 * 128
        if sectors >= least { return sectors }
        throw DriverError(
            .invalidArgument,
            "driver devicemapper: the size of a layer is that of its filesystem, here at least "
                + "\(least * 512) bytes")
    }

    /// Lets the filesystem of a new volume take a size that is larger than its parent's.
    private func grow(
        _ pool: ThinPool, _ layer: LayerNumber, _ sectors: UInt64
    ) throws(DriverError) {
        let volume = pool.volume(
            layer.rawValue, sectors: sectors, options: options.mountOptions, readOnly: false)
        do throws(SyscallError) {
            let filesystem = MountedFilesystem(at: try volume.openFilesystem(pool.mapper))
            if pool.settings.filesystem == "xfs" {
                try filesystem.growXFS(toBytes: sectors * 512)
            } else {
                try filesystem.growExt4(toBytes: sectors * 512)
            }
        } catch {
            throw DriverError("grow the filesystem of layer \(layer)", error)
        }
    }

    package func seal(
        _ layer: LayerNumber, parents: [LayerNumber], durability: Durability
    ) throws(DriverError) {
        let record = try record(of: layer)
        let directory = try directories.open(layer)
        _ = try directories.writableDirectory()
        let pool = try place.pool()
        let isSealed = try directories.status(of: layer, DeviceMapperLayout.sealed) != nil
        if isSealed && durability == .unsynced { return }
        if durability == .durable {
            let status = try pool.status()
            try status.requireWritable(pool.name)
            if status.mode == "out_of_data_space" {
                throw DriverError(
                    .noSpace, "pool \(pool.name) is full, and writes of layer \(layer) may be lost",
                    resource: .poolData)
            }
            var root = unpacking.withLock { $0[layer] }
            if root == nil { root = try openRoot(pool, record, isSealed) }
            try attempting(
                "put layer \(layer) on disk", try root?.descriptor.syncFilesystem())
        }
        unpacking.withLock { $0[layer] = nil }
        if durability == .durable {
            let volume = self.volume(pool, record, readOnly: isSealed)
            do throws(SyscallError) {
                // What unmounting wrote, and the pool's record of where.
                let open = try volume.open(pool.mapper)
                try open.device.descriptor.sync()
            } catch {
                throw DriverError("put layer \(layer) on disk", error)
            }
        }
        if isSealed { return }
        do throws(SyscallError) {
            _ = try directory.open(
                DeviceMapperLayout.sealed, [.writeOnly, .create], permissions: 0o400)
            if durability == .durable { try directory.sync() }
        } catch {
            throw spaceError("seal layer \(layer)", error, on: directory.descriptor)
        }
        // Not synced: nothing has put the layer's intent on disk, and the mark must not go before it.
        try directories.settle(layer)
    }

    package func requireChangeable() throws(DriverError) {
        try place.pool().requireOwnTransaction()
    }

    /// Moves the layer's directory to the trash, where ``reclaim(observer:)`` finds the volume.
    package func remove(_ layer: LayerNumber) throws(DriverError) {
        _ = try directories.writableDirectory()
        if unpacking.withLock({ $0.removeValue(forKey: layer) }) != nil {
            // Whoever was unpacking may still have a directory of it open, and nobody else has.
            let pool = try place.pool()
            try attempting(
                "abandon layer \(layer)", try pool.mapper.abandon("\(pool.settings.prefix)\(layer)")
            )
        }
        if try directories.status(of: layer, "") == nil { return try removeUnrecorded(layer) }
        try directories.detach(layer)
    }

    @discardableResult
    package func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64 {
        _ = try directories.writableDirectory()
        let pool = try place.pool()
        try IdleDevices(of: pool).remove()
        return try directories.reclaim(observer: observer)
    }

    // MARK: Access

    package func mounts(
        for layer: LayerNumber, parents: [LayerNumber], writable: Bool
    ) throws(DriverError) -> [Mount] {
        let volume = try shownVolume(of: layer, writable: writable)
        let attributes = options.attributes
        return [
            Mount(
                .thin(volume, directory: WholeTrees.tree),
                attributes: writable ? attributes : attributes.union(.readOnly))
        ]
    }

    /// The volume as it is to be shown: for writing unless the layer is sealed.
    func shownVolume(
        of layer: LayerNumber, writable: Bool
    ) throws(DriverError) -> ThinVolume {
        let record = try record(of: layer)
        let pool = try place.pool()
        var isSealed = try directories.status(of: layer, DeviceMapperLayout.sealed) != nil
        let mayWrite = writable && (try? directories.writableDirectory()) != nil
        if mayWrite { try pool.requireChangeable() }
        if isSealed && mayWrite {
            // It was sealed when the process died before that was recorded.
            let directory = try directories.open(layer)
            try attempting(
                "make layer \(layer) writable", try directory.removeFile(DeviceMapperLayout.sealed))
            isSealed = false
        }
        if !isSealed { try refuseAttached(layer, pool) }
        return volume(pool, record, readOnly: isSealed)
    }

    /// The blocks of the layer's volume that are not its parent's at the same place, as the pool's map
    /// says; inodes of the whole tree.
    ///
    /// Where the store can only be read, the difference of the numbers of blocks, which leaves out
    /// those that replace one of the parent's.
    package func usage(
        of layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> LayerUsage {
        let record = try record(of: layer)
        let pool = try place.pool()
        // Looked at as it is: to replay its journal would be to write.
        let unread = pool.settings.filesystem == "xfs" ? "norecovery" : "noload"
        let volume = pool.volume(
            layer.rawValue, sectors: record.sectors,
            options: options.mountOptions + [MountOption(unread)], readOnly: true)
        let filesystem = try attempting(
            "measure layer \(layer)",
            try volume.openFilesystem(pool.mapper).descriptor.filesystem())
        let inodes = filesystem.totalInodes - filesystem.freeInodes
        let below = try parents.first.map { (parent) throws(DriverError) in
            try self.record(of: parent)
        }
        if (try? directories.writableDirectory()) != nil, pool.isChangeable {
            let blocks = try PoolMetadata.ownBlocks(
                of: layer.rawValue, beyond: below?.number.rawValue ?? DeviceMapperLayout.base,
                in: pool)
            return LayerUsage(bytes: blocks * pool.blockSectors * 512, inodes: inodes)
        }
        let parent =
            below.map { self.volume(pool, $0, readOnly: true) }
            ?? pool.volume(
                DeviceMapperLayout.base, sectors: pool.settings.baseSectors, readOnly: true)
        do throws(SyscallError) {
            let own = try volume.mappedSectors(pool.mapper)
            let shared = try parent.mappedSectors(pool.mapper)
            return LayerUsage(bytes: (own - min(own, shared)) * 512, inodes: inodes)
        } catch {
            throw DriverError("measure layer \(layer)", error)
        }
    }
}
