// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

extension LayerUnpacker {
    /// Makes what a member describes, in place of what the layer has under its name.
    mutating func place(
        _ entry: ArchiveEntry, _ name: RawPath, in directory: UnpackDirectory,
        data: inout TarReader
    ) throws(ArchiveError) {
        switch entry.kind {
        case .file(let size):
            try placeFile(entry, size, name, in: directory, data: &data)
        case .directory:
            try placeDirectory(entry, name, in: directory)
        case .hardLink(let target):
            try placeHardLink(entry, to: target, name, in: directory)
        case .symbolicLink(let target):
            try placeNode(entry, name, in: directory) { (handle) throws(SyscallError) in
                try handle.makeSymbolicLink(name, to: target)
            }
        case .characterDevice(let device):
            if device == .zero && !target.marks.isStage {
                return try leaveOutWhiteout(entry, name, in: directory)
            }
            try placeDevice(entry, name, in: directory, .characterDevice, device)
        case .blockDevice(let device):
            try placeDevice(entry, name, in: directory, .blockDevice, device)
        case .fifo:
            try placeNode(entry, name, in: directory) { (handle) throws(SyscallError) in
                try handle.makeSpecial(name, .fifo, permissions: 0o600)
            }
        }
    }

    /// Deletes the name that a character device 0:0 has: an overlay over the layer shows none.
    ///
    /// Such are what an overlay in a container has left; whole trees keep them.
    private mutating func leaveOutWhiteout(
        _ entry: ArchiveEntry, _ name: RawPath, in directory: UnpackDirectory
    ) throws(ArchiveError) {
        leaveOut(entry, name, in: directory, .whiteoutDevice)
        try clear(name, in: directory)
        try attempting("delete /\(directory.path.appending(name))", try hide(name, in: directory))
    }

    private mutating func placeFile(
        _ entry: ArchiveEntry, _ size: UInt64, _ name: RawPath, in directory: UnpackDirectory,
        data: inout TarReader
    ) throws(ArchiveError) {
        let path = directory.path.appending(name)
        let isExact = isWithoutMask && entry.permissions & 0o7000 == 0
        let file = try createFile(name, in: directory, isExact ? entry.permissions : 0o600)
        var content = SparseContent()
        try data.readData { (offset, bytes) throws(ArchiveError) in
            do throws(SyscallError) {
                try content.write(bytes, at: offset, to: file)
            } catch {
                throw ArchiveError(.system, "could not write /\(path)", cause: error)
            }
            try recipe?.append(contentOf: path, at: offset, count: UInt64(bytes.count))
        }
        // Without data there is no byte of the tar that its content would be told by.
        if content.end == 0 && size > 0 { try recipe?.append(contentOf: path, at: 0, count: 0) }
        summary.contentBytes += content.end
        do throws(SyscallError) {
            if content.writtenEnd < size { try file.truncate(to: size) }
            try metadata.set(entry, on: file, name, in: directory, hasMode: isExact, &warnings)
            try closing.close(file, writtenBytes: content.writtenEnd)
        } catch {
            throw ArchiveError(.system, "could not finish the file /\(path)", cause: error)
        }
    }

    private mutating func createFile(
        _ name: RawPath, in directory: UnpackDirectory, _ permissions: UInt16
    ) throws(ArchiveError) -> OwnedDescriptor {
        let flags: OpenFlags = [.writeOnly, .create, .exclusive]
        do throws(SyscallError) {
            return try directory.handle.open(name, flags, permissions: permissions)
        } catch  where error.errno == .fileExists {
            // Looked at only now: most names are new.
        } catch {
            throw ArchiveError(
                .system, "could not make the file /\(directory.path.appending(name))",
                cause: error)
        }
        try clear(name, in: directory)
        return try attempting(
            "make the file /\(directory.path.appending(name))",
            try directory.handle.open(name, flags, permissions: permissions))
    }

    private mutating func placeDirectory(
        _ entry: ArchiveEntry, _ name: RawPath, in directory: UnpackDirectory
    ) throws(ArchiveError) {
        let path = directory.path.appending(name)
        do throws(SyscallError) {
            let own = try directory.handle.statusIfPresent(of: name)
            if let own, own.type != .directory {
                try unnamed.keep(path, own, name, of: try directory.handle)
                try directory.handle.removeFile(name)
                let made = try tree.make(name, in: directory, modified: entry.modified)
                // Behind a deletion the name starts anew; behind something of this layer that was
                // not a directory it does too.
                return try metadata.set(entry, on: made, &warnings)
            } else if own != nil {
                return try metadata.set(entry, on: try tree.open(name, in: directory), &warnings)
            }
            let made = try tree.makeMerging(name, in: directory, modified: entry.modified)
            try metadata.set(entry, on: made, &warnings)
        } catch {
            throw ArchiveError(.system, "could not make the directory /\(path)", cause: error)
        }
    }

