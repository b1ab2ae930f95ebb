// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// The tree of a layer that is being unpacked: finds its directories, and makes those that are missing.
struct UnpackTree {
    let root: UnpackDirectory
    private let marks: LayerMarks
    private let copyUp: CopyUp
    private let contents: UnnamedContents
    private let observer: WorkObserver
    private var cache = UnpackDirectoryCache()
    /// The directory of the member before: most members share it.
    private var recent: (parent: RawPath, directory: UnpackDirectory)?

    /// Begins with the root of the layer.
    init(
        of target: ApplyTarget, _ copyUp: CopyUp, _ contents: UnnamedContents,
        _ observer: WorkObserver
    ) throws(SyscallError) {
        root = try UnpackDirectory(root: target)
        marks = target.marks
        (self.copyUp, self.contents, self.observer) = (copyUp, contents, observer)
    }

    /// What a way through the tree does where the layer itself has no directory.
    enum Way {
        /// It ends.
        case existing
        /// It makes the directories that the parents have, and ends where they have none.
        case makingMerged
        /// It makes all; those that nobody has get this time.
        case making(Timestamp)

        /// Whether a deletion takes this way.
        var isDeletion: Bool {
            if case .making = self { false } else { true }
        }
    }

    /// The directory at a path; where it is missing in the layer it is made, with the attributes
    /// that it has in the parents.
    mutating func findOrMake(
        _ path: RawPath, modified: Timestamp
    ) throws(ArchiveError) -> UnpackDirectory {
        if path.isEmpty { return root }
        if let recent, recent.parent == path { return recent.directory }
        // What is kept under its way without links needs no steps from the root.
        if let known = cache.find(path) {
            recent = (path, known)
            return known
        }
        do throws(SyscallError) {
            guard let directory = try resolve(path, .making(modified)) else {
                throw SyscallError(call: "mkdirat", errno: .noSuchFileOrDirectory)
            }
            recent = (path, directory)
            return directory
        } catch {
            switch error.errno {
            case .tooManySymbolicLinkLevels:
                throw ArchiveError(.malformed, "too many symbolic links on the way to /\(path)")
            case .fileNameTooLong where error == Self.longWay:
                throw Self.tooLong(path)
            default:
                throw ArchiveError(.system, "could not make the directory /\(path)", cause: error)
            }
        }
    }

    /// Names with links in them may stand for paths that no call takes whole, and no archive.
    private static let longWay = SyscallError(call: "resolve", errno: .fileNameTooLong)

    static func tooLong(_ path: RawPath) -> ArchiveError {
        ArchiveError(
            .unsupported,
            "the links on the way to /\(path) make it longer than \(TarLimits.pathBytes) bytes")
    }

    /// Symbolic links followed on one way, as the kernel counts them (path_resolution(7)).
    private static let linksMax = 40

    /// Walks a path, which is one of ``NormalWay``; nil where it ends before.
    mutating func resolve(
        _ path: RawPath, _ way: Way
    ) throws(SyscallError) -> UnpackDirectory? {
        var current = root
        // What is still to be walked, with that behind each link before the rest.
        var remaining = [NamesOnWay(path)]
        // Names behind `current` that are no directories. A link may lead through one and out of it again,
        // which takes it away as text: containerd and umoci do so, and do not make it.
        var missing: [RawPath] = []
        var links = 0
        while let last = remaining.indices.last {
            guard let name = remaining[last].next() else {
                remaining.removeLast()
                continue
            }
            if name == ".." {
                if missing.popLast() == nil { current = current.parent ?? root }
                continue
            }
            // One member may name two thousand directories.
            try observer.requireGoOnCalls()
            if !missing.isEmpty && last > 0 {
                missing.append(name)
                continue
            }
            // The path itself has no `..`.
            guard let next = try make(missing, in: current, way) else { return nil }
            (current, missing) = (next, [])
            switch try step(into: name, from: current, way) {
            case .directory(let next): current = next
            case .missing: missing = [name]
            case .link(let destination):
                links += 1
                if links > Self.linksMax {
                    // Such a way leads to nothing that could be deleted.
                    if way.isDeletion { return nil }
                    throw SyscallError(call: "resolve", errno: .tooManySymbolicLinkLevels)
                }
                if destination.bytes.first == UInt8(ascii: "/") { current = root }
                remaining.append(NamesOnWay(destination))
            }
        }
        return try make(missing, in: current, way)
    }

    /// Makes the rest of a way, in place of what is there and is no directory; nil for a deletion.
    private mutating func make(
        _ missing: [RawPath], in directory: UnpackDirectory, _ way: Way
    ) throws(SyscallError) -> UnpackDirectory? {
        if missing.isEmpty { return directory }
        guard case .making(let modified) = way else { return nil }
        var current = directory
        for name in missing {
            let path = current.path.appending(name)
            if path.count > TarLimits.pathBytes { throw Self.longWay }
            if let own = try current.handle.statusIfPresent(of: name) {
                try contents.keep(path, own, name, of: try current.handle)
                try current.handle.removeFile(name)
            }
            current = try make(name, in: current, modified: modified)
        }
        return current
    }

