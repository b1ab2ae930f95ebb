// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// The way from the top of a tree down to the directory being looked at, with few descriptors open
/// however long it is.
///
/// Directories far above the lowest one are closed and opened again by `..` on the way back, so
/// the tree must not be moved about meanwhile.
struct TreeWalk {
    /// One directory on the way.
    struct Level {
        /// Its name in the level above.
        let name: RawPath
        let status: FileStatus
        fileprivate var open: Directory?
        /// What is in it and still to come; nil behind the last, of which a deep walk keeps none.
        private var listing: DirectoryListing?
        private var position = 0
        /// For the walk's owner: whether it has changed what is in this directory.
        var isChanged = false

        fileprivate init(
            _ name: RawPath, _ status: FileStatus, _ open: Directory, _ listing: DirectoryListing
        ) {
            (self.name, self.status, self.open, self.listing) = (name, status, open, listing)
        }

        /// Steps to the next of the names in it; nil behind the last.
        mutating func next() -> DirectoryListing.Entry? {
            guard let listing, position < listing.count else {
                self.listing = nil
                return nil
            }
            let entry = listing[position]
            position += 1
            if position == listing.count { self.listing = nil }
            return entry
        }
    }

    private var levels: [Level] = []
    /// The first level whose directory is open; those after it are open too.
    private var firstOpen = 0
    private let openMax = 32

    var isAtEnd: Bool { levels.isEmpty }
    var depth: Int { levels.count }

    /// The lowest level; there must be one.
    var current: Level {
        get { levels[levels.count - 1] }
        _modify { yield &levels[levels.count - 1] }
    }

    /// The lowest level's directory; there must be one.
    var directory: Directory {
        guard let open = current.open else { preconditionFailure("the lowest level is open") }
        return open
    }

    /// Goes down into a directory that has just been opened, to walk over all its names or those
    /// of a listing.
    mutating func enter(
        _ directory: Directory, named name: RawPath, _ status: FileStatus,
        _ chosen: DirectoryListing? = nil
    ) throws(SyscallError) {
        let listing = if let chosen { chosen } else { try directory.listing() }
        levels.append(Level(name, status, directory, listing))
        if levels.count - firstOpen > openMax {
            levels[firstOpen].open = nil
            firstOpen += 1
        }
    }

    /// Leaves the lowest directory and tells which that was.
    ///
    /// - Throws: `ESTALE` when the directory above is not the one the walk came from.
    mutating func leave() throws(SyscallError) -> Level {
        if levels.count > 1, firstOpen == levels.count - 1 {
            let above = try directory.openDirectory("..")
            guard try above.status().identity == levels[firstOpen - 1].status.identity else {
                throw SyscallError(call: "openat(..)", errno: .staleNFSFileHandle)
            }
            firstOpen -= 1
            levels[firstOpen].open = above
        }
        let left = levels.removeLast()
        if levels.isEmpty { firstOpen = 0 }
        return left
    }
}

extension DirectoryListing.Entry {
    /// The type as the listing told it, or as `statx(2)` tells; nil when the name is gone.
    func type(in directory: Directory) throws(SyscallError) -> FileType? {
        if let type { return type }
        return try directory.statusIfPresent(of: name)?.type
    }
}