    /// Gives a file of the layer, or of its parents, one more name.
    ///
    /// A file that only the parents have is copied into the layer first, with all it has, as
    /// overlayfs does: a link cannot reach from one layer into another. One to a device that was left out is
    /// left out, too.
    private mutating func placeHardLink(
        _ entry: ArchiveEntry, to linked: RawPath, _ name: RawPath, in directory: UnpackDirectory
    ) throws(ArchiveError) {
        let way = NormalWay(linked)
        let last = way.lastName
        let path = directory.path.appending(name)
        if last.isEmpty {
            throw ArchiveError(.malformed, "the hard link /\(path) names the root")
        }
        let source = try tree.findOrMake(way.parent, modified: directory.modified)
        if source.path == directory.path && last == name {
            throw ArchiveError(.malformed, "the hard link /\(path) names itself")
        }
        if source.path == path || source.path.hasPrefix(path.appending("")) {
            throw ArchiveError(
                .malformed, "the hard link /\(path) names \(linked), which it would replace")
        }
        let kind = try attempting(
            "reach \(linked)", try whyLeftOut(source.path.appending(last), last, in: source))
        switch kind {
        case .whiteoutDevice: return try leaveOutWhiteout(entry, name, in: directory)
        case .some(let kind): return leaveOut(entry, name, in: directory, kind)
        case nil: break
        }
        let missing = ArchiveError(
            .malformed, "the hard link /\(path) names \(linked), which is not a file before it")
        do throws(SyscallError) {
            if let own = try source.handle.statusIfPresent(of: last) {
                let isGone = try target.marks.isWhiteout(own, last, in: source.handle)
                if own.type == .directory || isGone { throw missingError }
            } else {
                guard let below = try source.lowerEntry(last), below.directory == nil else {
                    throw missingError
                }
                try copyUp.copy(below, to: last, in: source)
                unnamed.addCopy()
            }
        } catch  where error == missingError {
            throw missing
        } catch {
            throw ArchiveError(.system, "could not reach \(linked)", cause: error)
        }
        try clear(name, in: directory)
        try attempting(
            "make the hard link /\(path)",
            try directory.handle.makeHardLink(name, to: last, in: source.handle))
    }

    /// Why a device of the archive is not there; nil where there was none, or something else by now.
    private func whyLeftOut(
        _ path: RawPath, _ name: RawPath, in directory: UnpackDirectory
    ) throws(SyscallError) -> LayerWarning.Kind? {
        guard let kind = leftOut.kind(of: path) else { return nil }
        guard let own = try directory.handle.statusIfPresent(of: name) else { return kind }
        return try target.marks.isWhiteout(own, name, in: directory.handle) ? kind : nil
    }

    private var missingError: SyscallError {
        SyscallError(call: "link", errno: .noSuchFileOrDirectory)
    }

    private mutating func placeDevice(
        _ entry: ArchiveEntry, _ name: RawPath, in directory: UnpackDirectory, _ type: FileType,
        _ device: DeviceNumber
    ) throws(ArchiveError) {
        do throws(ArchiveError) {
            try placeNode(entry, name, in: directory) { (handle) throws(SyscallError) in
                try handle.makeSpecial(name, type, permissions: 0o600, device: device)
            }
        } catch {
            // In a user namespace nobody may make device nodes; a runtime binds the few it needs.
            let isRefused = error.cause?.errno == .notPermitted
            guard isRefused && target.namespace == .user else { throw error }
            leaveOut(entry, name, in: directory, .refusedDevice)
        }
    }

    private mutating func leaveOut(
        _ entry: ArchiveEntry, _ name: RawPath, in directory: UnpackDirectory,
        _ kind: LayerWarning.Kind
    ) {
        warnings.add(kind, entry.shownPath)
        leftOut.add(directory.path.appending(name), kind)
    }

    /// Makes a member that has no content, and gives it its attributes.
    private mutating func placeNode(
        _ entry: ArchiveEntry, _ name: RawPath, in directory: UnpackDirectory,
        _ make: (Directory) throws(SyscallError) -> Void
    ) throws(ArchiveError) {
        let path = directory.path.appending(name)
        let handle = try attempting("open /\(directory.path)", try directory.handle)
        do throws(SyscallError) {
            try make(handle)
        } catch  where error.errno == .fileExists {
            try clear(name, in: directory)
            do throws(SyscallError) {
                try make(handle)
            } catch {
                throw ArchiveError(.system, "could not make /\(path)", cause: error)
            }
        } catch {
            throw ArchiveError(.system, "could not make /\(path)", cause: error)
        }
        do throws(SyscallError) {
            try metadata.set(entry, on: name, in: directory, handle, &warnings)
        } catch {
            throw ArchiveError(.system, "could not finish /\(path)", cause: error)
        }
    }

    /// Removes what the layer has under a name, so that the member can take its place.
    mutating func clear(
        _ name: RawPath, in directory: UnpackDirectory
    ) throws(ArchiveError) {
        let path = directory.path.appending(name)
        do throws(SyscallError) {
            guard let own = try directory.handle.statusIfPresent(of: name) else { return }
            guard own.type == .directory else {
                try unnamed.keep(path, own, name, of: try directory.handle)
                return try directory.handle.removeFile(name)
            }
            tree.forget(below: path)
            try unnamed.keepTree(path, try directory.handle.openDirectory(name))
            try directory.handle.removeTree(name) { observer.isCancelled }
                .requireComplete()
        } catch {
            throw ArchiveError(.system, "could not replace /\(path)", cause: error)
        }
    }
}
