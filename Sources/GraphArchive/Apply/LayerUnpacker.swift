// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// What an unpacking did.
public struct UnpackSummary: Hashable, Sendable {
    /// Members of the archive, those without effect included.
    public var entries: UInt64 = 0
    /// Bytes of file content.
    public var contentBytes: UInt64 = 0
    /// Device nodes that a user namespace may not make, left out.
    public var skippedDevices: UInt64 = 0
    /// Attributes that a user namespace may not set, left out.
    public var skippedAttributes: UInt64 = 0
}

/// Unpacks a layer tar, recording its deletions as overlayfs does.
///
/// The result does not depend on where in the archive a deletion stands. All names are resolved
/// inside the layer's tree, symbolic links of the parents included; nothing outside
/// `target.directory` is written.
///
/// `tar` is uncompressed and is read to the end of the stream. Throws ``ArchiveError`` with the offset
/// in the tar for what the archive says wrong; the directory then holds a part of the layer.
/// `recipe` learns how to put the tar together again; the caller finishes it. With `startsWriteback`
/// the kernel is told to begin to put files on disk as soon as they are complete.
public func unpackLayer(
    from tar: any ByteSource, into target: ApplyTarget, recipe: RecipeWriter? = nil,
    startsWriteback: Bool = false, observer: WorkObserver = .none
) throws(ArchiveError) -> UnpackSummary {
    let result: Result<UnpackSummary, ArchiveError> = try attempting(
        "start a thread",
        try withoutMask { isWithoutMask in
            Result { () throws(ArchiveError) in
                let closing = try attempting(
                    "start a thread", try FileClosing(startsWriteback: startsWriteback))
                return try unpackLayer(
                    TarReader(tar, recipe: recipe),
                    LayerUnpacker(target, recipe, closing, isWithoutMask: isWithoutMask), observer)
            }
        })
    return try result.get()
}

private func unpackLayer(
    _ reader: consuming TarReader, _ unpacker: consuming LayerUnpacker, _ observer: WorkObserver
) throws(ArchiveError) -> UnpackSummary {
    var reader = reader
    var unpacker = unpacker
    while true {
        try observer.report(WorkProgress(phase: "unpacking", completedBytes: reader.offset))
        guard let entry = try reader.next() else { break }
        let offset = reader.offset
        do throws(ArchiveError) {
            try unpacker.unpack(entry, data: &reader)
        } catch {
            // Errors of the reader know their place; those about the member get its place here.
            if error.offset != nil || error.cause != nil || error.code == .cancelled { throw error }
            throw ArchiveError(error.code, error.message, offset: offset, cause: error.cause)
        }
    }
    try unpacker.finish()
    try unpacker.recordUnnamed(observer)
    try reader.drain()
    return unpacker.summary
}

/// Puts one member after another into a layer's directory.
struct LayerUnpacker {
    let target: ApplyTarget
    let root: UnpackDirectory
    let recipe: RecipeWriter?
    let closing: FileClosing
    /// Whether what is made has exactly the mode that it is made with.
    let isWithoutMask: Bool
    var cache = UnpackDirectoryCache()
    var summary = UnpackSummary()
    let unnamed = UnnamedContents()
    private var deferred = DeferredDeletions()
    private var namesRoot = false
    /// The directory of the member before: most members share it.
    var recent: (parent: [RawPath], directory: UnpackDirectory)?

    init(
        _ target: ApplyTarget, _ recipe: RecipeWriter?, _ closing: FileClosing, isWithoutMask: Bool
    ) throws(ArchiveError) {
        (self.target, self.recipe) = (target, recipe)
        (self.closing, self.isWithoutMask) = (closing, isWithoutMask)
        root = try attempting(
            "open the layer", try UnpackDirectory(root: target))
    }

    mutating func unpack(
        _ entry: ArchiveEntry, data: inout TarReader
    ) throws(ArchiveError) {
        // As any directory that neither the archive nor the parents have.
        if summary.entries == 0 && target.lower.layers.isEmpty { root.modified = entry.modified }
        summary.entries += 1
        switch try EntryName(entry.path) {
        case .ignored:
            return
        case .root:
            guard case .directory = entry.kind else {
                throw ArchiveError(.malformed, "the root is not a directory in the archive")
            }
            try checkAttributes(entry)
            try setMetadata(of: root, entry)
            namesRoot = true
        case .opaque(let parent), .whiteout(let parent, _):
            let isDone = try canSeeParents() ? delete(entry.path, .existing) : false
            if !isDone { deferred.append(entry.path, depth: parent.count) }
        case .entry(let parent, let name):
            try checkAttributes(entry)
            let directory = try findOrMake(parent, modified: entry.modified)
            try place(entry, name, in: directory, data: &data)
        }
    }

