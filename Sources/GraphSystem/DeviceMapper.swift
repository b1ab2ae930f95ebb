// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// The kernel's device mapper, by the ioctls of `/dev/mapper/control` (`linux/dm-ioctl.h`).
///
/// udev is told with every change to leave the devices alone, and is not waited for: there is no
/// cookie, no semaphore and no link in `/dev/mapper`. Devices are opened by their numbers.
public final class DeviceMapper: Sendable {
    private let control: OwnedDescriptor

    /// Opens the control device and agrees on a version.
    ///
    /// - Throws: `ENOENT` where the kernel has no device mapper, `EACCES` or `EPERM` for users other
    ///   than root.
    public init() throws(SyscallError) {
        control = try OwnedDescriptor.open("/dev/mapper/control", .readWrite)
        var version: (UInt32, UInt32, UInt32) = (0, 0, 0)
        let raw = control.rawValue
        try checked("ioctl(DM_VERSION)") {
            withUnsafeMutableBytes(of: &version) {
                cgraph_dm_version(raw, $0.baseAddress?.assumingMemoryBound(to: UInt32.self))
            }
        }
    }

    /// Whether the kernel has a kind of target, such as `thin-pool`; `DM_LIST_VERSIONS`.
    public func hasTarget(_ type: String) throws(SyscallError) -> Bool {
        try checked("ioctl(DM_LIST_VERSIONS)") { cgraph_dm_has_target(control.rawValue, type) } == 1
    }

    /// Makes a device without a table; `DM_DEV_CREATE`.
    ///
    /// - Throws: `EBUSY` when there is one of this name or UUID.
    public func create(_ name: String, uuid: String) throws(SyscallError) -> MappedDevice {
        var info = cgraph_dm_info()
        try checked("ioctl(DM_DEV_CREATE, \(name))") {
            cgraph_dm_create(control.rawValue, name, uuid, &info)
        }
        return MappedDevice(info)
    }

    /// What is known about a device; nil when there is none; `DM_DEV_STATUS`.
    public func status(of name: String) throws(SyscallError) -> MappedDevice? {
        try status("DM_DEV_STATUS, \(name)") {
            cgraph_dm_status(control.rawValue, name, 0, 0, &$0)
        }
    }

    /// What is known about the device of a number; nil when there is none.
    public func status(of number: DeviceNumber) throws(SyscallError) -> MappedDevice? {
        try status("DM_DEV_STATUS, \(number.major):\(number.minor)") {
            cgraph_dm_status(control.rawValue, nil, number.major, number.minor, &$0)
        }
    }

    private func status(
        _ call: String, _ ask: (inout cgraph_dm_info) -> CInt
    ) throws(SyscallError) -> MappedDevice? {
        var info = cgraph_dm_info()
        do throws(SyscallError) {
            try checked("ioctl(\(call))") { ask(&info) }
        } catch  where error.errno == .noSuchAddressOrDevice {
            return nil
        }
        return MappedDevice(info)
    }

    /// Takes a device away, or with `deferring` lets one in use go away with its last user; does
    /// nothing when there is none; `DM_DEV_REMOVE`.
    ///
    /// Throws `EBUSY` when it is in use.
    public func remove(_ name: String, deferring: Bool = false) throws(SyscallError) {
        do throws(SyscallError) {
            try checked("ioctl(DM_DEV_REMOVE, \(name))") {
                cgraph_dm_remove(control.rawValue, name, deferring ? 1 : 0)
            }
        } catch  where error.errno == .noSuchAddressOrDevice {
            // It is gone, which is what was asked for.
        }
    }

    /// Gives a device a table, which the next ``resume(_:)`` makes live; `DM_TABLE_LOAD`.
    public func load(
        _ name: String, _ target: MappedTarget, readOnly: Bool = false
    ) throws(SyscallError) {
        try checked("ioctl(DM_TABLE_LOAD, \(name): \(target.type) \(target.parameters))") {
            cgraph_dm_load(
                control.rawValue, name, target.sectors, target.type, target.parameters,
                readOnly ? 1 : 0)
        }
    }

