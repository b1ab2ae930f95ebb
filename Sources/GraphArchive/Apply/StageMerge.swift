// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

/// Carries out what was recorded in a staging directory on a whole tree of the same filesystem.
///
/// For backends whose layers are whole trees: a layer is unpacked beside its tree, recorded as
/// overlayfs records it, and then merged by renaming. Directories that the tree lacks move in one
/// step, so a base layer costs as many renames as its root has names.
///
/// `stage` was written by ``unpackLayer(from:into:observer:)`` with its deletions recorded in
/// `namespace`, and is partly empty afterwards. After a failure `root` is neither the old tree nor
/// the new one.
public func mergeStage(
    _ stage: Directory, _ namespace: OverlayNamespace, into root: Directory,
    observer: WorkObserver = .none
) throws(ArchiveError) {
    try StageMerge(namespace: namespace, observer: observer).merge(stage, into: root, at: "")
}

private struct StageMerge {
    let namespace: OverlayNamespace
    let observer: WorkObserver

    private var encoding: LayerEncoding { .overlay(namespace) }

    /// Merges one directory into another, its own attributes and time included.
    func merge(
        _ stage: Directory, into tree: Directory, at path: RawPath
    ) throws(ArchiveError) {
        try observer.report(WorkProgress(phase: "merging", completedBytes: 0))
        do throws(SyscallError) {
            let status = try stage.status()
            try copyAttributes(of: stage, to: tree)
            try tree.descriptor.setOwner(uid: status.uid, gid: status.gid)
            try tree.descriptor.setPermissions(status.permissions)
        } catch {
            throw ArchiveError(.system, "could not change /\(path)", cause: error)
        }
        // Renaming changes the times of both, so they are looked at before.
        let status = try attempting("look at /\(path)", try stage.status())
        for entry in try attempting("list /\(path)", try stage.listing()) {
            try mergeEntry(entry.name, of: stage, into: tree, at: path.appending(entry.name))
        }
        try attempting(
            "set the time of /\(path)", try tree.descriptor.setTimes(status.modified))
    }

    private func mergeEntry(
        _ name: RawPath, of stage: Directory, into tree: Directory, at path: RawPath
    ) throws(ArchiveError) {
        do throws(SyscallError) {
            let staged = try stage.status(of: name)
            let existing = try tree.statusIfPresent(of: name)
            if staged.isWhiteoutDevice {
                if existing != nil { try tree.removeTree(name) }
                return
            }
            guard staged.type == .directory else {
                if existing?.type == .directory { try tree.removeTree(name) }
                try unlock(name, existing, in: tree)
                return try stage.rename(name, to: name, in: tree)
            }
            let isOpaque = try encoding.isOpaque(name, in: stage)
            if isOpaque || existing?.type != .directory {
                if existing != nil { try tree.removeTree(name) }
                if isOpaque { try stripMarks(of: name, in: stage) }
                return try stage.rename(name, to: name, in: tree)
            }
        } catch {
            throw ArchiveError(.system, "could not merge /\(path)", cause: error)
        }
        let below = try attempting(
            "open /\(path)", (try stage.openDirectory(name), try tree.openDirectory(name)))
        try merge(below.0, into: below.1, at: path)
    }

    /// A file with `chattr +i` can be neither replaced nor removed.
    private func unlock(
        _ name: RawPath, _ existing: FileStatus?, in tree: Directory
    ) throws(SyscallError) {
        guard let existing, existing.isLocked, existing.type == .regular else { return }
        try tree.open(name, [.readOnly, .nonBlocking]).clearLocks()
    }

    /// Takes the marks of deletions out of a directory that becomes a part of a whole tree.
    private func stripMarks(of name: RawPath, in stage: Directory) throws(SyscallError) {
        let directory = try stage.openDirectory(name)
        let status = try directory.status()
        if try encoding.isOpaque(".", in: directory) {
            try directory.removeAttribute(namespace.name("opaque"), of: ".")
        }
        var isChanged = false
        for entry in try directory.listing() {
            let below = try directory.status(of: entry.name)
            if below.isWhiteoutDevice {
                try directory.removeFile(entry.name)
                isChanged = true
            } else if below.type == .directory {
                try stripMarks(of: entry.name, in: directory)
            }
        }
        if isChanged { try directory.descriptor.setTimes(status.modified) }
    }

    /// Makes the attributes of `tree` those of `stage`.
    private func copyAttributes(
        of stage: Directory, to tree: Directory
    ) throws(SyscallError) {
        let wanted = try stage.attributes(of: ".").filter {
            !$0.name.hasPrefix(namespace.rawValue) && !isHostAttribute($0.name)
        }
        for old in try tree.attributes(of: ".") where !isHostAttribute(old.name) {
            if !wanted.contains(where: { $0.name == old.name }) {
                try tree.removeAttribute(old.name, of: ".")
            }
        }
        for attribute in wanted { try tree.descriptor.setAttribute(attribute) }
    }
}
