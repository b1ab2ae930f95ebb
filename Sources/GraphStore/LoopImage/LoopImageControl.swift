// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore
import GraphSystem
public import SystemPackage

/// What an administrator does with the loop image of a store.
public struct LoopImageControl: Sendable {
    private let root: FilePath
    private let directory: Directory

    /// Finds the loop image of a store, and leaves it as it is: it need not be attached.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` when the store has none.
    public init(root: FilePath) throws(DriverError) {
        let place = try TrustedDirectory(root)
        guard let directory = place.opened, try LoopImage.image(in: directory, place.path) != nil
        else {
            throw DriverError(.invalidArgument, "there is no store with a loop image at \(root)")
        }
        try Trust.require(LoopImageLayout.names, in: directory, place.path)
        (self.root, self.directory) = (place.path, directory)
    }

    /// Lends where the layers of a store are, or would be: on its loop image, which is attached for that
    /// time, or at the root itself.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/untrusted`` when another user could change what is at
    ///   the root.
    public static func withLayersRoot<Value>(
        of root: FilePath, _ body: (FilePath) throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        let place = try TrustedDirectory(root)
        var loopImage = try LoopImage.open(place)
        defer { LoopImage.withdraw(&loopImage) }
        return try body(loopImage?.path ?? place.path)
    }

    /// How the loop image fares.
    public func status() throws(DriverError) -> LoopImageStatus {
        guard let image = try LoopImage.image(in: directory, root) else { throw gone() }
        guard let loopImage = try LoopImage.mounted(root, directory, image) else {
            return try LoopImageStatus(root: root, directory: directory, image: image)
        }
        return try loopImage.status()
    }

    /// Makes the loop image larger, with layers mounted; without a size, by what its image has grown.
    ///
    /// Somebody who died on the way is helped by calling it again.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` for a size below the present one,
    ///   ``GraphCore/DriverError/Code/noSpace`` when the filesystem below has no room for a start.
    public func grow(toBytes bytes: UInt64? = nil) throws(DriverError) {
        let lock = try LoopImageLayout.lock(in: root)
        defer { withExtendedLifetime(lock) {} }
        guard let loopImage = try LoopImage.openLocked(root, directory) else { throw gone() }
        // What xfs writes for its new groups must have room.
        if try loopImage.status().isShort { throw loopImage.hostIsFull(cause: nil) }
        do throws(SyscallError) {
            let file = try directory.open(LoopImageLayout.image, .readWrite)
            let size = try file.status().size
            let wanted = (bytes ?? size) / 4_096 * 4_096
            if wanted < size {
                throw SyscallError(
                    call: "ftruncate(\(LoopImageLayout.image))", errno: .invalidArgument,
                    detail:
                        "the loop image has \(size) bytes already, and xfs cannot be made smaller")
            }
            if wanted > size {
                try file.truncate(to: wanted)
                try file.sync()
            }
            try LoopDevice.refresh(try BlockDevice(loopImage.device))
            try MountedFilesystem(at: loopImage.tree).growXFS(toBytes: wanted)
        } catch  where error.errno == .invalidArgument && error.detail != nil {
            throw DriverError(
                .invalidArgument, "could not grow the loop image at \(root)", cause: error)
        } catch {
            throw DriverError("grow the loop image at \(root)", error)
        }
    }

    /// Takes the loop image out of the kernel, as before the machine stops; the next opening of the store
    /// attaches it again.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/layerInUse`` while a process has the store open, a layer
    ///   is mounted, or another mount namespace has the loop image mounted.
    public func detach() throws(DriverError) {
        let lock = try LoopImageLayout.lock(in: root)
        defer { withExtendedLifetime(lock) {} }
        guard let image = try LoopImage.image(in: directory, root) else { throw gone() }
        if let device = try LoopImage.mounted(root, directory, image)?.device {
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
        _ = try LoopImage.openLocked(root, directory)
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
        let place = root.appending(LoopImageLayout.tree.description)
        do throws(SyscallError) {
            try MountPoint(place).unmount()
        } catch  where error.errno == .resourceBusy {
            throw inUse(device, cause: error)
        } catch {
            throw DriverError("unmount the loop image at \(place)", error)
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
            "the loop image at \(root) is in use: layers are mounted, or a process has the store open"
                + seen,
            cause: cause)
    }

    private func gone() -> DriverError {
        DriverError(.invalidArgument, "the loop image at \(root) went away")
    }
}
