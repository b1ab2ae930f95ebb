// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

import struct SystemPackage.Errno

/// What an unpacking did.
package struct UnpackSummary: Hashable, Sendable {
    /// Members of the archive, those without effect included.
    package var entries: UInt64 = 0
    /// Bytes of file content.
    package var contentBytes: UInt64 = 0
    /// What is not in the layer as the archive says.
    package var warnings: [LayerWarning] = []
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
package func unpackLayer(
    from tar: any ByteSource, into target: ApplyTarget, recipe: RecipeWriter? = nil,
    startsWriteback: Bool = false, observer: WorkObserver = .none
) throws(ArchiveError) -> UnpackSummary {
    let result: Result<UnpackSummary, ArchiveError> = try attempting(
        "start a thread",
        try withoutMask { isWithoutMask in
            Result { () throws(ArchiveError) in
                let closing = try attempting(
                    "start a thread", try WritebackQueue(startsWriteback: startsWriteback))
                return try unpackLayer(
                    TarReader(tar, recipe: recipe, observer: observer),
                    LayerUnpacker(
                        target, recipe, closing, isWithoutMask: isWithoutMask, observer))
            }
        })
    do throws(ArchiveError) {
        return try result.get()
    } catch  where error.cause?.errno == .canceled && observer.isCancelled {
        throw .cancelled
    }
}

private func unpackLayer(
    _ reader: consuming TarReader, _ unpacker: consuming LayerUnpacker
) throws(ArchiveError) -> UnpackSummary {
    var reader = reader
    var unpacker = unpacker
    while true {
        try unpacker.observer.report(
            WorkProgress(phase: "unpacking", completedBytes: reader.offset))
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
    try unpacker.unnamed.record(in: unpacker.target.directory)
    try reader.drain()
    unpacker.summary.warnings = unpacker.warnings.all
    return unpacker.summary
}

/// Puts one member after another into a layer's directory.
struct LayerUnpacker {
    let target: ApplyTarget
    let recipe: RecipeWriter?
    let closing: WritebackQueue
    /// Whether what is made has exactly the mode that it is made with.
    let isWithoutMask: Bool
    let observer: WorkObserver
    var tree: UnpackTree
    let metadata: MemberMetadata
    let copyUp: CopyUp
    var summary = UnpackSummary()
    var warnings = LayerWarnings()
    var leftOut = LeftOutDevices()
    private var times = HeldTimes()
    let unnamed: UnnamedContents
    private let deferred: DeferredDeletions
    private var namesRoot = false
    private var hasAUFSLinks = false

    init(
        _ target: ApplyTarget, _ recipe: RecipeWriter?, _ closing: WritebackQueue,
        isWithoutMask: Bool,
        _ observer: WorkObserver
    ) throws(ArchiveError) {
        (self.target, self.recipe) = (target, recipe)
        (self.closing, self.isWithoutMask, self.observer) = (closing, isWithoutMask, observer)
        deferred = DeferredDeletions { () throws(SyscallError) in
            try OwnedDescriptor.temporary(in: target.directory.descriptor.procPath)
        }
        metadata = MemberMetadata(for: target)
        let copyUp = CopyUp(marks: target.marks, observer: observer)
        let unnamed = UnnamedContents(recipe, observer)
        (self.copyUp, self.unnamed) = (copyUp, unnamed)
        tree = try attempting(
            "open the layer", try UnpackTree(of: target, copyUp, unnamed, observer))
    }

    mutating func unpack(
        _ entry: ArchiveEntry, data: inout TarReader
    ) throws(ArchiveError) {
        let (entry, isHeld) = try times.hold(entry, in: target.directory)
        // As any directory that neither the archive nor the parents have.
        if summary.entries == 0 && target.lower.layers.isEmpty {
            tree.root.modified = entry.modified
        }
        summary.entries += 1
        switch try EntryName(entry.path) {
        case .aufs:
            warnings.add(.aufsMetadata, entry.shownPath)
        case .aufsLink(let name):
            hasAUFSLinks = true
            try place(entry, name, below: EntryName.aufsLinks, data: &data)
        case .root:
            guard case .directory = entry.kind else {
                return warnings.add(.misplacedRoot, entry.shownPath)
            }
            if !isHeld { warnings.add(.time, entry.shownPath) }
            try attempting(
                "set the attributes of /", try metadata.set(entry, on: tree.root, &warnings))
            namesRoot = true
        case .opaque(let parent), .whiteout(let parent, _):
            let isDone = try canSeeParents() ? delete(entry.path, .existing) : false
            if !isDone { try deferred.append(entry.path, in: parent) }
        case .entry(let parent, let name):
            if !isHeld { warnings.add(.time, entry.shownPath) }
            try place(entry, name, below: parent, data: &data)
        }
    }

    private mutating func place(
        _ entry: ArchiveEntry, _ name: RawPath, below parent: RawPath, data: inout TarReader
    ) throws(ArchiveError) {
        let directory = try tree.findOrMake(parent, modified: entry.modified)
        if directory.pathBytes(of: name) > TarLimits.pathBytes {
            throw UnpackTree.tooLong(entry.path)
        }
        try place(entry, name, in: directory, data: &data)
    }

    mutating func finish() throws(ArchiveError) {
        tree.releaseRecent()
        try deferred.visit { (path) throws(ArchiveError) in
            try observer.requireGoOn()
            _ = try delete(path, .makingMerged)
        }
        if hasAUFSLinks { try removeAUFSLinks() }
        if target.lowerCompletion != nil && !namesRoot { try takeRootFromParents() }
        do throws(SyscallError) {
            try tree.finish()
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
            // Both are layers of an overlay, in which a user's attributes have the same names.
            try tree.root.handle.descriptor.takeMetadata(from: below.descriptor, status) {
                [marks = target.marks] in !marks.isMark($0)
            }
            tree.root.modified = status.modified
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
    private mutating func delete(_ path: RawPath, _ way: UnpackTree.Way) throws(ArchiveError)
        -> Bool
    {
        let name = try EntryName(path)
        do throws(SyscallError) {
            switch name {
            case .whiteout(let parent, let name):
                guard let directory = try tree.resolve(parent, way) else { return false }
                try hide(name, in: directory)
            case .opaque(let parent):
                guard let directory = try tree.resolve(parent, way) else { return false }
                try hideAll(in: directory)
            case .root, .entry, .aufs, .aufsLink:
                break
            }
            return true
        } catch {
            throw ArchiveError(.system, "could not apply the whiteout /\(path)", cause: error)
        }
    }

    /// Hides what the parents have in a directory.
    private mutating func hideAll(in directory: UnpackDirectory) throws(SyscallError) {
        guard let lower = try directory.lower() else { return }
        if directory.parent != nil { return try directory.makeOpaque(target.marks, observer) }
        // overlayfs does not look for the mark on a layer's root, so each name is deleted.
        for name in SortedNames(try lower.listed(above: 0).listings) {
            try observer.requireGoOnCalls()
            try hide(name, in: directory)
        }
    }

    /// Hides a name of the parents.
    ///
    /// What this layer itself puts under the name stays.
    mutating func hide(
        _ name: RawPath, in directory: UnpackDirectory
    ) throws(SyscallError) {
        guard try directory.lowerEntry(name) != nil else { return }
        if let own = try directory.handle.statusIfPresent(of: name) {
            guard own.type == .directory else { return }
            return try tree.open(name, in: directory, own).makeOpaque(target.marks, observer)
        }
        try target.marks.makeWhiteout(name, in: directory.handle)
    }
}
