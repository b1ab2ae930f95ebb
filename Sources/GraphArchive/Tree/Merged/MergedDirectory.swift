// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// One directory of a ``LayeredTree``: the directories of the layers that merge there.
struct MergedDirectory {
    /// The directory of one layer.
    struct Part {
        /// The layer's root, which tells layers apart.
        let layer: Directory
        /// The layer's place in the tree, 0 for the topmost.
        let index: Int
        /// Whether the layer may hold redirects, files without their data and whiteouts that are
        /// attributes.
        let mayRefer: Bool
        /// Whether no layer of the tree is below this one.
        let isBottom: Bool
        /// Which directory of the layer it is; nil for its root.
        ///
        /// A directory has one name, so this stands for the way to it from the layer's root, which is
        /// not the way in the merged tree where a directory was renamed.
        let identity: FileIdentity?
        /// The directory from which `path` leads: the layer's root or a directory below it.
        let base: Directory
        /// The way from `base` to this directory; empty for `base` itself.
        let path: RawPath
        /// How many directories are held open for this one, `base` included.
        let heldCount: Int

        /// Whether the layer may be changing while it is read.
        private let isLive: Bool

        /// The root of the layer at a place in a tree.
        fileprivate init(root index: Int, of tree: LayeredTree, isLive: Bool) {
            layer = tree.layers[index]
            (self.index, self.isLive) = (index, isLive)
            mayRefer = tree.mayRefer(index)
            isBottom = index + 1 == tree.layers.count
            (base, path, identity, heldCount) = (layer, "", nil, 1)
        }

        private init(
            _ name: RawPath, _ identity: FileIdentity, in parent: Part, isHeld: Bool
        ) throws(SyscallError) {
            (layer, index, isLive) = (parent.layer, parent.index, parent.isLive)
            (mayRefer, isBottom) = (parent.mayRefer, parent.isBottom)
            self.identity = identity
            let way = parent.path.appending(name)
            if isHeld {
                base = Directory(owning: try parent.base.openBeneath(way, .directory))
                (path, heldCount) = ("", parent.heldCount + 1)
            } else {
                (base, path, heldCount) = (parent.base, way, parent.heldCount)
            }
        }

        /// The same directory, reached through a descriptor of its own.
        private init(_ part: Part, openedAs directory: Directory) {
            (layer, index, isLive) = (part.layer, part.index, part.isLive)
            (mayRefer, isBottom, identity) = (part.mayRefer, part.isBottom, part.identity)
            (base, path, heldCount) = (directory, "", part.heldCount + 1)
        }

        /// Opens the directory.
        ///
        /// No link on the way is followed.
        private func open() throws(SyscallError) -> Directory {
            path.isEmpty ? base : Directory(owning: try base.openBeneath(path, .directory))
        }

        /// The names in this directory; and the directory itself, held open for looking at them where
        /// that is not too many descriptors.
        func listed() throws(SyscallError) -> (part: Part, listing: DirectoryListing) {
            if path.isEmpty { return (self, try base.listing()) }
            let directory = try open()
            let listing = try directory.firstListing()
            let isHeld = heldCount < Self.heldMax
            return (isHeld ? Part(self, openedAs: directory) : self, listing)
        }

        /// An open directory, and the path in it that leads to a name of this directory.
        ///
        /// In a layer that may be changing the path is the name alone, or a link put on the way
        /// would be followed.
        func place(
            of name: RawPath
        ) throws(SyscallError) -> (directory: Directory, path: RawPath) {
            isLive ? (try open(), name) : (base, path.appending(name))
        }

        /// The directory of a name in this one, which has that status.
        ///
        /// Held open near the root of the topmost layer, where most lookups are, and where the path
        /// would become long; elsewhere reached by path, which costs no descriptor.
        func child(_ name: RawPath, _ status: FileStatus) throws(SyscallError) -> Part {
            let isLong = path.count + name.count >= Self.pathBytesMax
            return try Part(
                name, status.identity, in: self,
                isHeld: isLive && heldCount < Self.heldLiveMax || isLong)
        }

