// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// Searches the metadata of a layer for what was written since it was made of another one, and tells
/// where their trees may differ.
///
/// ## Why no difference is missed
/// The layer's subvolume began as the other one's tree, as that was at the end of the transaction `made`
/// (`otransid`), and the other one has not changed since. Every change to a file, a directory or its
/// entries, an attribute or a name writes the item of the inode again and marks it with the transaction
/// (`fill_inode_item`): a new or removed name marks the directory and the file, a rename both directories
/// and what was renamed. Whether that is put off, in memory, does not matter once it was committed. So
/// an inode with a mark up to `made` is as in the older subvolume, and what has its number there is the
/// same: a number that was given anew marks its inode as new.
///
/// A block of the tree that holds a mark is as new as the mark at least, and so are the blocks that lead
/// to it. A search that leaves out older blocks finds all inodes with a newer mark. Blocks may be newer
/// than all that is in them (they are split, and moved by a balance), which does no harm.
///
/// Take a path at which the trees differ, and go down it in both as long as the names on the way stand
/// for the same numbers.
///
/// - That is so for the whole path: then its inode has a newer mark, and all its names are taken.
/// - Or it ends at a name in a directory: then this directory, of the same path in both, has a newer
///   mark. It is listed on both sides, and the names that stand for another number are taken. A
///   comparison looks at all that lies below a directory that is new or gone, and below one that
///   replaces another.
///
/// For groups of names, of which a diff tells all or none: where a group is another than before, one of
/// its names is new or the file is changed, either of which marks it, and all its names are taken; or it
/// has a name below a directory that was renamed. Then all that lies below that is searched for such.
struct SearchDifferences {
    private(set) var names = CandidateNames()

    private let search: InodeSearch
    /// The trees in both subvolumes.
    private let new: Directory
    private let old: Directory
    /// Whether the younger layer is the old side of the comparison.
    private let isBackward: Bool
    /// Whether files with several names that were not changed may lie at other paths than before.
    private var haveMoved = false

    /// Searches a subvolume, which is read-only and settled, for what was changed after the
    /// transaction in which it was made of `older`, or a layer between the two was.
    init(
        _ subvolume: Subvolume, over older: Subvolume, madeIn made: UInt64, isBackward: Bool
    ) throws(Refusal) {
        self.isBackward = isBackward
        new = try asking(try subvolume.directory.openDirectory(WholeTrees.tree))
        old = try asking(try older.directory.openDirectory(WholeTrees.tree))
        if try asking(try new.status()).inode != asking(try old.status()).inode {
            throw Refusal("the tree of a layer was replaced")
        }
        search = InodeSearch(subvolume, made: made)
        let found = try search.run()
        for path in found.files { try names.insert(path) }
        for directory in found.directories { try addDirectory(directory) }
        let haveLinks = if found.haveLinks { true } else { try hadLinks(found.files) }
        names.areAll(haveLinks: haveLinks)
        guard isBackward || haveMoved else { return }
        try names.addLinkedNames(in: [LinkedNames(old), LinkedNames(new)])
    }

    /// Whether one of these was a file with several names: which may be several files now.
    private func hadLinks(_ files: [RawPath]) throws(Refusal) -> Bool {
        for path in files {
            do throws(SyscallError) {
                let before = try old.openBeneath(path, [.path, .noFollow]).status()
                if before.type != .directory, before.links > 1 { return true }
            } catch
                where [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels].contains(
                    error.errno)
            {
                continue  // Nothing was there.
            } catch {
                throw Refusal(error)
            }
        }
        return false
    }

    /// Adds a changed directory, and the names in it that stand for other inodes than before.
    private mutating func addDirectory(_ inode: ChangedInode) throws(Refusal) {
        guard let path = try search.path(ofDirectory: inode.number) else { return }
        let isNew = inode.madeTransaction > search.made
        guard let before = try asking(try old.openIfPresent(path)) else {
            // A comparison looks at all of it; it was either made or renamed.
            try insertTree(path, isMoved: !isNew)
            return
        }
        let number = try asking(try before.status()).inode
        if isNew || number != inode.number {
            // It is in the place of another one.
            try insertTree(path, isMoved: true)
            return
        }
        try names.insert(path)
        guard let now = try asking(try new.openIfPresent(path)) else {
            throw Refusal("a directory is gone that was found")
        }
        let listings = try asking((new: try now.listing(), old: try before.listing()))
        for difference in listings.new.differences(from: listings.old) {
            guard let name = (difference.new ?? difference.old)?.name else { continue }
            // Directories of the younger layer are changed themselves, and have their turn.
            let isTree = difference.old.map { ($0.type ?? .directory) == .directory } ?? false
            try names.insert(path.appending(name), withTree: isBackward && isTree)
        }
    }

    private mutating func insertTree(_ path: RawPath, isMoved: Bool) throws(Refusal) {
        if isMoved { haveMoved = true }
        try names.insert(path, withTree: isMoved)
    }
}