    mutating func finish() throws(ArchiveError) {
        recent = nil
        let deletions = deferred
        deferred = DeferredDeletions()
        try deletions.visit { (path) throws(ArchiveError) in
            _ = try delete(path, .makingMerged)
        }
        if target.lowerCompletion != nil && !namesRoot { try takeRootFromParents() }
        do throws(SyscallError) {
            try cache.removeAll()
            try root.restoreTime()
            try closing.finish()
        } catch {
            throw ArchiveError(.system, "could not set the times of directories", cause: error)
        }
    }

    /// Gives the root what the parents' has, which was not complete when the layer was made.
    private mutating func takeRootFromParents() throws(ArchiveError) {
        try attempting("wait for the layers below", try target.lowerCompletion?.wait())
        guard let below = target.lower.layers.first else { return }
        do throws(SyscallError) {
            let status = try below.status()
            try root.handle.descriptor.takeMetadata(from: below.descriptor, status) {
                !isOverlayAttribute($0)
            }
            root.modified = status.modified
        } catch {
            throw ArchiveError(.system, "could not set the attributes of /", cause: error)
        }
    }

    // MARK: Deletions

    /// Whether the parents are complete; waited for once many deletions wait for them.
    private func canSeeParents() throws(ArchiveError) -> Bool {
        guard let completion = target.lowerCompletion, !completion.isComplete() else { return true }
        if deferred.byteCount < DeferredDeletions.waitingBytesMax { return false }
        try attempting("wait for the layers below", try completion.wait())
        return true
    }

    /// Carries out the deletion that a marker's path tells.
    ///
    /// - Returns: Whether there is the directory in which to delete.
    private mutating func delete(_ path: RawPath, _ way: Way) throws(ArchiveError) -> Bool {
        let name = try EntryName(path)
        do throws(SyscallError) {
            switch name {
            case .whiteout(let parent, let name):
                guard let directory = try resolve(parent, way) else { return false }
                try hide(name, in: directory)
            case .opaque(let parent):
                guard let directory = try resolve(parent, way) else { return false }
                try hideAll(in: directory)
            case .root, .entry, .ignored:
                break
            }
            return true
        } catch {
            throw ArchiveError(.system, "could not carry out /\(path)", cause: error)
        }
    }

    /// Hides what the parents have in a directory.
    private mutating func hideAll(in directory: UnpackDirectory) throws(SyscallError) {
        guard let lower = try directory.lower() else { return }
        if directory.parent != nil { return try directory.makeOpaque(target.namespace) }
        // overlayfs does not look for the mark on a layer's root, so each name is deleted.
        for name in SortedNames(try lower.listed(above: 0).listings) {
            try hide(name, in: directory)
        }
    }

    /// Hides a name of the parents.
    ///
    /// What this layer itself puts under the name stays.
    private mutating func hide(
        _ name: RawPath, in directory: UnpackDirectory
    ) throws(SyscallError) {
        guard try directory.lowerEntry(name) != nil else { return }
        if let own = try directory.handle.statusIfPresent(of: name) {
            guard own.type == .directory else { return }
            return try open(name, in: directory, own).makeOpaque(target.namespace)
        }
        try directory.handle.makeSpecial(name, .characterDevice, permissions: 0)
    }

    // MARK: Directories

    /// What a way through the tree does where the layer itself has no directory.
    private enum Way {
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
        _ path: [RawPath], modified: Timestamp
    ) throws(ArchiveError) -> UnpackDirectory {
        if let recent, recent.parent == path { return recent.directory }
        // What is kept under its way without links needs no steps from the root.
        if let known = cache[RawPath(joining: path)] {
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
            let way = RawPath(joining: path)
            switch error.errno {
            case .notDirectory:
                throw ArchiveError(
                    .malformed, "/\(way) has members, but \(error.call) is no directory")
            case .tooManySymbolicLinkLevels:
                throw ArchiveError(.malformed, "too many symbolic links on the way to /\(way)")
            default:
                throw ArchiveError(.system, "could not make the directory /\(way)", cause: error)
            }
        }
    }

