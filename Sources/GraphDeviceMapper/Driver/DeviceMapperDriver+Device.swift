// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
package import SystemPackage

/// Block devices for those who mount layers themselves.
///
/// Such a device is apart from the one that mounting makes, since that one goes away with its last
/// user, and a virtual machine may open and close its disk as it likes.
extension DeviceMapperDriver: BlockDeviceDriver {
    package func attachDevice(
        of layer: LayerNumber, for holder: LayerNumber, writable: Bool
    ) throws(DriverError) -> FilePath {
        let pool = try place.pool()
        let name = pool.settings.deviceName(for: holder)
        if let known = try device(for: holder) { return known }
        let volume = try shownVolume(of: layer, writable: writable)
        if !volume.isReadOnly {
            // A mount that somebody still has would write to the same blocks.
            try refusing("layer \(layer) is mounted") { () throws(SyscallError) in
                try pool.removeUnused(volume.name)
            }
        }
        let given = ThinVolume(
            name: name, uuid: "GRAPH-\(pool.settings.token)-device-\(holder)", pool: volume.pool,
            id: volume.id, sectors: volume.sectors, type: volume.type, options: volume.options,
            isReadOnly: volume.isReadOnly || !writable, lock: volume.lock)
        return try attempting(
            "make a device of layer \(layer)", try given.makeDevice(pool.mapper))
    }

    package func detachDevice(for holder: LayerNumber) throws(DriverError) {
        let pool = try place.pool()
        let name = pool.settings.deviceName(for: holder)
        try refusing("device \(name) is open") { () throws(SyscallError) in
            // What was written and is not yet on disk is the machine's, which does not sync here.
            if let device = try pool.mapper.status(of: name), device.isActive, !device.isReadOnly {
                try BlockDevice(device.number).descriptor.sync()
            }
            try pool.removeUnused(name, awaitingNode: true)
        }
    }

    package func device(for holder: LayerNumber) throws(DriverError) -> FilePath? {
        let pool = try place.pool()
        let name = pool.settings.deviceName(for: holder)
        return try attempting(
            "look for device \(name)",
            try { () throws(SyscallError) in
                guard let device = try pool.mapper.status(of: name), device.isActive else {
                    return nil
                }
                return try BlockDevice.node(of: device.number)
            }())
    }

    /// Refuses to use a filesystem that may be mounted elsewhere.
    func refuseAttached(_ layer: LayerNumber, _ pool: ThinPool) throws(DriverError) {
        let name = pool.settings.deviceName(for: layer)
        let device = try attempting("look for device \(name)", try pool.mapper.status(of: name))
        guard let device, device.isActive else { return }
        throw DriverError(
            .layerInUse,
            "layer \(layer) is attached as block device dm-\(device.number.minor), and what has it "
                + "mounted may be writing")
    }

    private func refusing(
        _ reason: String, _ body: () throws(SyscallError) -> Void
    ) throws(DriverError) {
        do throws(SyscallError) {
            try body()
        } catch  where error.errno == .resourceBusy {
            throw DriverError(.layerInUse, reason, cause: error)
        } catch {
            throw DriverError("take a device away", error)
        }
    }
}
