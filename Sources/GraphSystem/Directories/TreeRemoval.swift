// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import SystemPackage

/// What a removal came to.
package struct TreeRemovalOutcome: Hashable, Sendable {
    /// Bytes of disk blocks whose last name went away.
    package var freedBytes: UInt64 = 0
    /// Whether everything is gone; false when the caller asked to stop.
    package var isComplete = true

    /// For those who asked to stop because their own work shall end.
    ///
    /// - Throws: `ECANCELED` when something is left.
    package func requireComplete() throws(SyscallError) {
        if !isComplete { throw SyscallError(call: "unlinkat", errno: .canceled) }
    }
}

extension Directory {
    /// Removes a name and, when it is a directory, everything below it.
    ///
    /// Follows no symbolic link, enters no other filesystem and nothing that is mounted, and needs
    /// no free space. Immutable and append-only flags are cleared where they refuse. Stopping at
    /// any point leaves a smaller tree, and another call goes on from there; several processes may
    /// remove the same tree at once.
    ///
    /// `isCancelled` is asked every few hundred names. Throws `EBUSY` at something mounted and
    /// `EXDEV` at another filesystem; what lay before it is gone then.
    @discardableResult
    package func removeTree(
        _ name: RawPath, isCancelled: () -> Bool = { false }
    ) throws(SyscallError) -> TreeRemovalOutcome {
        var removal = TreeRemoval(top: self)
        try removal.run(name, isCancelled)
        return removal.outcome
    }
}

private struct TreeRemoval {
    let top: Directory
    var outcome = TreeRemovalOutcome()
    private var walk = TreeWalk()
    private var untilAsked = 0

    init(top: Directory) { self.top = top }

    mutating func run(_ name: RawPath, _ isCancelled: () -> Bool) throws(SyscallError) {
        guard let status = try top.statusIfPresent(of: name) else { return }
        if status.type != .directory { return try removeFile(name, in: top) }
        guard try enter(name, from: top, device: try top.status().device) else { return }
        while !walk.isAtEnd {
            if untilAsked == 0 {
                if isCancelled() {
                    outcome.isComplete = false
                    return
                }
                untilAsked = 256
            }
            untilAsked -= 1
            try step()
        }
    }

    /// Removes one name, or goes one directory down or up.
    private mutating func step() throws(SyscallError) {
        let directory = walk.directory
        guard let entry = walk.current.next() else { return try leave() }
        guard let type = try entry.type(in: directory) else { return }
        if type == .directory {
            _ = try enter(entry.name, from: directory, device: walk.current.status.device)
        } else {
            try removeFile(entry.name, in: directory)
        }
    }

    /// Goes down into a directory, unless somebody else has removed it.
    private mutating func enter(
        _ name: RawPath, from parent: Directory, device: DeviceNumber
    ) throws(SyscallError) -> Bool {
        do throws(SyscallError) {
            let directory = try unlocking(name, in: parent) { () throws(SyscallError) in
                try parent.openDirectory(name)
            }
            let status = try directory.status()
            if status.isMountRoot {
                throw SyscallError(call: "rmdir(\(name))", errno: .resourceBusy)
            }
            if status.device != device {
                throw SyscallError(call: "rmdir(\(name))", errno: .improperLink)
            }
            try walk.enter(directory, named: name, status)
            return true
        } catch let error where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }

    /// Goes back up and removes the directory that has been emptied.
    private mutating func leave() throws(SyscallError) {
        let left = try walk.leave()
        let parent = walk.isAtEnd ? top : walk.directory
        do throws(SyscallError) {
            try unlocking(left.name, in: parent) { () throws(SyscallError) in
                try parent.removeDirectory(left.name)
            }
            outcome.freedBytes += left.status.allocatedBytes
        } catch let error where error.errno == .noSuchFileOrDirectory {
            // Another process was quicker.
        }
    }

    private mutating func removeFile(_ name: RawPath, in parent: Directory) throws(SyscallError) {
        guard let status = try parent.statusIfPresent(of: name) else { return }
        do throws(SyscallError) {
            try unlocking(name, in: parent) { () throws(SyscallError) in
                try parent.removeFile(name)
            }
            if status.links <= 1 { outcome.freedBytes += status.allocatedBytes }
        } catch let error where error.errno == .noSuchFileOrDirectory {
            // Another process was quicker.
        }
    }
}

/// Makes a call on a name, and makes it again with flags and permissions out of the way when they
/// refused it.
private func unlocking<Value>(
    _ name: RawPath, in parent: Directory, _ call: () throws(SyscallError) -> Value
) throws(SyscallError) -> Value {
    do throws(SyscallError) {
        return try call()
    } catch let error where error.errno == .notPermitted {
        // Each may be what refuses, and a filesystem without such flags refuses the asking: the
        // call itself says in the end whether it helped.
        if let again = try? parent.openDirectory(".") {
            try? InodeFlags.clearLocks(of: again.descriptor)
        }
        if let file = try? parent.open(name, [.readOnly, .nonBlocking]) {
            try? InodeFlags.clearLocks(of: file)
        }
        return try call()
    } catch let error where error.errno == .permissionDenied {
        // Without privileges even an owner is refused by a mode: this is about to go away.
        try? parent.descriptor.setPermissions(0o700)
        if let status = try? parent.status(of: name), status.type == .directory {
            try? parent.setPermissions(of: name, 0o700)
        }
        return try call()
    }
}
