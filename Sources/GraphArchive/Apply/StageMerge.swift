// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

import struct SystemPackage.Errno

/// Carries out what was recorded in a staging directory on a whole tree of the same filesystem.
///
/// For backends whose layers are whole trees: a layer is unpacked beside its tree, its
/// deletions marked, and then merged by renaming. Directories that the tree lacks move
/// in one step, so a base layer costs as many renames as its root has names.
///
/// `stage` was written by ``unpackLayer(from:into:observer:)`` as a stage with its marks in
/// `namespace`, and is partly empty afterwards. What is immutable or append-only in the tree is so no
/// more where the layer changes it. After a failure `root` is neither the old tree nor the new one.
package func mergeStage(
    _ stage: Directory, _ namespace: OverlayNamespace, into root: Directory,
    observer: WorkObserver = .none
) throws(ArchiveError) {
    do throws(ArchiveError) {
        let marks = LayerMarks(namespace, isStage: true)
        try StageMerge(marks: marks, observer: observer).merge(stage, into: root)
    } catch  where error.cause?.errno == .canceled && observer.isCancelled {
        throw .cancelled
    }
}

private struct StageMerge {
    let marks: LayerMarks
    let observer: WorkObserver

    /// A directory that both have, and how far it has been merged.
    private struct Level {
        let stage: Directory
        let tree: Directory
        let path: RawPath
        /// The time to set in the end, since renaming changes those of both.
        let modified: Timestamp
        let listing: DirectoryListing
        var position = 0
    }

    /// Merges a directory and everything below it, its own attributes and time included.
    ///
    /// The way down is kept in a list and not on the stack, which a deep tree would exhaust.
    func merge(_ stage: Directory, into tree: Directory) throws(ArchiveError) {
        var levels = [try level(stage, tree, at: "")]
        while let last = levels.indices.last {
            try observer.report(WorkProgress(phase: "merging", completedBytes: 0))
            let level = levels[last]
            guard level.position < level.listing.count else {
                levels.removeLast()
                try attempting(
                    "set the time of /\(level.path)",
                    try level.tree.descriptor.setTimes(level.modified))
                continue
            }
            levels[last].position += 1
            if let below = try mergeEntry(level.listing[level.position].name, in: level) {
                levels.append(below)
            }
        }
    }

    /// Gives a directory of the tree the attributes of the staged one.
    private func level(
        _ stage: Directory, _ tree: Directory, at path: RawPath
    ) throws(ArchiveError) -> Level {
        do throws(SyscallError) {
            let status = try stage.status()
            // File flags are in no layer tar, so they do not decide whether one can be applied.
            if try tree.status().isLocked { try InodeFlags.clearLocks(of: tree.descriptor) }
            try copyAttributes(of: stage, to: tree)
            try tree.descriptor.setOwner(uid: status.uid, gid: status.gid)
            try tree.descriptor.setPermissions(status.permissions)
            return Level(
                stage: stage, tree: tree, path: path, modified: status.modified,
                listing: try stage.listing())
        } catch {
            throw ArchiveError(.system, "could not change /\(path)", cause: error)
        }
    }

    /// Merges one name; returns the directory that both have under it.
    private func mergeEntry(_ name: RawPath, in level: Level) throws(ArchiveError) -> Level? {
        let (stage, tree) = (level.stage, level.tree)
        let path = level.path.appending(name)
        do throws(SyscallError) {
            let staged = try stage.status(of: name)
            let existing = try tree.statusIfPresent(of: name)
            if try marks.isWhiteout(staged, name, in: stage) {
                if existing != nil { try removeTree(name, in: tree) }
                return nil
            }
            guard staged.type == .directory else {
                if existing?.type == .directory { try removeTree(name, in: tree) }
                try unlock(name, existing, in: tree)
                try stage.rename(name, to: name, in: tree)
                return nil
            }
            let isOpaque = try marks.isOpaque(name, in: stage)
            if isOpaque || existing?.type != .directory {
                if existing != nil { try removeTree(name, in: tree) }
                if isOpaque { try stripMarks(of: name, in: stage) }
                try stage.rename(name, to: name, in: tree)
                return nil
            }
        } catch {
            throw ArchiveError(.system, "could not merge /\(path)", cause: error)
        }
        let below = try attempting(
            "open /\(path)", (try stage.openDirectory(name), try tree.openDirectory(name)))
        return try self.level(below.0, below.1, at: path)
    }

    private func removeTree(_ name: RawPath, in tree: Directory) throws(SyscallError) {
        try tree.removeTree(name) { observer.isCancelled }.requireComplete()
    }

    /// A file with `chattr +i` can be neither replaced nor removed.
    private func unlock(
        _ name: RawPath, _ existing: FileStatus?, in tree: Directory
    ) throws(SyscallError) {
        guard let existing, existing.isLocked, existing.type == .regular else { return }
        try InodeFlags.clearLocks(of: tree.open(name, [.readOnly, .nonBlocking]))
    }

    /// Takes the marks of deletions out of a directory that becomes a part of a whole tree.
    private func stripMarks(of name: RawPath, in stage: Directory) throws(SyscallError) {
        try marks.remove(from: try stage.openDirectory(name), andOpaque: true, observer)
    }

    /// Makes the attributes of `tree` those of `stage`.
    private func copyAttributes(
        of stage: Directory, to tree: Directory
    ) throws(SyscallError) {
        let wanted = try stage.attributes(of: ".").all().filter {
            AttributeTable.isContent($0.name)
        }
        let old = try tree.attributes(of: ".").all().filter { AttributeTable.isContent($0.name) }
        if !old.isEmpty {
            let kept = Set(wanted.map(\.name))
            for old in old where !kept.contains(old.name) {
                try tree.attributes(of: ".").remove(old.name)
            }
        }
        for attribute in wanted { try tree.descriptor.setAttribute(attribute) }
    }
}
