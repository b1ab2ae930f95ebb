// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
package import SystemPackage

/// One mount of a mount namespace.
package struct KernelMount: Hashable, Sendable {
    /// The inode of the namespace, as in `/proc/PID/ns/mnt`.
    package let namespace: UInt64
    /// The mount's id: the unique one where the survey has those.
    package let id: UInt64
    /// The filesystem.
    package let device: DeviceNumber
    /// The directory of the filesystem that the mount shows, from the filesystem's root.
    package let root: RawPath
    /// Where it is mounted, as its own namespace sees it.
    package let target: RawPath
}

/// The mounts of all mount namespaces, also of those in which no process lives.
///
/// Namespaces are walked as nsfs lists them (Linux 6.12). On older kernels one process of each is asked
/// for its `/proc/PID/mountinfo`, and a namespace without a process is not seen.
package struct MountSurvey: Sendable {
    /// Which mounts to describe.
    package enum Kind: Sendable {
        /// Those of a filesystem.
        case device(DeviceNumber)
        /// Those of an overlay with this upper directory.
        case overlay(upper: FilePath)
        /// Those at this place, as their namespace sees it.
        case target(FilePath)
    }

    package private(set) var found: [KernelMount] = []
    /// The ids of all mounts of all namespaces.
    package private(set) var ids: Set<UInt64> = []
    /// The inodes of all namespaces.
    package private(set) var namespaces: Set<UInt64> = []
    /// Whether ids are those that are never used twice, and namespaces without processes were seen.
    package let isWhole: Bool
    private let kind: Kind
    /// 500 lower directories in the options of one overlay.
    private static let bufferBytes = 1 << 21

    /// Looks at every namespace that this process may look into.
    package init(_ kind: Kind) throws(SyscallError) {
        self.kind = kind
        let own = try OwnedDescriptor.open("/proc/thread-self/ns/mnt", .readOnly)
        isWhole =
            cgraph_mount_namespace_id(own.rawValue) != 0 && Self.canList && Self.canWalk(from: own)
        if isWhole { try walk(own) } else { try ask() }
    }

    /// listmount(2) may be missing, or forbidden by a filter of system calls.
    private static var canList: Bool {
        var id: UInt64 = 0
        return cgraph_list_mounts(0, 0, &id, 1) >= 0
    }

    /// Who is not root of the machine may not go from one namespace to the next.
    private static func canWalk(from own: borrowing OwnedDescriptor) -> Bool {
        let next = cgraph_next_mount_namespace(own.rawValue, 0)
        if next == -1 { return errno == ENOENT }
        _ = OwnedDescriptor(owning: next)
        return true
    }

    /// The mounts whose root is a directory or lies below it.
    package func mounts(of tree: RawPath) -> [KernelMount] {
        let below = tree.appending("")
        return found.filter { $0.root == tree || $0.root.hasPrefix(below) }
    }

    // MARK: By nsfs

    private mutating func walk(_ own: borrowing OwnedDescriptor) throws(SyscallError) {
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.bufferBytes, alignment: 16)
        defer { room.deallocate() }
        try list(own, room)
        for isBackwards in [false, true] {
            var current = try own.duplicate()
            while true {
                let next = cgraph_next_mount_namespace(current.rawValue, isBackwards ? 1 : 0)
                if next == -1 { break }
                current = OwnedDescriptor(owning: next)
                try list(current, room)
            }
        }
    }

    private mutating func list(
        _ file: borrowing OwnedDescriptor, _ room: UnsafeMutableRawBufferPointer
    ) throws(SyscallError) {
        let number = cgraph_mount_namespace_id(file.rawValue)
        let inode = try file.status().inode
        if number == 0 || !namespaces.insert(inode).inserted { return }
        var last: UInt64 = 0
        var page = [UInt64](repeating: 0, count: 512)
        while true {
            let count = cgraph_list_mounts(number, last, &page, 512)
            // It may have ended, or not be ours to look into.
            if count <= 0 { return }
            for id in page[..<count] {
                ids.insert(id)
                if let mount = describe(id, number, inode, room) { found.append(mount) }
            }
            if count < 512 { return }
            last = page[count - 1]
        }
    }

    /// One mount if it is of the wanted kind; nil also for one that is gone.
    private func describe(
        _ id: UInt64, _ number: UInt64, _ inode: UInt64, _ room: UnsafeMutableRawBufferPointer
    ) -> KernelMount? {
        var facts = cgraph_mount_facts()
        func ask(_ mask: Int) -> Bool {
            cgraph_mount_facts(
                number, id, UInt64(mask), room.baseAddress, UInt(room.count), &facts) == 0
        }
        switch kind {
        case .device(let device):
            guard ask(CGRAPH_MOUNT_DEVICE), facts.major == device.major,
                facts.minor == device.minor
            else { return nil }
        case .overlay(let upper):
            guard ask(CGRAPH_MOUNT_OPTIONS), let options = facts.options,
                Self.names(String(cString: options), upper)
            else { return nil }
        case .target: break
        }
        guard ask(CGRAPH_MOUNT_PLACES | CGRAPH_MOUNT_DEVICE), let root = facts.root,
            let target = facts.target
        else { return nil }
        let mount = KernelMount(
            namespace: inode, id: id,
            device: DeviceNumber(major: facts.major, minor: facts.minor),
            root: RawPath(copying: root), target: RawPath(copying: target))
        if case .target(let place) = kind, mount.target != RawPath(place) { return nil }
        return mount
    }

    private static func names(_ options: String, _ upper: FilePath) -> Bool {
        let option = "upperdir=\(upper)"
        return options.split(separator: ",").contains { $0 == option }
    }

    // MARK: By processes

    private mutating func ask() throws(SyscallError) {
        let own = try MountPoint.currentNamespace()
        try read("/proc/thread-self/mountinfo", own)
        guard let processes = try? Directory(opening: "/proc").listing() else { return }
        for process in processes.compactMap({ Int($0.name.description) }) {
            guard let links = try? Directory(opening: FilePath("/proc/\(process)/ns")),
                let link = try? links.readLink("mnt"),
                let namespace = UInt64(link.description.filter(\.isNumber)),
                !namespaces.contains(namespace)
            else { continue }
            try? read(FilePath("/proc/\(process)/mountinfo"), namespace)
        }
    }

    private mutating func read(
        _ path: FilePath, _ namespace: UInt64
    ) throws(SyscallError) {
        for line in try MountInfoLine.all(path) {
            ids.insert(line.id)
            let isWanted =
                switch kind {
                case .device(let device): line.device == device
                case .overlay(let upper):
                    line.type == "overlay" && Self.names(line.options, upper)
                case .target(let place): line.target == RawPath(place)
                }
            if isWanted {
                found.append(
                    KernelMount(
                        namespace: namespace, id: line.id, device: line.device, root: line.root,
                        target: line.target))
            }
        }
        namespaces.insert(namespace)
    }
}

extension RawPath {
    /// Copies a path out of a buffer that the kernel filled.
    init(copying start: UnsafePointer<CChar>) {
        self.init(trusted: UnsafeRawBufferPointer(start: start, count: strlen(start)))
    }
}
