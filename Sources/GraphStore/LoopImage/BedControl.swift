// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

/// What an administrator does with the bed of a store.
public struct BedControl: Sendable {
    private let root: FilePath
    private let folder: Directory

    /// Finds the bed of a store, and leaves it as it is: it need not be attached.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` when the store has none.
    public init(root: FilePath) throws(DriverError) {
        let place = try TrustedDirectory(root)
        guard let folder = place.opened, try Bed.image(in: folder, place.path) != nil else {
            throw DriverError(.invalidArgument, "there is no store with a bed at \(root)")
        }
        try Trust.require(BedLayout.names, in: folder, place.path)
        (self.root, self.folder) = (place.path, folder)
    }

    /// Lends where the layers of a store are, or would be: on its bed, which is attached for that
    /// time, or at the root itself.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/untrusted`` when another user could change what is at
    ///   the root.
    public static func withLayersRoot<Value>(
        of root: FilePath, _ body: (FilePath) throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        let place = try TrustedDirectory(root)
        var bed = try Bed.open(place)
        defer { Bed.withdraw(&bed) }
        return try body(bed?.path ?? place.path)
    }

    /// How the bed fares.
    public func status() throws(DriverError) -> BedStatus {
        guard let image = try Bed.image(in: folder, root) else { throw gone() }
        guard let bed = try Bed.mounted(root, folder, image) else {
            return try BedStatus(root: root, folder: folder, image: image)
        }
        return try bed.status()
    }

    /// Makes the bed larger, with layers mounted; without a size, by what its image has grown.
    ///
    /// Somebody who died on the way is helped by calling it again.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` for a size below the present one,
    ///   ``GraphCore/DriverError/Code/noSpace`` when the filesystem below has no room for a start.
    public func grow(toBytes bytes: UInt64? = nil) throws(DriverError) {
        let lock = try BedLayout.lock(in: root)
        defer { withExtendedLifetime(lock) {} }
        guard let bed = try Bed.openLocked(root, folder) else { throw gone() }
        // What xfs writes for its new groups must have room.
        if try bed.status().isShort { throw bed.hostIsFull(cause: nil) }
        do throws(SyscallError) {
            let file = try folder.open(BedLayout.image, .readWrite)
            let size = try file.status().size
            let wanted = (bytes ?? size) / 4_096 * 4_096
            if wanted < size {
                throw SyscallError(
                    call: "ftruncate(\(BedLayout.image))", errno: .invalidArgument,
                    detail: "the bed has \(size) bytes already, and xfs cannot be made smaller")
            }
            if wanted > size {
                try file.truncate(to: wanted)
                try file.sync()
            }
            try LoopDevice.refresh(try BlockDevice(bed.device))
            try bed.tree.growXFS(toBytes: wanted)
        } catch  where error.errno == .invalidArgument && error.detail != nil {
            throw DriverError(
                .invalidArgument, "could not grow the bed at \(root)", cause: error)
        } catch {
            throw DriverError("grow the bed at \(root)", error)
        }
    }

    /// Takes the bed out of the kernel, as before the machine stops; the next opening of the store
    /// attaches it again.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` while a process has the store open, a layer
    ///   is mounted, or another mount namespace has the bed mounted.
    public func detach() throws(DriverError) {
        let lock = try BedLayout.lock(in: root)
        defer { withExtendedLifetime(lock) {} }
        guard let image = try Bed.image(in: folder, root) else { throw gone() }
        if let device = try Bed.mounted(root, folder, image)?.device {
            try unmount(device)
        }
        // The kernel lets go of a device a moment after its last user.
        for _ in 0..<100 {
            guard let device = try deviceInUse(image) else { return }
            if !DeviceHolders.processes(mounting: device).isEmpty { break }
            Pause.milliseconds(10)
        }
        guard let device = try deviceInUse(image) else { return }
        // Somebody still uses it, by mounts made from it: as it was, then.
        let failure = inUse(device, cause: nil)
        _ = try Bed.openLocked(root, folder)
        throw failure
    }

    private func deviceInUse(_ image: FileStatus) throws(DriverError) -> DeviceNumber? {
        do throws(SyscallError) {
            guard let device = try LoopDevice.showing(image) else { return nil }
            return device.number
        } catch {
            throw DriverError("look for loop devices", error)
        }
    }

    private func unmount(_ device: DeviceNumber) throws(DriverError) {
        let place = root.appending(BedLayout.tree.description)
        do throws(SyscallError) {
            try MountPoint(place).unmount()
        } catch  where error.errno == .resourceBusy {
            throw inUse(device, cause: error)
        } catch {
            throw DriverError("unmount the bed at \(place)", error)
        }
    }

    private func inUse(_ device: DeviceNumber, cause: SyscallError?) -> DriverError {
        let others = DeviceHolders.processes(mounting: device).filter { $0 != CurrentProcess.id }
        let seen =
            others.isEmpty
            ? ""
            : "; it is mounted in the mount namespaces of processes "
                + listed(others.map(String.init))
        return DriverError(
            .layerInUse,
            "the bed at \(root) is in use: layers are mounted, or a process has the store open"
                + seen,
            cause: cause)
    }

    private func gone() -> DriverError {
        DriverError(.invalidArgument, "the bed at \(root) went away")
    }
}
