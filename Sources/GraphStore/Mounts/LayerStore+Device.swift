// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
import SystemPackage

extension LayerStore {
    /// Gives out the block device of an active layer or a view, and counts, as ``mount(_:at:)`` does;
    /// unmounting takes it back.
    ///
    /// For those who mount the filesystem themselves, such as a virtual machine. The device of a view is
    /// read-only. A layer is either mounted or given out.
    ///
    /// - Returns: The device's path, and how often it was given out.
    /// - Throws: ``GraphCore/DriverError/Code/unsupported`` when layers of this driver are no
    ///   filesystems of their own, ``GraphCore/DriverError/Code/wrongKind`` for a committed layer,
    ///   ``GraphCore/DriverError/Code/layerInUse`` when it is mounted.
    public func mountDevice(_ reference: String) throws(DriverError) -> MountedLayer {
        try withMountable(reference) { (table, record, parents) throws(DriverError) in
            let layer = record.layer
            var lost: [MountRecord] = []
            let live = try liveMounts(
                of: record, table, try currentNamespace(), isMounting: true, lost: &lost)
            if var given = live.first(where: \.isDevice) {
                given.count += 1
                try table.put(given)
                return MountedLayer(
                    layer: layer, path: try place(of: given), count: given.count)
            }
            if let mount = live.first {
                throw DriverError(
                    .layerInUse,
                    "layer \(layer.id) is mounted at \(mount.target) and cannot be given out as a "
                        + "device")
            }
            let isWritable = layer.kind == .active
            guard let number = Self.content(of: record, parents)?.number else {
                throw DriverError(
                    .wrongKind, "view \(layer.id) shows nothing, of which there is no device")
            }
            if isWritable { try driver.reopen(number) }
            var given = MountRecord.device(for: record.number)
            try table.put(given)
            do throws(DriverError) {
                let path = try driver.attachDevice(
                    of: number, for: record.number, writable: isWritable)
                given.mountID = 0
                try table.put(given)
                return MountedLayer(layer: layer, path: path, count: 1)
            } catch {
                try? driver.detachDevice(for: record.number)
                try? table.forget(given)
                throw error
            }
        }
    }

    /// Takes back one giving out of the device at a path; nil when it is none of this store's.
    func unmountDevice(
        at path: FilePath, _ table: MountTable
    ) throws(DriverError) -> MountedLayer? {
        for given in try table.devices() where try driver.device(for: given.layer) == path {
            let record = try database.consistent("look for layer number \(given.layer)") {
                try LayerQueries($0).layer(given.layer)
            }
            if let record { return try unmount(layer: record.layer.id) }
        }
        return nil
    }

    /// Where a layer is mounted, or the path of its device.
    func place(of mount: MountRecord) throws(DriverError) -> FilePath {
        if !mount.isDevice { return mount.target }
        return try driver.device(for: mount.layer) ?? mount.target
    }

    /// Whether a device is there as it is recorded.
    ///
    /// The record of another one is forgotten, with what its maker made before it died. The caller
    /// holds the layer's lock.
    func isKept(_ given: MountRecord, _ table: MountTable) throws(DriverError) -> Bool {
        if given.mountID == nil {
            try driver.detachDevice(for: given.layer)
        } else if try driver.device(for: given.layer) != nil {
            return true
        }
        try table.forget(given)
        return false
    }

    /// Refuses to mount what may be mounted elsewhere.
    func refuseGivenOut(_ layer: Layer, _ live: [MountRecord]) throws(DriverError) {
        guard let given = live.first(where: \.isDevice) else { return }
        throw DriverError(
            .layerInUse,
            "layer \(layer.id) is given out as device \(try place(of: given)) and cannot be mounted"
        )
    }
}
