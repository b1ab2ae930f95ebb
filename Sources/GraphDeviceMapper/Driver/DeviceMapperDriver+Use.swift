// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
import SystemPackage

extension DeviceMapperDriver {
    /// Whether something has the layer's device open, as every mount of its filesystem has, wherever that
    /// is: device mapper counts.
    ///
    /// Before a layer is mounted only mounts are of account: several mounts of a volume are one filesystem,
    /// and a diff has it open for reading.
    package func unrecordedUse(
        of layer: LayerNumber, before step: LayerStep, hasLostMount: Bool
    ) throws(DriverError) -> LayerUse? {
        if try directories.status(of: layer, "") == nil { return nil }
        let pool = try place.pool()
        do throws(SyscallError) {
            guard let device = try pool.usedDevice(of: layer) else { return nil }
            if let mount = try MountSurvey(.device(device.number)).found.first {
                return LayerUse(mount)
            }
            if step == .mounting { return nil }
            let holder = try TreeUsers.process(holding: device.number)
            return LayerUse(
                holder.map { "by process \($0), in a mount that no mount namespace has" }
                    ?? "by what has device dm-\(device.number.minor) open")
        } catch {
            throw DriverError("look for users of layer \(layer)", error)
        }
    }
}
