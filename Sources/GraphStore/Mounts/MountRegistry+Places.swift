// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

extension MountRegistry {
    /// Where a layer is mounted, or the path of its device.
    func place(of mount: MountRecord) throws(DriverError) -> FilePath {
        if !mount.isDevice { return mount.target }
        return try device(for: mount.layer) ?? mount.target
    }

    /// The path of the device that was made for a layer; nil when there is none.
    func device(for number: LayerNumber) throws(DriverError) -> FilePath? {
        try driver.withDevices().device(for: number)
    }

    /// The place to mount at: the caller's, or the layer's own below RUN-ROOT, which is made.
    func target(_ target: FilePath?, for number: LayerNumber) throws(DriverError) -> FilePath {
        if let target { return try MountPoints.canonical(target) }
        return try points.make(for: number)
    }

    /// Takes away a mount point that the store made, once nothing is mounted there.
    func removeMountPoint(_ mount: MountRecord) {
        if mount.ownsTarget { points.remove(mount.layer) }
    }

    /// Takes away the place that the store makes for a layer, once nothing is mounted there.
    func removeMountPoint(of number: LayerNumber) { points.remove(number) }

    /// Who keeps a mount of another mount namespace; nil when the kernel has it no more.
    ///
    /// Kernels before Linux 6.12 tell of namespaces only by their processes and by what they are mounted
    /// at: there a namespace counts as gone that only an open file keeps.
    func keeper(of mount: MountRecord) throws(DriverError) -> String? {
        let isKept: Bool
        do throws(SyscallError) {
            let survey = try MountSurvey(.target(mount.target))
            if !survey.isWhole {
                let processes = try MountPoint.processes(inNamespace: mount.namespace)
                let pin = try MountPoint.pin(ofNamespace: mount.namespace)
                isKept = !processes.isEmpty || pin != nil
            } else if let id = mount.mountID {
                isKept = survey.namespaces.contains(mount.namespace) && survey.ids.contains(id)
            } else {
                // Its maker died; nobody knows whether that was before it mounted.
                isKept = survey.found.contains { $0.namespace == mount.namespace }
            }
        } catch {
            throw DriverError("look for a mount namespace", error)
        }
        return isKept ? "at \(mount.target)" + LayerUse.namespace(mount.namespace) : nil
    }

    /// The namespace of the calling thread.
    func currentNamespace() throws(DriverError) -> UInt64 {
        try attempting("look at the mount namespace", try MountPoint.currentNamespace())
    }

    /// The kernel's id of what is mounted at a place; nil for nothing.
    func mountID(at place: FilePath) throws(DriverError) -> UInt64? {
        try attempting("look at \(place)", try MountPoint(place).mountID())
    }
}