        /// Whether both are the same directory of the same layer.
        func isSame(as other: Part) -> Bool {
            layer === other.layer && identity == other.identity
        }

        private static let heldMax = 8
        private static let heldLiveMax = 32
        private static let pathBytesMax = 1_024
    }

    /// Topmost first.
    let parts: [Part]
    /// The roots of all layers, from which absolute redirects lead.
    let roots: [Part]
    let whiteouts: WhiteoutFormat

    /// The root of a tree; nil for the empty tree.
    ///
    /// Its topmost layer may be changing while it is read, unless somebody knows better.
    init?(root tree: LayeredTree, isLive: Bool = true) {
        if tree.layers.isEmpty { return nil }
        let isLive = isLive && !tree.isFixed
        roots = tree.layers.indices.map { Part(root: $0, of: tree, isLive: isLive && $0 == 0) }
        parts = roots
        whiteouts = tree.whiteouts
    }

    /// The directories that a lookup found under one name.
    init(parts: [Part], roots: [Part], whiteouts: WhiteoutFormat) {
        (self.parts, self.roots, self.whiteouts) = (parts, roots, whiteouts)
    }

    /// What the merged tree has under a name.
    ///
    /// As overlayfs decides it: the topmost layer with the name wins; directories merge downwards
    /// until one is opaque or something else is in the way. Redirects are followed. Where the data of
    /// a file lie is found when it is opened.
    ///
    /// In a directory that ``covers(_:)`` another, `below` may be what that one has under the name,
    /// which is not looked up again.
    ///
    /// - Throws: ``SyscallError/isDamage`` for what overlayfs refuses to show, too, but for a file
    ///   whose data are nowhere: ``MergedEntry/openFile()`` refuses that.
    func lookup(
        _ name: RawPath, above below: MergedEntry?? = nil
    ) throws(SyscallError) -> MergedEntry? {
        if parts.count == 1, !parts[0].mayRefer { return try only(parts[0], name) }
        var lookup = MergedLookup(name, in: self)
        return try lookup.run(above: below)
    }

    /// Whether this is `other` with one part above it, and none of `other` refers to layers, so that a
    /// name has below the topmost part what it has in `other`.
    func covers(_ other: MergedDirectory) -> Bool {
        parts.count == other.parts.count + 1 && sharedCount(with: other) == other.parts.count
            && whiteouts == other.whiteouts && !other.parts.contains(where: \.mayRefer)
    }

    /// A lookup where there is only one layer to look into, and all that it says is in the name's
    /// status.
    private func only(_ part: Part, _ name: RawPath) throws(SyscallError) -> MergedEntry? {
        let place = try part.place(of: name)
        guard let status = try place.directory.statusIfPresent(of: place.path),
            !whiteouts.isWhiteout(status)
        else { return nil }
        var directory: MergedDirectory?
        if status.type == .directory {
            directory = MergedDirectory(
                parts: [try part.child(name, status)], roots: roots, whiteouts: whiteouts)
        }
        return MergedEntry(
            name: name, status: status, part: part, directory: directory, dataSearch: nil,
            whiteouts: whiteouts)
    }

    /// How many parts at the bottom are the same directories in both.
    func sharedCount(with other: MergedDirectory) -> Int {
        zip(parts.reversed(), other.parts.reversed()).prefix { $0.isSame(as: $1) }.count
    }

    /// The names in each of the parts above the lowest `skipped`, whiteouts included; and this
    /// directory, held open where that is not too many descriptors.
    func listed(
        above skipped: Int
    ) throws(SyscallError) -> (directory: MergedDirectory, listings: [DirectoryListing]) {
        var held = parts
        var listings: [DirectoryListing] = []
        for index in parts.indices.dropLast(skipped) {
            let (part, listing) = try parts[index].listed()
            if parts.count - skipped <= Self.heldPartsMax { held[index] = part }
            listings.append(listing)
        }
        return (MergedDirectory(parts: held, roots: roots, whiteouts: whiteouts), listings)
    }

    private static let heldPartsMax = 2
}
