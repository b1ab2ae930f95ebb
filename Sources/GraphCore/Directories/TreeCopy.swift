// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import Synchronization
import SystemPackage

/// Copies everything in one directory into another that is empty, and its attributes, on all
/// processors.
///
/// Kept: content and holes, types and devices, owners, modes, attributes with access lists and
/// capabilities, times, and which names are one file. Not kept: flags such as immutable, and the
/// labels that the host's policy gives.
///
/// `note` is told each copy that has one name, and what it is of, from several threads.
///
/// - Throws: ``DriverError/Code/cancelled`` when the observer stops it; a part is there then.
func copyTree(
    from source: Directory, to target: Directory, action: String, observer: WorkObserver,
    note: (@Sendable (_ copy: FileStatus, _ original: FileStatus) -> Void)?
) throws(DriverError) {
    let copy = TreeCopy(note: note, action: action, observer: observer)
    let root = CopiedDirectory(source: source, target: target)
    try ParallelWork.run(root) { directory, work throws(DriverError) in
        try copy.fill(directory, work)
    }
}

/// One copy of a tree.
private final class TreeCopy: Sendable {
    let note: (@Sendable (FileStatus, FileStatus) -> Void)?
    let action: String
    let observer: WorkObserver
    private let completedBytes = Atomic<UInt64>(0)
    /// Where the first name of each file with several names was copied to.
    private let firstNames = Mutex<[FileIdentity: CopiedName]>([:])

    init(
        note: (@Sendable (FileStatus, FileStatus) -> Void)?, action: String, observer: WorkObserver
    ) {
        (self.note, self.action, self.observer) = (note, action, observer)
    }

    /// Copies one directory, and hands its subdirectories on.
    func fill(
        _ directory: CopiedDirectory, _ work: ParallelWork<CopiedDirectory, DriverError>
    ) throws(DriverError) {
        do throws(SyscallError) {
            let source = try directory.openSource()
            let target = try directory.openTarget()
            var below: [RawPath] = []
            for entry in try source.listing() {
                try report(0)
                if try copy(entry, of: directory, source, target) { below.append(entry.name) }
            }
            directory.begin(below.count, source, target)
            for name in below { work.add(CopiedDirectory(name, in: directory)) }
            if below.isEmpty { try finish(directory, source, target) }
        } catch {
            throw described(error)
        }
    }

    /// Sets what a directory is like once nothing is added to it any more, and then the same for
    /// those above it of which it was the last.
    private func finish(
        _ directory: CopiedDirectory, _ source: Directory, _ target: Directory
    ) throws(SyscallError) {
        try target.descriptor.takeMetadata(
            from: source.descriptor, try source.status(), isCopied: AttributeTable.isContent)
        var below = directory
        while let parent = below.parent, parent.isLastDone() {
            let source = try parent.openSource()
            try parent.openTarget().descriptor.takeMetadata(
                from: source.descriptor, try source.status(), isCopied: AttributeTable.isContent)
            parent.letGo()
            below = parent
        }
    }

    /// Copies one name; true for a directory, which is only made.
    private func copy(
        _ entry: DirectoryListing.Entry, of directory: CopiedDirectory,
        _ source: Directory, _ target: Directory
    ) throws(SyscallError) -> Bool {
        let name = entry.name
        let status = try source.status(of: name)
        switch status.type {
        case .directory:
            try target.makeDirectory(name, permissions: 0o700)
            return true
        case .regular where status.links == 1:
            let made = try target.open(
                name, [.writeOnly, .create, .exclusive], permissions: 0o600)
            try copyFile(name, of: source, status, to: made)
            if let note { note(try made.status(), status) }
        case .regular:
            if let made = try makeFirst(name, status, in: directory, target) {
                try copyFile(name, of: source, status, to: made)
            }
        case .symbolicLink, .characterDevice, .blockDevice, .fifo, .socket:
            if try makeFirstNode(name, of: source, status, in: directory, target) {
                try takeMetadata(name, of: source, status, to: target)
                if let note, status.links == 1 { note(try target.status(of: name), status) }
            }
        }
        return false
    }

    /// Makes what has no content to copy, or a further name for it; true for the first name.
    private func makeFirstNode(
        _ name: RawPath, of source: Directory, _ status: FileStatus,
        in directory: CopiedDirectory, _ target: Directory
    ) throws(SyscallError) -> Bool {
        func make() throws(SyscallError) {
            if status.type == .symbolicLink {
                return try target.makeSymbolicLink(name, to: try source.readLink(name))
            }
            try target.makeSpecial(name, status.type, permissions: 0o600, device: status.special)
        }
        if status.links == 1 {
            try make()
            return true
        }
        let made: Result<Bool, SyscallError> = firstNames.withLock { names in
            do throws(SyscallError) {
                if let first = names[status.identity] {
                    try target.makeHardLink(name, to: first.path, in: first.directory)
                    return .success(false)
                }
                try make()
                names[status.identity] = directory.place(of: name)
                return .success(true)
            } catch {
                return .failure(error)
            }
        }
        return try made.get()
    }

    /// Makes the file for the first of several names, or a further name for the one there is,
    /// whose content may still be on its way.
    private func makeFirst(
        _ name: RawPath, _ status: FileStatus, in directory: CopiedDirectory, _ target: Directory
    ) throws(SyscallError) -> OwnedDescriptor? {
        let made: Result<OwnedDescriptorBox?, SyscallError> = firstNames.withLock { names in
            do throws(SyscallError) {
                if let first = names[status.identity] {
                    try target.makeHardLink(name, to: first.path, in: first.directory)
                    return .success(nil)
                }
                let made = try target.open(
                    name, [.writeOnly, .create, .exclusive], permissions: 0o600)
                names[status.identity] = directory.place(of: name)
                return .success(OwnedDescriptorBox(made))
            } catch {
                return .failure(error)
            }
        }
        return try made.get()?.take()
    }

    private func copyFile(
        _ name: RawPath, of source: Directory, _ status: FileStatus,
        to made: borrowing OwnedDescriptor
    ) throws(SyscallError) {
        let file = try source.open(name, [.readOnly, .nonBlocking])
        try copyContent(from: file, to: made, size: status.size) { count in
            (try? self.report(count)) != nil
        }
        try made.takeMetadata(from: file, status, isCopied: AttributeTable.isContent)
    }

    /// The same for what is not opened.
    private func takeMetadata(
        _ name: RawPath, of source: Directory, _ status: FileStatus, to target: Directory
    ) throws(SyscallError) {
        try target.setOwner(of: name, uid: status.uid, gid: status.gid)
        if status.type != .symbolicLink {
            try target.setPermissions(of: name, status.permissions)
        }
        for attribute in try source.attributes(of: name).all()
        where AttributeTable.isContent(attribute.name) {
            try target.attributes(of: name).set(attribute)
        }
        try target.setTimes(of: name, status.modified)
    }

    private func report(_ bytes: UInt64) throws(SyscallError) {
        let completed = completedBytes.add(bytes, ordering: .relaxed).newValue
        do throws(ArchiveError) {
            try observer.report(WorkProgress(phase: "copying", completedBytes: completed))
        } catch {
            throw SyscallError(call: "copy", errno: .canceled)
        }
    }

    private func described(_ error: SyscallError) -> DriverError {
        error.errno == .canceled
            ? DriverError(.cancelled, "could not \(action): stopped on request")
            : DriverError(action, error)
    }
}