    /// Holds up a device, after what is on its way, with a filesystem mounted from it in a state that
    /// can be read; `DM_DEV_SUSPEND`.
    public func suspend(_ name: String) throws(SyscallError) {
        try checked("ioctl(DM_DEV_SUSPEND, \(name))") {
            cgraph_dm_suspend(control.rawValue, name, 0)
        }
    }

    /// Has a device fail whatever is still asked of it, and let go of what it lay on.
    public func abandon(_ name: String) throws(SyscallError) {
        guard let table = try target(of: name), table.type != "error" else { return }
        do throws(SyscallError) {
            try load(name, MappedTarget(type: "error", sectors: table.sectors, parameters: ""))
            try checked("ioctl(DM_DEV_SUSPEND, \(name))") {
                cgraph_dm_suspend(control.rawValue, name, 1)
            }
            try resume(name)
        } catch  where error.errno == .noSuchAddressOrDevice {
            // Its last user has just let go of it.
        }
    }

    /// Lets a device go on, with the table loaded last.
    public func resume(_ name: String) throws(SyscallError) {
        try checked("ioctl(DM_DEV_SUSPEND, resume \(name))") {
            cgraph_dm_resume(control.rawValue, name)
        }
    }

    /// The live table's target, or with `status` how that target fares; nil when there is no table;
    /// `DM_TABLE_STATUS`.
    public func target(
        of name: String, status: Bool = false
    ) throws(SyscallError) -> MappedTarget? {
        var type = [CChar](repeating: 0, count: 16)
        var text = [CChar](repeating: 0, count: 4_096)
        var sectors: UInt64 = 0
        do throws(SyscallError) {
            try checked("ioctl(DM_TABLE_STATUS, \(name))") {
                cgraph_dm_target(
                    control.rawValue, name, status ? 0 : 1, &type, &sectors, &text, text.count)
            }
        } catch  where error.errno == .noSuchAddressOrDevice || error.errno == .noData {
            return nil
        }
        return MappedTarget(
            type: Self.text(type), sectors: sectors, parameters: Self.text(text))
    }

    /// Tells a target something; `DM_TARGET_MSG`.
    public func send(_ message: String, to name: String) throws(SyscallError) {
        try checked("ioctl(DM_TARGET_MSG, \(name): \(message))") {
            cgraph_dm_message(control.rawValue, name, message)
        }
    }

    /// The names of all devices; `DM_LIST_DEVICES`.
    public func devices() throws(SyscallError) -> [String] {
        var names: UnsafeMutablePointer<CChar>?
        var size = 0
        try checked("ioctl(DM_LIST_DEVICES)") {
            cgraph_dm_list(control.rawValue, &names, &size)
        }
        defer { free(names) }
        let bytes = UnsafeRawBufferPointer(start: names, count: size)
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// A device of device mapper, as it is at a moment.
public struct MappedDevice: Hashable, Sendable {
    public let name: String
    public let uuid: String
    public let number: DeviceNumber
    /// How many mounts and open files use it.
    public let openCount: Int
    public let isReadOnly: Bool
    public let isSuspended: Bool
    /// Whether it has a live table.
    public let isActive: Bool

    init(_ info: cgraph_dm_info) {
        var info = info
        name = withUnsafeBytes(of: &info.name) { Self.text($0) }
        uuid = withUnsafeBytes(of: &info.uuid) { Self.text($0) }
        number = DeviceNumber(major: info.major, minor: info.minor)
        openCount = Int(info.open_count)
        isReadOnly = info.flags & CGRAPH_DM_READONLY != 0
        isSuspended = info.flags & CGRAPH_DM_SUSPENDED != 0
        isActive = info.flags & CGRAPH_DM_ACTIVE != 0
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// A table of one target that makes up a whole device.
public struct MappedTarget: Hashable, Sendable {
    /// `thin-pool`, `thin`, `linear`.
    public let type: String
    /// Of 512 bytes.
    public let sectors: UInt64
    /// Parameters of the table, or the status in the target's own words.
    public let parameters: String

    /// Describes a target.
    public init(type: String, sectors: UInt64, parameters: String) {
        (self.type, self.sectors, self.parameters) = (type, sectors, parameters)
    }
}
