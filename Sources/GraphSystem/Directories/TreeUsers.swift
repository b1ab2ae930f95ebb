// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// Who reaches a directory tree by a mount of it or of a part of it.
///
/// A bind mount is no object of its own to the kernel, which tells nobody how many there are: so they are
/// looked for, first in the mount namespaces and then in what processes hold open. Not found are a
/// descriptor that is on its way through a socket or belongs to a ring of `io_uring`, and what holders do
/// that this process may not look at.
package struct TreeUsers {
    /// Somebody who uses the tree.
    package enum User: Sendable {
        case mount(KernelMount)
        /// A process with something open in a mount that no namespace has any more.
        case process(Int)
    }

    private let tree: Directory
    /// As this process names it, and from the root of its filesystem.
    private let path: RawPath
    private let root: RawPath
    let device: DeviceNumber
    /// What files in the tree say that they lie on: on btrfs the number of their subvolume.
    private let ownDevice: DeviceNumber

    /// Finds out where a directory lies on its filesystem.
    package init(of tree: Directory) throws(SyscallError) {
        self.tree = tree
        path = try Directory(opening: "/").readLink(RawPath(tree.descriptor.procPath))
        let mount = try Self.mount(of: tree)
        device = mount.device
        ownDevice = try tree.status().device
        let base = mount.target == "/" ? RawPath("") : mount.target
        guard path.hasPrefix(base) else {
            throw SyscallError(call: "statmount(\(path))", errno: .noSuchFileOrDirectory)
        }
        let rest = path.dropFirst(base.count)
        root = mount.root == "/" ? rest : mount.root.joined(rest)
    }

    /// The mount through which a directory was opened.
    private static func mount(
        of directory: Directory
    ) throws(SyscallError) -> (device: DeviceNumber, root: RawPath, target: RawPath) {
        var room = [UInt8](repeating: 0, count: 16_384)
        var facts = cgraph_mount_facts()
        let mask = UInt64(CGRAPH_MOUNT_DEVICE | CGRAPH_MOUNT_PLACES)
        let id = try HeldFile("", directory.raw, isUnique: true).mountID
        let found = room.withUnsafeMutableBytes { bytes -> (RawPath, RawPath)? in
            let result = cgraph_mount_facts(
                0, id, mask, bytes.baseAddress, UInt(bytes.count), &facts)
            guard result == 0, let root = facts.root, let target = facts.target else { return nil }
            return (RawPath(copying: root), RawPath(copying: target))
        }
        if let found {
            return (DeviceNumber(major: facts.major, minor: facts.minor), found.0, found.1)
        }
        let old = try HeldFile("", directory.raw, isUnique: false).mountID
        let lines = try MountInfoLine.all("/proc/thread-self/mountinfo")
        guard let line = lines.first(where: { $0.id == old }) else {
            throw SyscallError(call: "statmount(\(id))", errno: .noSuchFileOrDirectory)
        }
        return (line.device, line.root, line.target)
    }

    /// The first user that is found.
    ///
    /// - Parameter searchesProcesses: Also looks into every process: some hundred calls for each.
    /// - Returns: A user; nil when there is none.
    /// - Throws: When the kernel does not even list the caller's own mounts.
    package func first(searchesProcesses: Bool) throws(SyscallError) -> User? {
        let survey = try MountSurvey(.device(device))
        if let mount = survey.mounts(of: root).first { return .mount(mount) }
        return searchesProcesses ? process(beside: survey) : nil
    }

    /// A process with something of the tree open in a mount that the survey does not have.
    private func process(beside survey: MountSurvey) -> User? {
        let search = HeldFiles(
            known: survey.ids, hasUniqueIDs: survey.isWhole, device: device,
            hasSubvolumes: ownDevice != device, isWanted: { file, name in holds(file, name) })
        return search.firstProcess().map { .process($0) }
    }

    /// Makes the mounts of the tree read-only, and looks for who could write to it all the same.
    ///
    /// - Returns: A mount that cannot be reached, or a process; nil when nothing is written to the tree any more.
    /// - Throws: `EBUSY` while a file is open for writing by way of a mount.
    package func freeze() throws(SyscallError) -> User? {
        let survey = try MountSurvey(.device(device))
        for mount in survey.mounts(of: root) where try !mount.freeze(wholeFilesystem: false) {
            return .mount(mount)
        }
        return process(beside: survey)
    }

    /// A process with something open in a mount of a filesystem that no mount namespace has any more.
    package static func process(holding device: DeviceNumber) throws(SyscallError) -> Int? {
        let survey = try MountSurvey(.device(device))
        let search = HeldFiles(
            known: survey.ids, hasUniqueIDs: survey.isWhole, device: device, hasSubvolumes: false,
            isWanted: { file, name in
                (try? HeldFile(name, file.raw, isUnique: false).device == device) ?? false
            })
        return search.firstProcess()
    }

    /// Whether a file lies in the tree; nil where that cannot be told.
    private func holds(_ place: Directory, _ name: RawPath) -> Bool? {
        do throws(SyscallError) {
            let opened = try checked("open(\(name))") {
                name.withCString {
                    cgraph_openat(place.raw, $0, CGRAPH_O_PATH | Glibc.O_CLOEXEC, 0)
                }
            }
            let file = OwnedDescriptor(owning: opened)
            let identity = try file.status().identity
            // A pipe, a socket, memory: of those a process has many.
            if identity.device != device && identity.device != ownDevice {
                let types = (try file.filesystem().magic, try tree.descriptor.filesystem().magic)
                if types.0 != types.1 { return false }
            }
            guard let again = try reopened(file) else { return try contains(identity) }
            guard try again.status().identity == identity else { return false }
            let found = try Directory(opening: "/").readLink(RawPath(again.procPath))
            return found == path || found.hasPrefix(path.appending(""))
        } catch {
            switch error.errno {
            // It is closed by now, or lies on another filesystem.
            case .noSuchFileOrDirectory, .noSuchProcess, Errno(rawValue: ESTALE): return false
            default: return nil
            }
        }
    }

    /// The file by its handle, as the tree's own mount has it; nil where this user may not open handles.
    private func reopened(_ file: borrowing OwnedDescriptor) throws(SyscallError)
        -> OwnedDescriptor?
    {
        do throws(SyscallError) {
            return try InodeHandle("", file.rawValue).open(beside: tree)
        } catch
            where [.notPermitted, .permissionDenied, .notSupported, .noFunction].contains(
                error.errno)
        {
            return nil
        }
    }

    /// Looks for a file in the tree, name by name: what has no name there is of no account to the layer.
    private func contains(_ identity: FileIdentity) throws(SyscallError) -> Bool {
        var walk = TreeWalk()
        let status = try tree.status()
        if status.identity == identity { return true }
        try walk.enter(try tree.openDirectory("."), named: "", status)
        while !walk.isAtEnd {
            guard let name = walk.current.next()?.name else {
                _ = try walk.leave()
                continue
            }
            guard let status = try walk.directory.statusIfPresent(of: name) else { continue }
            if status.identity == identity { return true }
            if status.type == .directory {
                try walk.enter(try walk.directory.openDirectory(name), named: name, status)
            }
        }
        return false
    }
}
