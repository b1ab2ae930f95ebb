// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// A directory of the layer being unpacked, held open.
///
/// Unpacking into a directory changes its time, so the time that it shall have in the end is kept
/// here and set when the directory is let go. A directory that is opened again brings its time
/// along, so nothing has to be remembered for the whole archive.
final class UnpackDirectory {
    /// The way from the layer's root, without links.
    let path: RawPath
    let handle: Directory
    /// nil for the root.
    let parent: UnpackDirectory?
    /// The time to set in the end.
    var modified: Timestamp
    /// Whether the parents' directory of the same path is hidden.
    var isOpaque: Bool
    /// Whether what is made in this directory inherits an access list; nil when nobody has looked.
    var knownPassesListsOn: Bool?
    private var knownOwnerOfNew: FileOwner?
    private var knownLower: MergedDirectory??
    /// For the root alone: opens the parents' tree, once it is complete.
    private let openLower: (() throws(SyscallError) -> MergedDirectory?)?

    init(
        path: RawPath, handle: Directory, parent: UnpackDirectory?, modified: Timestamp,
        isOpaque: Bool
    ) {
        (self.path, self.handle, self.parent) = (path, handle, parent)
        (self.modified, self.isOpaque, openLower) = (modified, isOpaque, nil)
    }

    /// The root of a layer.
    init(root target: ApplyTarget) throws(SyscallError) {
        (path, handle, parent, isOpaque) = ("", target.directory, nil, false)
        modified = try handle.status().modified
        openLower = { () throws(SyscallError) in
            try target.lowerCompletion?.wait()
            return MergedDirectory(root: target.lower)
        }
    }

    /// What shows through of the parents' directory under this path.
    func lower() throws(SyscallError) -> MergedDirectory? {
        isHidden ? nil : try inParents()
    }

    /// The parents' directory under this path, hidden by this layer or not: looked up when first
    /// asked for, since most directories of most archives never need it.
    func inParents() throws(SyscallError) -> MergedDirectory? {
        if let knownLower { return knownLower }
        let found: MergedDirectory?
        if let openLower {
            found = try openLower()
        } else {
            found = try parent?.inParents()?.lookup(path.components.last ?? "")?.directory
        }
        knownLower = .some(found)
        return found
    }

    /// Whether this directory or one above it is opaque: it may have become so after this one was
    /// opened.
    private var isHidden: Bool {
        var directory: UnpackDirectory? = self
        while let current = directory {
            if current.isOpaque { return true }
            directory = current.parent
        }
        return false
    }

    /// What the parents have under a name of this directory, while nothing of the layer hides it.
    func lowerEntry(_ name: RawPath) throws(SyscallError) -> MergedEntry? {
        try lower()?.lookup(name)
    }

    /// Hides what the parents have here.
    func makeOpaque(_ namespace: OverlayNamespace) throws(SyscallError) {
        if isOpaque { return }
        let opaque = ExtendedAttribute(name: namespace.name("opaque"), value: [UInt8(ascii: "y")])
        try handle.setAttribute(opaque, of: ".")
        isOpaque = true
        // Deletions recorded before the mark have nothing to hide any more, and overlayfs lists
        // the names of such.
        try handle.removeWhiteouts()
    }

    /// Whether what is made in this directory inherits an access list (acl(5)), which it must not
    /// keep: an archive tells all that its members have.
    func passesListsOn() throws(SyscallError) -> Bool {
        if let knownPassesListsOn { return knownPassesListsOn }
        let found = try handle.attribute(Self.inheritedList, of: ".") != nil
        knownPassesListsOn = found
        return found
    }

    /// Who owns what is made in this directory, as the file shows that has just been made in it: that
    /// depends on its mode and on how the filesystem is mounted.
    func ownerOfNew(_ file: borrowing OwnedDescriptor) throws(SyscallError) -> FileOwner {
        if let knownOwnerOfNew { return knownOwnerOfNew }
        let status = try file.status()
        let owner = FileOwner(uid: status.uid, gid: status.gid)
        knownOwnerOfNew = owner
        return owner
    }

    /// Called when the directory's own owner and mode have changed.
    func forgetOwnerOfNew() { knownOwnerOfNew = nil }

    static let inheritedList = "system.posix_acl_default"

    /// Takes an inherited access list from what has just been made in this directory.
    func removeInherited(from name: RawPath) throws(SyscallError) {
        if try passesListsOn() { try handle.removeInheritedAccessLists(of: name) }
    }

    func restoreTime() throws(SyscallError) { try handle.descriptor.setTimes(modified) }
}

/// A user and a group.
struct FileOwner: Hashable {
    let uid: UInt32
    let gid: UInt32

    init(uid: UInt32, gid: UInt32) { (self.uid, self.gid) = (uid, gid) }

    init(_ entry: ArchiveEntry) { self.init(uid: entry.uid, gid: entry.gid) }
}

/// The directories of an unpacking that were used last.
///
/// Archives are written directory by directory, so a few are enough.
struct UnpackDirectoryCache {
    private var directories: [RawPath: UnpackDirectory] = [:]
    /// Least recently added first.
    private var order: [RawPath] = []
    private static let countMax = 64

    subscript(path: RawPath) -> UnpackDirectory? { directories[path] }

    /// Adds a directory, and lets the oldest go when there are too many.
    mutating func insert(_ directory: UnpackDirectory) throws(SyscallError) {
        if order.count >= Self.countMax {
            let oldest = order.removeFirst()
            try directories.removeValue(forKey: oldest)?.restoreTime()
        }
        directories[directory.path] = directory
        order.append(directory.path)
    }

    /// Forgets a directory that is about to be removed, and all below it.
    mutating func forget(below path: RawPath) {
        let prefix = path.appending("")
        let gone = order.filter { $0 == path || $0.hasPrefix(prefix) }
        for path in gone { directories.removeValue(forKey: path) }
        order.removeAll { gone.contains($0) }
    }

    /// Lets all go, children before parents: setting times in a directory does not change its own.
    mutating func removeAll() throws(SyscallError) {
        for directory in directories.values { try directory.restoreTime() }
        directories = [:]
        order = []
    }
}