    /// Symbolic links followed on one way, as the kernel counts them (path_resolution(7)).
    private static let linksMax = 40

    private mutating func resolve(
        _ path: [RawPath], _ way: Way
    ) throws(SyscallError) -> UnpackDirectory? {
        var current = root
        var remaining = Array(path.reversed())
        var links = 0
        while let name = remaining.popLast() {
            if name == ".." {
                current = current.parent ?? root
                continue
            }
            switch try step(into: name, from: current, way) {
            case .directory(let next): current = next
            case .missing: return nil
            case .link(let destination):
                links += 1
                if links > Self.linksMax {
                    // Such a way leads to nothing that could be deleted.
                    if way.isDeletion { return nil }
                    throw SyscallError(call: "resolve", errno: .tooManySymbolicLinkLevels)
                }
                if destination.bytes.first == UInt8(ascii: "/") { current = root }
                remaining += destination.components.filter { $0 != "." }.reversed()
            }
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
        if let known = cache[path] { return .directory(known) }
        let own = try directory.handle.statusIfPresent(of: name)
        if let own, !own.isWhiteoutDevice {
            if own.type == .directory { return .directory(try open(name, in: directory, own)) }
            // A deletion means what the parents have. Where the layer puts something else in the
            // place of their directory, all in it is gone anyway.
            if way.isDeletion, try directory.inParents()?.lookup(name)?.directory != nil {
                return .missing
            }
            if own.type == .symbolicLink { return .link(try directory.handle.readLink(name)) }
            if way.isDeletion { return .missing }
            throw SyscallError(call: "/\(path)", errno: .notDirectory)
        }
        let below = own == nil ? try directory.lowerEntry(name) : nil
        if let below, below.status.type == .symbolicLink { return .link(try below.readLink()) }
        switch way {
        case .existing:
            return .missing
        case .makingMerged:
            guard let below, below.directory != nil else { return .missing }
            return .directory(try make(name, in: directory, like: below))
        case .making(let modified):
            if let below, below.directory != nil {
                return .directory(try make(name, in: directory, like: below))
            }
            if own != nil { try directory.handle.removeFile(name) }
            return .directory(try make(name, in: directory, modified: modified))
        }
    }

    /// Opens a directory that the layer has.
    private mutating func open(
        _ name: RawPath, in directory: UnpackDirectory, _ status: FileStatus
    ) throws(SyscallError) -> UnpackDirectory {
        let path = directory.path.appending(name)
        if let known = cache[path] { return known }
        let handle = try directory.handle.openDirectory(name)
        let encoding = LayerEncoding.overlay(target.namespace)
        let opened = UnpackDirectory(
            path: path, handle: handle, parent: directory, modified: status.modified,
            isOpaque: try encoding.isOpaque(".", in: handle))
        try cache.insert(opened)
        return opened
    }

    /// Opens a directory that the layer has, whatever its time is.
    mutating func open(
        _ name: RawPath, in directory: UnpackDirectory
    ) throws(SyscallError) -> UnpackDirectory {
        if let known = cache[directory.path.appending(name)] { return known }
        return try open(name, in: directory, try directory.handle.status(of: name))
    }

    /// Makes a directory that merges with what the parents have under its name.
    mutating func makeMerging(
        _ name: RawPath, in directory: UnpackDirectory, modified: Timestamp
    ) throws(SyscallError) -> UnpackDirectory {
        try directory.handle.makeDirectory(name, permissions: 0o700)
        let made = UnpackDirectory(
            path: directory.path.appending(name), handle: try directory.handle.openDirectory(name),
            parent: directory, modified: modified, isOpaque: false)
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
        try copyMetadata(of: below, to: handle.descriptor)
        let made = UnpackDirectory(
            path: directory.path.appending(name), handle: handle, parent: directory,
            modified: below.status.modified, isOpaque: false)
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
        let made = UnpackDirectory(
            path: directory.path.appending(name), handle: handle, parent: directory,
            modified: modified, isOpaque: false)
        made.knownPassesListsOn = false
        if try directory.lowerEntry(name) != nil { try made.makeOpaque(target.namespace) }
        try cache.insert(made)
        return made
    }
}