    private enum Step {
        case directory(UnpackDirectory)
        case link(RawPath)
        case missing
    }

    private mutating func step(
        into name: RawPath, from directory: UnpackDirectory, _ way: Way
    ) throws(SyscallError) -> Step {
        let path = directory.path.appending(name)
        if let known = cache.find(path) { return .directory(known) }
        if path.count > TarLimits.pathBytes {
            // The parents have no such path either.
            if way.isDeletion { return .missing }
            throw Self.longWay
        }
        let own = try directory.handle.statusIfPresent(of: name)
        if let own, try !marks.isWhiteout(own, name, in: directory.handle) {
            if own.type == .directory { return .directory(try open(name, in: directory, own)) }
            // A deletion means what the parents have. Where the layer puts something else in the
            // place of their directory, all in it is gone anyway.
            if way.isDeletion, try directory.inParents()?.lookup(name)?.directory != nil {
                return .missing
            }
            if own.type == .symbolicLink { return .link(try directory.handle.readLink(name)) }
            return .missing
        }
        let below = own == nil ? try directory.lowerEntry(name) : nil
        if let below, below.status.type == .symbolicLink { return .link(try below.readLink()) }
        switch way {
        case .existing:
            return .missing
        case .makingMerged, .making:
            guard let below, below.directory != nil else { return .missing }
            return .directory(try make(name, in: directory, like: below))
        }
    }

    /// Opens a directory that the layer has.
    mutating func open(
        _ name: RawPath, in directory: UnpackDirectory, _ status: FileStatus
    ) throws(SyscallError) -> UnpackDirectory {
        if let known = cache.find(directory.path.appending(name)) { return known }
        let handle = try directory.handle.openDirectory(name)
        let opened = UnpackDirectory(
            name, handle: handle, in: directory, modified: status.modified,
            isOpaque: try marks.isOpaque(".", in: handle))
        try cache.insert(opened)
        return opened
    }

    /// Opens a directory that the layer has, whatever its time is.
    mutating func open(
        _ name: RawPath, in directory: UnpackDirectory
    ) throws(SyscallError) -> UnpackDirectory {
        if let known = cache.find(directory.path.appending(name)) { return known }
        return try open(name, in: directory, try directory.handle.status(of: name))
    }

    /// Makes a directory that merges with what the parents have under its name.
    mutating func makeMerging(
        _ name: RawPath, in directory: UnpackDirectory, modified: Timestamp
    ) throws(SyscallError) -> UnpackDirectory {
        try directory.handle.makeDirectory(name, permissions: 0o700)
        let made = UnpackDirectory(
            name, handle: try directory.handle.openDirectory(name), in: directory,
            modified: modified)
        try directory.removeInherited(from: name)
        made.knownPassesListsOn = false
        try cache.insert(made)
        return made
    }

    /// Makes a directory that the archive has not named, as the parents have it.
    private mutating func make(
        _ name: RawPath, in directory: UnpackDirectory, like below: MergedEntry
    ) throws(SyscallError) -> UnpackDirectory {
        try directory.handle.makeDirectory(name, permissions: 0o700)
        try directory.removeInherited(from: name)
        let handle = try directory.handle.openDirectory(name)
        try copyUp.copyMetadata(of: below, to: handle.descriptor)
        let made = UnpackDirectory(
            name, handle: handle, in: directory, modified: below.status.modified)
        try cache.insert(made)
        return made
    }

    /// Makes a directory that neither the archive nor the parents have, or whose name was deleted.
    mutating func make(
        _ name: RawPath, in directory: UnpackDirectory, modified: Timestamp
    ) throws(SyscallError) -> UnpackDirectory {
        try directory.handle.makeDirectory(name, permissions: 0o755)
        try directory.removeInherited(from: name)
        let handle = try directory.handle.openDirectory(name)
        try handle.descriptor.setPermissions(0o755)
        let made = UnpackDirectory(name, handle: handle, in: directory, modified: modified)
        made.knownPassesListsOn = false
        if try directory.lowerEntry(name) != nil { try made.makeOpaque(marks, observer) }
        try cache.insert(made)
        return made
    }

    /// Forgets a directory that is about to be removed, and all below it.
    mutating func forget(below path: RawPath) {
        recent = nil
        cache.forget(below: path)
    }

    /// Lets the directory of the last member go.
    mutating func releaseRecent() { recent = nil }

    /// Gives all directories the times that they shall have in the end.
    mutating func finish() throws(SyscallError) {
        try cache.removeAll()
        try root.restoreTime()
    }
}
