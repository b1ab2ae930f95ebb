// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// A filesystem with reflink that a store brings along: an image below the root, on a loop device,
/// mounted at `ROOT/bed`, with the whole store in it.
///
/// The kernel keeps the loop device for as long as it is mounted and no longer, so there is nothing to
/// clear after a kill, and attaching again after a reboot is what every opening does. As long as this
/// object lives, nobody can take the mount away.
final class LoopImage: Sendable {
    /// The store's root, below which the image is.
    let root: FilePath
    private let directory: Directory
    /// The root of the filesystem in the image.
    let tree: Directory
    let device: DeviceNumber
    /// Whether it was not mounted here before it was opened.
    private let wasAttached: Bool

    private init(
        _ root: FilePath, _ directory: Directory, _ tree: Directory, _ device: DeviceNumber,
        wasAttached: Bool = false
    ) {
        (self.root, self.directory, self.tree, self.device) = (root, directory, tree, device)
        self.wasAttached = wasAttached
    }

    /// Where the store is that lies on the loop image.
    var path: FilePath { root.appending(LoopImageLayout.tree.description) }
    var image: FilePath { root.appending(LoopImageLayout.image.description) }

    /// The loop image of a store, attached and mounted in this mount namespace where it was not; nil when the
    /// store has none.
    ///
    /// Nothing of it reaches the kernel unless all of it is the caller's or root's alone.
    static func open(_ place: TrustedDirectory) throws(DriverError) -> LoopImage? {
        guard let directory = place.opened else { return nil }
        let root = place.path
        guard let image = try image(in: directory, root) else { return nil }
        try Trust.require(LoopImageLayout.names, in: directory, root)
        if let loopImage = try mounted(root, directory, image) { return loopImage }
        let below = try attempting("look for a loop image", try directory.descriptor.filesystem())
        if below.isRemote {
            // Who owns a file there is only what somebody else says.
            throw DriverError(
                .untrusted,
                "the loop image at \(root) is on \(below.typeName): a loop image needs a filesystem of this machine"
            )
        }
        if below.isReadOnly { return try attach(root, directory, image, readOnly: true) }
        let lock = try LoopImageLayout.lock(in: root)
        defer { withExtendedLifetime(lock) {} }
        return try openLocked(root, directory)
    }

    /// The same; the caller holds the lock.
    static func openLocked(_ root: FilePath, _ directory: Directory) throws(DriverError)
        -> LoopImage?
    {
        guard let image = try image(in: directory, root) else { return nil }
        if let loopImage = try mounted(root, directory, image) { return loopImage }
        return try attach(root, directory, image, readOnly: false)
    }

    /// The image as a file; nil when there is none.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/untrusted`` when somebody else could change it.
    static func image(
        in directory: Directory, _ root: FilePath
    ) throws(DriverError) -> FileStatus? {
        let status = try attempting(
            "look for a loop image", try directory.statusIfPresent(of: LoopImageLayout.image))
        if let status {
            try Trust.require(
                status, .regular, at: root.appending(LoopImageLayout.image.description))
        }
        return status
    }

    /// The root, and the image as a file.
    func imageStatus() throws(DriverError) -> (directory: Directory, image: FileStatus) {
        guard let image = try Self.image(in: directory, root) else {
            throw DriverError(.storeDamaged, "\(image) was removed while it is in use")
        }
        return (directory, image)
    }

    // MARK: Mounting

    /// The loop image, if this mount namespace has it mounted.
    static func mounted(
        _ root: FilePath, _ directory: Directory, _ image: FileStatus
    ) throws(DriverError) -> LoopImage? {
        let place = root.appending(LoopImageLayout.tree.description)
        do throws(SyscallError) {
            let tree: Directory
            do throws(SyscallError) {
                tree = try directory.openDirectory(LoopImageLayout.tree)
            } catch  where error.errno == .noSuchFileOrDirectory {
                return nil
            }
            let status = try tree.status()
            if !status.isMountRoot { return nil }
            if try isOurs(status.device, image) {
                return LoopImage(root, directory, tree, status.device)
            }
        } catch {
            throw DriverError("look at \(place)", error)
        }
        throw DriverError(
            .invalidArgument,
            "something else than \(root.appending(LoopImageLayout.image.description)) is mounted at "
                + "\(place): unmount it")
    }

