// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// The kernel's device mapper, by libdevmapper.
///
/// Names are as `dmsetup ls` shows them, and nodes in `/dev/mapper` are udev's where a udevd runs, else
/// the library's. Devices are opened by their numbers all the same: only where a device is there for others
/// is a node waited for.
package final class DeviceMapper: Sendable {
    private let library: DeviceMapperLibrary

    /// Makes sure that the kernel has device mapper, and takes back what processes left that died over
    /// a device.
    ///
    /// - Throws: `ELIBACC` where libdevmapper is missing, `ENOENT` where the kernel has no device
    ///   mapper, `EACCES` or `EPERM` for users other than root.
    package init() throws(SyscallError) {
        // The library would make a node for what is not there, and remember the refusal for good.
        _ = try OwnedDescriptor.open("/dev/mapper/control", .readWrite)
        library = try .load()
        library.reclaimCookies()
    }

    /// The version of libdevmapper, such as `1.02.185 (2022-05-18)`.
    ///
    /// - Throws: `ELIBACC` where it is missing.
    package static func libraryVersion() throws(SyscallError) -> String {
        try DeviceMapperLibrary.load().version
    }

    private var functions: cgraph_devmapper { library.functions }

    /// Runs a task on the device of a name.
    private func run(
        _ task: MapperTask, _ name: String, awaitsNode: Bool = false,
        _ prepare: (OpaquePointer) -> Bool = { _ in true }
    ) throws(SyscallError) {
        try library.run(task, name, awaitsNode: awaitsNode) {
            functions.task_set_name($0, name) != 0 && prepare($0)
        } answer: { _ in
        }
    }

    /// Whether the kernel has a kind of target, such as `thin-pool`; `DM_DEVICE_LIST_VERSIONS`.
    package func hasTarget(_ type: String) throws(SyscallError) -> Bool {
        try library.run(.listVersions, type) { _ in
            true
        } answer: { task in
            var next = UnsafePointer(functions.task_get_versions(task))
            while let target = next {
                if String(cString: cgraph_devmapper_target(target)) == type { return true }
                next = Self.advanced(target, by: target.pointee.next)
            }
            return false
        }
    }

    /// Makes a device without a table; `DM_DEVICE_CREATE`.
    ///
    /// - Throws: `EBUSY` when there is one of this name or UUID.
    package func create(_ name: String, uuid: String) throws(SyscallError) -> MappedDevice {
        let made = try library.run(.create, name) {
            functions.task_set_name($0, name) != 0 && functions.task_set_uuid($0, uuid) != 0
        } answer: {
            device($0)
        }
        guard let made else {
            throw SyscallError(call: "dm_task_get_info(\(name))", errno: .ioError)
        }
        return made
    }

    /// What is known about a device; nil when there is none; `DM_DEVICE_INFO`.
    package func status(of name: String) throws(SyscallError) -> MappedDevice? {
        try library.run(.info, name) {
            functions.task_set_name($0, name) != 0
        } answer: {
            device($0)
        }
    }

    /// What is known about the device of a number; nil when there is none.
    package func status(of number: DeviceNumber) throws(SyscallError) -> MappedDevice? {
        try library.run(.info, "\(number)") {
            functions.task_set_major($0, CInt(number.major)) != 0
                && functions.task_set_minor($0, CInt(number.minor)) != 0
        } answer: {
            device($0)
        }
    }

    private func device(_ task: OpaquePointer) -> MappedDevice? {
        var info = dm_info()
        guard functions.task_get_info(task, &info) != 0, info.exists != 0 else { return nil }
        return MappedDevice(
            name: Self.text(functions.task_get_name(task)),
            uuid: Self.text(functions.task_get_uuid(task)), info)
    }

    /// Takes a device away, or with `deferring` lets one in use go away with its last user; does
    /// nothing when there is none; `DM_DEVICE_REMOVE`.
    ///
    /// `awaitingNode`: its node in `/dev/mapper` is gone as well when this returns.
    ///
    /// Throws `EBUSY` when it is in use.
    package func remove(
        _ name: String, deferring: Bool = false, awaitingNode: Bool = false
    ) throws(SyscallError) {
        do throws(SyscallError) {
            try run(.remove, name, awaitsNode: awaitingNode) {
                !deferring || functions.task_deferred_remove($0) != 0
            }
        } catch  where error.errno == .noSuchAddressOrDevice {
            // It is gone, which is what was asked for.
        }
        if awaitingNode, library.isUdevRunning { try removeLink(of: name) }
    }

    /// Gives a device a table, which the next ``resume(_:)`` makes live; `DM_DEVICE_RELOAD`.
    package func load(
        _ name: String, _ target: MappedTarget, readOnly: Bool = false
    ) throws(SyscallError) {
        let subject = "\(name): \(target.type) \(target.parameters)"
        try library.run(.load, subject) {
            functions.task_set_name($0, name) != 0
                && functions.task_add_target($0, 0, target.sectors, target.type, target.parameters)
                    != 0
                && (!readOnly || functions.task_set_ro($0) != 0)
        } answer: { _ in
        }
    }

    /// Holds up a device, after what is on its way, with a filesystem mounted from it in a state that
    /// can be read; `DM_DEVICE_SUSPEND`.
    package func suspend(_ name: String) throws(SyscallError) { try run(.suspend, name) }

    /// Has a device fail whatever is still asked of it, and let go of what it lay on.
    package func abandon(_ name: String) throws(SyscallError) {
        guard let table = try target(of: name), table.type != "error" else { return }
        do throws(SyscallError) {
            try load(name, MappedTarget(type: "error", sectors: table.sectors, parameters: ""))
            // Without waiting for what is on its way, or for a filesystem.
            try run(.suspend, name) {
                functions.task_no_flush($0) != 0 && functions.task_skip_lockfs($0) != 0
            }
            try resume(name)
        } catch  where error.errno == .noSuchAddressOrDevice {
            // Its last user has just let go of it.
        }
    }

    /// Lets a device go on, with the table loaded last; `DM_DEVICE_RESUME`.
    ///
    /// `awaitingNode`: it has its node in `/dev/mapper` when this returns.
    package func resume(_ name: String, awaitingNode: Bool = false) throws(SyscallError) {
        try run(.resume, name, awaitsNode: awaitingNode)
        if awaitingNode { try ensureNode(of: name) }
    }

    /// The live table's target, or with `status` how that target fares; nil when there is no table;
    /// `DM_DEVICE_TABLE`, `DM_DEVICE_STATUS`.
    package func target(
        of name: String, status: Bool = false
    ) throws(SyscallError) -> MappedTarget? {
        do throws(SyscallError) {
            return try library.run(status ? .status : .table, name) {
                functions.task_set_name($0, name) != 0
            } answer: {
                firstTarget($0)
            }
        } catch  where error.errno == .noSuchAddressOrDevice {
            return nil
        }
    }

    private func firstTarget(_ task: OpaquePointer) -> MappedTarget? {
        var (start, sectors): (UInt64, UInt64) = (0, 0)
        var type: UnsafeMutablePointer<CChar>?
        var parameters: UnsafeMutablePointer<CChar>?
        _ = functions.get_next_target(task, nil, &start, &sectors, &type, &parameters)
        guard let type else { return nil }
        return MappedTarget(
            type: Self.text(type), sectors: sectors, parameters: Self.text(parameters))
    }

    /// Tells a target something; `DM_DEVICE_TARGET_MSG`.
    package func send(_ message: String, to name: String) throws(SyscallError) {
        try library.run(.message, "\(name): \(message)") {
            functions.task_set_name($0, name) != 0 && functions.task_set_sector($0, 0) != 0
                && functions.task_set_message($0, message) != 0
        } answer: { _ in
        }
    }

    /// The names of all devices; `DM_DEVICE_LIST`.
    package func devices() throws(SyscallError) -> [String] {
        try library.run(.list, "") { _ in
            true
        } answer: { task in
            var names: [String] = []
            var next = UnsafePointer(functions.task_get_names(task))
            while let device = next, device.pointee.dev != 0 {
                names.append(String(cString: cgraph_devmapper_name(device)))
                next = Self.advanced(device, by: device.pointee.next)
            }
            return names
        }
    }

    /// Makes sure that a device has a node in `/dev/mapper`: whoever was to see to it may have died, and
    /// a udevd may give no answer.
    func ensureNode(of name: String) throws(SyscallError) {
        let (link, device) = try link(of: name)
        let nodes = try Directory(opening: Self.nodes)
        guard let device, try nodes.statusIfPresent(of: link) == nil else { return }
        if !library.isUdevRunning { return try run(.makeNodes, name) }
        do throws(SyscallError) {
            // As udev makes it, which then takes it for its own.
            try nodes.makeSymbolicLink(link, to: RawPath("../dm-\(device.number.minor)"))
        } catch  where error.errno == .fileExists {
            // udev has made it.
        }
    }

    /// Removes the link of a device that is gone, when udev has left it.
    private func removeLink(of name: String) throws(SyscallError) {
        let (link, device) = try link(of: name)
        if device != nil { return }
        do throws(SyscallError) {
            try Directory(opening: Self.nodes).removeFile(link)
        } catch  where error.errno == .noSuchFileOrDirectory {
            // udev has removed it.
        }
    }

    /// What udev's link in `/dev/mapper` is called, in which some characters are encoded, and its device.
    private func link(of name: String) throws(SyscallError) -> (RawPath, MappedDevice?) {
        try library.run(.info, name) {
            functions.task_set_name($0, name) != 0
        } answer: { task in
            let encoded = functions.task_get_name_mangled(task)
            defer { free(encoded) }
            return (RawPath(encoded.map { String(cString: $0) } ?? name), device(task))
        }
    }

    private static let nodes: FilePath = "/dev/mapper"

    /// Removes the nodes of devices that are gone, of which the names begin with `prefix`: left where no
    /// udevd runs by processes that died over a device; `DM_DEVICE_MKNODES`.
    package func removeStaleNodes(_ prefix: String) throws(SyscallError) {
        let nodes = try Directory(opening: Self.nodes).listing().map(\.name.description)
            .filter { $0.hasPrefix(prefix) }
        if nodes.isEmpty || library.isUdevRunning { return }
        let known = Set(try devices())
        for node in nodes where !known.contains(node) {
            // Made since, it keeps its node.
            try run(.makeNodes, node)
        }
    }

    /// The structure behind one of a list, which tells how far that is.
    private static func advanced<Element>(
        _ element: UnsafePointer<Element>, by bytes: UInt32
    ) -> UnsafePointer<Element>? {
        if bytes == 0 { return nil }
        return (UnsafeRawPointer(element) + Int(bytes)).assumingMemoryBound(to: Element.self)
    }

    private static func text(_ characters: UnsafePointer<CChar>?) -> String {
        characters.map { String(cString: $0) } ?? ""
    }
}

/// A device of device mapper, as it is at a moment.
package struct MappedDevice: Hashable, Sendable {
    package let name: String
    package let uuid: String
    package let number: DeviceNumber
    /// How many mounts and open files use it.
    package let openCount: Int
    package let isReadOnly: Bool
    package let isSuspended: Bool
    /// Whether it has a live table.
    package let isActive: Bool

    init(name: String, uuid: String, _ info: dm_info) {
        (self.name, self.uuid) = (name, uuid)
        number = DeviceNumber(major: info.major, minor: info.minor)
        openCount = Int(info.open_count)
        isReadOnly = info.read_only != 0
        isSuspended = info.suspended != 0
        isActive = info.live_table != 0
    }
}

/// A table of one target that makes up a whole device.
package struct MappedTarget: Hashable, Sendable {
    /// `thin-pool`, `thin`, `linear`.
    package let type: String
    /// Of 512 bytes.
    package let sectors: UInt64
    /// Parameters of the table, or the status in the target's own words.
    package let parameters: String

    /// Describes a target.
    package init(type: String, sectors: UInt64, parameters: String) {
        (self.type, self.sectors, self.parameters) = (type, sectors, parameters)
    }
}
