// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
public import SystemPackage

/// A volume of a thin pool with a filesystem on it, as a value: nothing of it need be active.
///
/// The device is made when it is opened and goes away by itself with its last user
/// (`dm_task_deferred_remove`), so that a mount needs nothing but being unmounted. Any number of processes
/// may open a volume at once: making a device that is there is no error, and one that goes away in
/// between is made again.
public struct ThinVolume: Hashable, Sendable {
    /// The device's name and UUID.
    public let name: String
    /// The device's UUID, by which it is told from others of the same name.
    public let uuid: String
    /// The device of its pool.
    public let pool: DeviceNumber
    /// The volume's number in the pool, below 2^24.
    public let id: UInt32
    /// Of 512 bytes.
    public let sectors: UInt64
    /// The filesystem as mount(8) spells it, and its options.
    public let type: String
    /// Options to mount the filesystem with.
    public let options: [MountOption]
    /// Whether the device itself is to refuse writing.
    public let isReadOnly: Bool
    /// The file whose byte `id` + 1 is locked while the device is made or opened.
    public let lock: FilePath

    /// Describes a volume.
    public init(
        name: String, uuid: String, pool: DeviceNumber, id: UInt32, sectors: UInt64, type: String,
        options: [MountOption], isReadOnly: Bool, lock: FilePath
    ) {
        (self.name, self.uuid, self.pool, self.id) = (name, uuid, pool, id)
        (self.sectors, self.type, self.options) = (sectors, type, options)
        (self.isReadOnly, self.lock) = (isReadOnly, lock)
    }

    private static let triesMax = 100

    /// Opens the volume's device, and makes it before where it is missing.
    ///
    /// - Throws: `ENODATA` when the pool has no volume of this number, `EBUSY` when it is wanted for
    ///   writing and stays in use for reading.
    package func open(_ mapper: DeviceMapper) throws(SyscallError) -> OpenVolume {
        var tries = 0
        while true {
            do throws(SyscallError) {
                return try openOnce(mapper, after: tries)
            } catch  where Self.isPassing(error.errno) && tries < Self.triesMax {
                tries += 1
                Pause.milliseconds(tries < 10 ? 2 : 20)
            }
        }
    }

    /// The device went away between two calls, or its last user has not yet let go.
    private static func isPassing(_ errno: Errno) -> Bool {
        errno == .noSuchAddressOrDevice || errno == .noSuchFileOrDirectory
            || errno == Errno(rawValue: ENODEV)
            || errno == .resourceBusy
    }

    private func openOnce(
        _ mapper: DeviceMapper, after tries: Int
    ) throws(SyscallError) -> OpenVolume {
        let lock = try waitForLock()
        defer { withExtendedLifetime(lock) {} }
        let active = try activate(mapper, after: tries)
        let device = try BlockDevice(active.number, readOnly: active.isReadOnly)
        // The number may have gone to another device before it was opened; from now on it cannot.
        guard let now = try mapper.status(of: device.number), now.uuid == uuid, now.isActive else {
            throw SyscallError(call: "open(\(name))", errno: .noSuchAddressOrDevice)
        }
        if now.isReadOnly && !isReadOnly {
            throw SyscallError(call: "open(\(name))", errno: .resourceBusy)
        }
        // Now that it is open it stays until it is closed.
        try mapper.remove(name, deferring: true)
        return OpenVolume(device: device, isReadOnly: now.isReadOnly)
    }

    /// Makes a device of the volume that stays until it is removed by its ``name``; one that is there is
    /// taken as it is.
    ///
    /// - Returns: The kernel's node.
    /// - Throws: `ENOENT` where `/dev` has no node, and no device is left then; `EBUSY` when it is wanted
    ///   for writing and in use for reading.
    package func makeDevice(_ mapper: DeviceMapper) throws(SyscallError) -> FilePath {
        let lock = try waitForLock()
        defer { withExtendedLifetime(lock) {} }
        let made = try activate(mapper, after: Self.triesMax, awaitingNode: true)
        try mapper.ensureNode(of: name)
        if let node = try BlockDevice.node(of: made.number) { return node }
        try? mapper.remove(name, awaitingNode: true)
        throw SyscallError(
            call: "open(/dev/dm-\(made.number.minor))", errno: .noSuchFileOrDirectory)
    }

    /// Keeps others from giving the device another table than it is about to get; nil in a store that
    /// cannot be written, whose volumes are only read.
    private func waitForLock() throws(SyscallError) -> RangeLock? {
        do throws(SyscallError) {
            return try RangeLock(waitingFor: Int64(id) + 1, in: lock)
        } catch  where error.errno == .readOnlyFileSystem || error.errno == .permissionDenied {
            return nil
        }
    }

