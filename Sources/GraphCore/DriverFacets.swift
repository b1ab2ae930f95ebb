// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphSystem
public import SystemPackage

/// A driver whose layers are filesystems of their own, on block devices.
public protocol BlockDeviceDriver: Driver {
    /// Makes a block device of the filesystem that `layer` is, for those who mount it themselves, such
    /// as a virtual machine; it stays until ``detachDevice(for:)``, and is read-only for a sealed layer.
    ///
    /// Meanwhile an active layer is neither mounted nor looked at: two kernels would write to it.
    ///
    /// - Parameters:
    ///   - layer: The layer with the bytes.
    ///   - holder: The layer, or a view of it, for which the device is made, one for each.
    ///   - writable: Whether it may be written.
    /// - Returns: The device's path. Making one that is there gives it again.
    /// - Throws: ``DriverError/Code/layerInUse`` when the layer is mounted.
    func attachDevice(
        of layer: LayerNumber, for holder: LayerNumber, writable: Bool
    ) throws(DriverError) -> FilePath

    /// Takes a device back; does nothing when there is none.
    ///
    /// - Throws: ``DriverError/Code/layerInUse`` when something has it open.
    func detachDevice(for holder: LayerNumber) throws(DriverError)

    /// The path of a device; nil when there is none.
    func device(for holder: LayerNumber) throws(DriverError) -> FilePath?
}

/// A driver whose layers copy a file of a parent at the first write to it.
public protocol CopyUpDriver: Driver {
    /// Gives an active layer copies of its own of files that its parents have, as the first write to each
    /// would.
    ///
    /// Paths are those in the layer, where links are followed. Of a directory all files below it are meant,
    /// but those with further names.
    ///
    /// - Throws: ``DriverError/Code/invalidArgument`` for a path that is not there.
    func copyUp(
        _ paths: [RawPath], in layer: LayerNumber, parents: [LayerNumber],
        observer: WorkObserver
    ) throws(DriverError)
}

/// A driver that has layers whose bytes nobody puts on disk before they are sealed.
///
/// What is written to a volatile layer may be lost in part when the machine stops, however often a program in it calls
/// fsync(2); for that it is spared every sync. So a layer that was mounted before the machine's last start is lost as a
/// whole: it is neither mounted nor sealed, and the store removes it.
public protocol VolatileDriver: Driver {
    /// Makes an active layer volatile that was never mounted.
    func makeVolatile(_ layer: LayerNumber) throws(DriverError)

    /// Whether an active layer is volatile.
    func isVolatile(_ layer: LayerNumber) throws(DriverError) -> Bool

    /// Whether an active layer is volatile, and the machine has stopped since it was first mounted.
    func isLost(_ layer: LayerNumber) throws(DriverError) -> Bool
}

/// A driver whose layers can be sealed while they are mounted, since it makes those mounts read-only.
public protocol FreezingDriver: Driver {
    /// Makes every mount of an active layer read-only.
    ///
    /// - Throws: ``DriverError/Code/layerInUse`` while a file of the layer is open for writing, or when there is a
    ///   mount that cannot be reached, as in another mount namespace.
    func freezeMounts(of layer: LayerNumber) throws(DriverError)
}

extension Driver {
    /// This driver, if it has block devices to give.
    ///
    /// - Throws: ``DriverError/Code/unsupported`` where layers are directories.
    package func withDevices() throws(DriverError) -> any BlockDeviceDriver {
        if let devices = self as? any BlockDeviceDriver { return devices }
        throw DriverError(
            .unsupported,
            "layers of driver \(name) are directories: only devicemapper has block devices to give")
    }

    /// This driver, if it copies files up.
    ///
    /// - Throws: ``DriverError/Code/unsupported`` where no file is ever copied up.
    package func withCopyUp() throws(DriverError) -> any CopyUpDriver {
        if let copying = self as? any CopyUpDriver { return copying }
        throw DriverError(
            .unsupported,
            "driver \(name) copies no file to write to it: there is nothing to copy up")
    }

    /// This driver, if it has volatile layers.
    ///
    /// - Throws: ``DriverError/Code/unsupported`` where writes are synced as the filesystem does it.
    package func withVolatile() throws(DriverError) -> any VolatileDriver {
        if let volatile = self as? any VolatileDriver { return volatile }
        throw DriverError(
            .unsupported, "driver \(name) has no volatile layers: only overlay can leave syncs out")
    }
}