    /// Whether a filesystem lies on a loop device that shows the image.
    private static func isOurs(
        _ number: DeviceNumber, _ image: FileStatus
    ) throws(SyscallError) -> Bool {
        guard number.major == LoopDevice.major else { return false }
        do throws(SyscallError) {
            return try LoopDevice.isBacked(BlockDevice(number, readOnly: true), by: image)
        } catch  where [.permissionDenied, .notPermitted].contains(error.errno) {
            // Who may only read the store may not ask; whoever mounted it here was allowed to.
            return true
        }
    }

    /// Attaches the image unless some mount namespace has it attached, and mounts it in this one.
    ///
    /// A device that is mounted twice is one filesystem: namespaces that do not see each other's mounts
    /// share it.
    private static func attach(
        _ root: FilePath, _ directory: Directory, _ image: FileStatus, readOnly: Bool
    ) throws(DriverError) -> LoopImage {
        let place = root.appending(LoopImageLayout.tree.description)
        do throws(SyscallError) {
            let device = try device(of: image, in: directory, readOnly: readOnly)
            if !readOnly {
                _ = try directory.makeOrOpenDirectory(LoopImageLayout.tree, permissions: 0o700)
            }
            // What is in layers works where they are mounted, and not from here.
            let attributes: MountAttributes =
                readOnly ? LoopImageLayout.forbidden.union(.readOnly) : LoopImageLayout.forbidden
            let options = LoopImageLayout.mountOptions + (readOnly ? [MountOption("ro")] : [])
            try Mount(
                .device(device.path, type: LoopImageLayout.filesystem, options: options),
                attributes: attributes
            ).attach(at: place)
            return LoopImage(
                root, directory, try directory.openDirectory(LoopImageLayout.tree), device.number,
                wasAttached: true)
        } catch {
            throw mountError(
                "mount the loop image of the store at \(root)", error, isXFS: isXFS(directory))
        }
    }

    /// Lets a loop image go, and takes it out of the kernel when it was attached for this opening and nobody
    /// uses it.
    ///
    /// Whoever has found it mounted meanwhile holds it.
    static func withdraw(_ loopImage: inout LoopImage?) {
        let attached = loopImage.flatMap { $0.wasAttached ? (root: $0.root, path: $0.path) : nil }
        loopImage = nil
        guard let attached else { return }
        let lock = try? LoopImageLayout.lock(in: attached.root)
        try? MountPoint(attached.path).unmount()
        _ = consume lock
    }

    /// Whether the image begins as xfs does.
    private static func isXFS(_ directory: Directory) -> Bool {
        var head = [UInt8](repeating: 0, count: 4)
        guard let file = try? directory.open(LoopImageLayout.image, .readOnly),
            (try? file.read(into: &head, count: 4, at: 0)) == 4
        else { return false }
        return head == Array("XFSB".utf8)
    }

    private static func device(
        of image: FileStatus, in directory: Directory, readOnly: Bool
    ) throws(SyscallError) -> BlockDevice {
        if let device = try LoopDevice.showing(image, readOnly: readOnly) { return device }
        let file = try directory.open(LoopImageLayout.image, readOnly ? .readOnly : .readWrite)
        return try LoopDevice.attach(file, directly: true, readOnly: readOnly)
    }

    /// What a refusal to attach or to mount means.
    ///
    /// xfs says no more than `EINVAL` of what is no xfs, and of one whose identity is mounted already.
    static func mountError(
        _ action: String, _ error: SyscallError, isXFS: Bool = false
    ) -> DriverError {
        let text = "could not \(action)"
        switch error.errno {
        case .permissionDenied, .notPermitted, .operationNotSupportedByDevice,
            .noSuchFileOrDirectory:
            return DriverError(
                .unsupported,
                "\(text): a loop image needs loop devices, xfs, and root of the machine",
                cause: error)
        case .invalidArgument where isXFS:
            return DriverError(
                .invalidArgument,
                "\(text): it is a copy of one that is mounted, and only one of them can be used at a "
                    + "time",
                cause: error)
        case .invalidArgument:
            return DriverError(
                .storeDamaged, "\(text): the image is not an XFS filesystem", cause: error)
        default:
            return DriverError(action, error)
        }
    }
}