    private func activate(
        _ mapper: DeviceMapper, after tries: Int, awaitingNode: Bool = false
    ) throws(SyscallError) -> MappedDevice {
        let device = try mapper.status(of: name)
        if let device, device.isActive, !device.isSuspended {
            if device.isReadOnly == isReadOnly { return device }
            if device.openCount > 0 {
                // For reading, one that may be written does as well, unless it is about to go.
                if isReadOnly && tries >= 5 { return device }
                throw SyscallError(call: "open(\(name))", errno: .resourceBusy)
            }
            try mapper.remove(name)
        } else if let device, device.isActive, tries < 50 {
            // A snapshot of it is being made, or whoever made one died over it.
            throw SyscallError(call: "open(\(name))", errno: .resourceBusy)
        }
        do throws(SyscallError) {
            _ = try mapper.create(name, uuid: uuid)
        } catch  where error.errno == .resourceBusy {
            // Whoever made it died over it.
        }
        do throws(SyscallError) {
            let target = MappedTarget(
                type: "thin", sectors: sectors, parameters: "\(pool.major):\(pool.minor) \(id)")
            try mapper.load(name, target, readOnly: isReadOnly)
            try mapper.resume(name, awaitingNode: awaitingNode)
        } catch {
            // Without a table it would stay.
            if let made = try? mapper.status(of: name), !made.isActive { try? mapper.remove(name) }
            throw error
        }
        guard let device = try mapper.status(of: name) else {
            throw SyscallError(call: "open(\(name))", errno: .noSuchAddressOrDevice)
        }
        return device
    }

    /// Opens the root of the filesystem, mounted where nobody sees it: it is unmounted when the last
    /// descriptor below it is closed.
    package func openFilesystem(_ mapper: DeviceMapper) throws(SyscallError) -> Directory {
        let device = try open(mapper)
        let mount = try makeMount(device)
        return try Directory(owning: mount.descriptor.duplicate()).openDirectory(".")
    }

    /// Shows a directory of the filesystem at a place.
    ///
    /// Kernels before 6.15 clone no part of a mount that is in no tree: so the whole filesystem is at
    /// the place for a moment, and what it takes to clone the part.
    func attach(
        _ directory: RawPath, at target: FilePath, _ attributes: MountAttributes
    ) throws(SyscallError) {
        let device = try open(try DeviceMapper())
        try makeMount(device).attach(at: target, attributes)
        var part: Result<CInt, SyscallError>
        do throws(SyscallError) {
            let below = try Directory(opening: target)
            part = .success(
                try checked("open_tree(\(directory))") {
                    directory.withCString { cgraph_open_tree_clone(below.raw, $0) }
                })
        } catch {
            part = .failure(error)
        }
        try MountPoint(target).unmount(detaching: true)
        try DetachedMount(owning: try part.get()).attach(at: target, attributes)
    }

    /// How much of the volume the pool has given it, its own and what it shares, of 512 bytes.
    package func mappedSectors(_ mapper: DeviceMapper) throws(SyscallError) -> UInt64 {
        let device = try open(mapper)
        let status = try mapper.target(of: name, status: true)
        withExtendedLifetime(device.device.number) {}
        let words = status?.parameters.split(separator: " ") ?? []
        guard status?.type == "thin", let sectors = words.first.flatMap({ UInt64($0) }) else {
            throw SyscallError(
                call: "dm_task_run(status, \(name))", errno: .ioError,
                detail: status?.parameters)
        }
        return sectors
    }

    /// Mounts the filesystem nowhere.
    ///
    /// The kernel refuses to while the device is suspended, as for the moment in which a snapshot of it
    /// is made: that is waited for.
    private func makeMount(_ device: borrowing OpenVolume) throws(SyscallError) -> DetachedMount {
        var tries = 0
        while true {
            do throws(SyscallError) {
                return try makeMountOnce(device)
            } catch  where error.errno == .resourceBusy && tries < 3 * Self.triesMax {
                tries += 1
                Pause.milliseconds(tries < 10 ? 2 : 20)
            }
        }
    }

    private func makeMountOnce(
        _ device: borrowing OpenVolume
    ) throws(SyscallError) -> DetachedMount {
        let context = try FilesystemContext(type)
        try context.set("source", string: device.device.path.string)
        if device.isReadOnly { try context.set(MountOption("ro")) }
        for option in options { try context.set(option) }
        let mount = try context.create()
        if !device.isReadOnly { try mount.requireWritable("fsconfig(create)") }
        if type == "xfs" && !device.isReadOnly { Self.limitRetries(of: device.device.number) }
        return mount
    }

    /// Has xfs give up after a minute where the pool has no room for what it must write: it would try
    /// for ever, with whoever waits for it.
    private static func limitRetries(of device: DeviceNumber) {
        let path = FilePath(
            "/sys/fs/xfs/dm-\(device.minor)/error/metadata/ENOSPC/retry_timeout_seconds")
        // Where /sys cannot be written, growing the pool or removing something ends the wait.
        if let file = try? OwnedDescriptor.open(path, .writeOnly) { try? file.write("60") }
    }
}

/// An open device of a thin volume.
package struct OpenVolume: ~Copyable, Sendable {
    package let device: BlockDevice
    /// Whether the device refuses writing.
    package let isReadOnly: Bool
}
