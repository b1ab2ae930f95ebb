// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// A directory of the layer being unpacked.
///
/// Unpacking into a directory changes its time, so the time that it shall have in the end is kept
/// here and set when the directory is let go: when nobody holds it any more. A directory that is
/// looked up again brings its time along, so nothing has to be remembered for the whole archive.
final class UnpackDirectory {
    /// The way from the layer's root, without links.
    let path: RawPath
    private let opened: OpenUnpackDirectories
    /// nil while it is closed, of which many are where the way is long.
    private var knownHandle: Directory?
    /// For ``OpenUnpackDirectories``: whether it was used since that looked.
    var wasUsed = true
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

    /// A directory in another, open as `handle`.
    init(
        _ name: RawPath, handle: Directory, in parent: UnpackDirectory, modified: Timestamp,
        isOpaque: Bool = false
    ) {
        (path, self.parent, opened) = (parent.path.appending(name), parent, parent.opened)
        (self.modified, self.isOpaque, openLower) = (modified, isOpaque, nil)
        knownHandle = handle
        opened.add(self)
    }

    /// The root of a layer.
    init(root target: ApplyTarget) throws(SyscallError) {
        (path, knownHandle, parent, isOpaque) = ("", target.directory, nil, false)
        opened = OpenUnpackDirectories(root: target.directory)
        modified = try target.directory.status().modified
        openLower = { () throws(SyscallError) in
            try target.lowerCompletion?.wait()
            return MergedDirectory(root: target.lower)
        }
    }

    /// The directory itself, opened again where that has become necessary.
    var handle: Directory {
        get throws(SyscallError) {
            wasUsed = true
            if let knownHandle { return knownHandle }
            let handle = Directory(
                owning: try opened.root.openBeneath(path, [.readOnly, .directory]))
            knownHandle = handle
            opened.add(self)
            return handle
        }
    }

    /// The bytes of the path of a name in this directory.
    func pathBytes(of name: RawPath) -> Int {
        path.isEmpty ? name.count : path.count + 1 + name.count
    }

    /// Closes the directory until it is used again.
    func close() { knownHandle = nil }

    /// What shows through of the parents' directory under this path.
    func lower() throws(SyscallError) -> MergedDirectory? {
        isHidden ? nil : try inParents()
    }

    /// The parents' directory under this path, hidden by this layer or not: looked up when first
    /// asked for, since most directories of most archives never need it.
    func inParents() throws(SyscallError) -> MergedDirectory? {
        // Those above it that have not been looked up, the lowest first: not by calls within calls,
        // of which a long way would need too many.
        var unknown: [UnpackDirectory] = []
        var above: UnpackDirectory? = self
        while let current = above, current.knownLower == nil {
            unknown.append(current)
            above = current.parent
        }
        while let next = unknown.popLast() {
            let found: MergedDirectory?
            if let openLower = next.openLower {
                found = try openLower()
            } else {
                found = try next.parent?.knownLower??.lookup(next.path.lastName)?.directory
            }
            next.knownLower = .some(found)
        }
        return knownLower ?? nil
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
    func makeOpaque(_ marks: LayerMarks, _ observer: WorkObserver) throws(SyscallError) {
        if isOpaque { return }
        try handle.attributes(of: ".").set(marks.opaque)
        isOpaque = true
        // Deletions recorded before the mark have nothing to hide any more, and overlayfs lists
        // the names of such.
        try marks.remove(from: try handle, andOpaque: false, observer)
    }

    /// Whether what is made in this directory inherits an access list (acl(5)), which it must not
    /// keep: an archive tells all that its members have.
    func passesListsOn() throws(SyscallError) -> Bool {
        if let knownPassesListsOn { return knownPassesListsOn }
        let found = try handle.attributes(of: ".").value(of: Self.inheritedList) != nil
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
        if try passesListsOn() { try handle.attributes(of: name).removeInheritedAccessLists() }
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
