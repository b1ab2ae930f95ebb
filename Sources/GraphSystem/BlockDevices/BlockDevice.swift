// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
package import SystemPackage

/// An open block device.
package struct BlockDevice: ~Copyable, Sendable {
    package let descriptor: OwnedDescriptor
    package let number: DeviceNumber
    /// A path for mount(2) and for mkfs: the kernel's own node, or this very descriptor where there
    /// is none.
    package let path: FilePath

    /// Opens the device of a number, whatever nodes `/dev` has.
    ///
    /// - Parameters:
    ///   - number: Of the device.
    ///   - readOnly: Whether it is only read.
    ///   - claiming: Whether others are kept from claiming it while it is open, as a mount does; `O_EXCL`.
    /// - Throws: `ENXIO` or `ENOENT` when there is no such device, `EBUSY` when it is to be claimed and
    ///   another has.
    package init(
        _ number: DeviceNumber, readOnly: Bool = false, claiming: Bool = false
    ) throws(SyscallError) {
        var flags: OpenFlags = readOnly ? .readOnly : .readWrite
        if claiming { flags.insert(.exclusive) }
        self.number = number
        if let node = try Self.node(of: number) {
            descriptor = try OwnedDescriptor.open(node, flags)
            path = node
            return
        }
        // A container's /dev: a node for a moment, by a name that nobody guesses.
        let name = RawPath(".graph-" + String(UInt64.random(in: .min ... .max), radix: 16))
        let directory = try Directory(opening: "/dev")
        try directory.makeSpecial(name, .blockDevice, permissions: 0o600, device: number)
        defer { try? directory.removeFile(name) }
        descriptor = try directory.open(name, flags)
        // Of this process, so that a child finds it too.
        path = FilePath("/proc/\(getpid())/fd/\(descriptor.rawValue)")
    }

    /// Opens the device of a path.
    ///
    /// - Throws: `ENOTBLK` when it is something else.
    package init(opening path: FilePath, readOnly: Bool = false) throws(SyscallError) {
        let opened = try OwnedDescriptor.open(path, readOnly ? .readOnly : .readWrite)
        let status = try opened.status()
        guard status.type == .blockDevice else {
            throw SyscallError(call: "open(\(path))", errno: Errno(rawValue: ENOTBLK))
        }
        number = status.special
        descriptor = opened
        self.path = path
    }

    /// Whether a mount has the device, or another that keeps it for itself.
    package static func isClaimed(_ number: DeviceNumber) throws(SyscallError) -> Bool {
        do throws(SyscallError) {
            _ = try BlockDevice(number, readOnly: true, claiming: true)
            return false
        } catch  where error.errno == .resourceBusy {
            return true
        } catch  where [.noSuchAddressOrDevice, .noSuchFileOrDirectory].contains(error.errno) {
            return false
        }
    }

    /// The kernel's own node of a device; nil where `/dev` does not have it.
    package static func node(of number: DeviceNumber) throws(SyscallError) -> FilePath? {
        let path = FilePath("/sys/dev/block/\(number.major):\(number.minor)/uevent")
        guard let file = try? OwnedDescriptor.open(path, .readOnly) else { return nil }
        let lines = String(decoding: try file.readAll(limit: 1 << 16), as: UTF8.self)
            .split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("DEVNAME=") }) else { return nil }
        let name = line.dropFirst("DEVNAME=".count)
        guard let status = try? Directory(opening: "/dev").status(of: RawPath(String(name))),
            status.type == .blockDevice, status.special == number
        else { return nil }
        return FilePath("/dev").appending(String(name))
    }

    /// The device's size in bytes; `BLKGETSIZE64`.
    package func size() throws(SyscallError) -> UInt64 {
        var bytes: UInt64 = 0
        try checked("ioctl(BLKGETSIZE64, \(path))") {
            cgraph_block_size(descriptor.rawValue, &bytes)
        }
        return bytes
    }

    /// Gives back all blocks; what was in them is lost; `BLKDISCARD`.
    package func discard() throws(SyscallError) {
        let bytes = try size()
        try checked("ioctl(BLKDISCARD, \(path))") {
            cgraph_block_discard(descriptor.rawValue, bytes)
        }
    }
}

/// Loop devices: files as block devices; loop(4).
package enum LoopDevice {
    /// Makes a block device of a file, which goes away when nobody uses it any more;
    /// `LOOP_CONFIGURE`.
    ///
    /// The file is open for reading, and for writing unless the device is `readOnly`. `directly`: past
    /// the file's page cache, in blocks of 4,096 bytes; where the file's filesystem cannot do that,
    /// through it, which ``isDirect(_:)`` tells.
    package static func attach(
        _ file: borrowing OwnedDescriptor, directly: Bool = false, readOnly: Bool = false
    ) throws(SyscallError) -> BlockDevice {
        let control = try OwnedDescriptor.open("/dev/loop-control", .readWrite)
        let raw = file.rawValue
        var tries = 0
        while true {
            let number = try checked("ioctl(LOOP_CTL_GET_FREE)") {
                cgraph_loop_free(control.rawValue)
            }
            do throws(SyscallError) {
                let device = try BlockDevice(
                    opening: FilePath("/dev").appending("loop\(number)"), readOnly: readOnly)
                try checked("ioctl(LOOP_CONFIGURE)") {
                    cgraph_loop_configure(
                        device.descriptor.rawValue, raw, directly ? 4_096 : 0, directly ? 1 : 0,
                        readOnly ? 1 : 0)
                }
                return device
            } catch  where error.errno == .resourceBusy && tries < 64 {
                // Another process was quicker.
                tries += 1
            }
        }
    }

    /// Whether a device is a loop device that shows this file; `LOOP_GET_STATUS64`.
    package static func isBacked(
        _ device: borrowing BlockDevice, by file: FileStatus
    ) throws(SyscallError) -> Bool {
        var (number, inode): (UInt64, UInt64) = (0, 0)
        let raw = device.descriptor.rawValue
        try checked("ioctl(LOOP_GET_STATUS64)") { cgraph_loop_backing(raw, &number, &inode) }
        return inode == file.inode
            && number == cgraph_loop_device(file.device.major, file.device.minor)
    }

    /// Has a loop device take the size that its file has now; `LOOP_SET_CAPACITY`.
    package static func refresh(_ device: borrowing BlockDevice) throws(SyscallError) {
        let raw = device.descriptor.rawValue
        try checked("ioctl(LOOP_SET_CAPACITY)") { cgraph_loop_refresh(raw) }
    }
}

extension DeviceNumber: CustomStringConvertible {
    /// Reads `MAJOR:MINOR`.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":").compactMap { UInt32($0) }
        if parts.count != 2 { return nil }
        self.init(major: parts[0], minor: parts[1])
    }

    /// `MAJOR:MINOR`, as tables of device mapper name a device.
    public var description: String { "\(major):\(minor)" }
}
