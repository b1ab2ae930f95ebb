// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The directories of an unpacking that were used last.
///
/// Archives are written directory by directory, so a few are enough. A directory that somebody holds
/// stays, and so do those above it: its time is set when it is let go, and what is made in it after
/// that would change it again.
struct UnpackDirectoryCache {
    private struct Slot {
        var directory: UnpackDirectory
        /// How many directories in this one are kept.
        var childCount = 0
        /// Those before and after it in the order of use, if nothing in it is kept.
        var older: Int?
        var newer: Int?
    }

    private var slots: [Slot?] = []
    private var freeSlots: [Int] = []
    private var places: [RawPath: Int] = [:]
    /// The ends of the order of use.
    private var oldest: Int?
    private var newest: Int?
    private static let countMax = 64

    /// The directory of a path, if it is kept.
    mutating func find(_ path: RawPath) -> UnpackDirectory? {
        guard let place = places[path], let slot = slots[place] else { return nil }
        if slot.childCount == 0 && place != newest {
            unlink(place)
            link(place)
        }
        return slot.directory
    }

    /// Adds a directory, and lets those go that were not used for longest when there are too many.
    mutating func insert(_ directory: UnpackDirectory) throws(SyscallError) {
        let place = freeSlots.popLast() ?? slots.count
        if place == slots.count { slots.append(nil) }
        slots[place] = Slot(directory: directory)
        places[directory.path] = place
        if let parent = directory.parent.flatMap({ places[$0.path] }) {
            if slots[parent]?.childCount == 0 { unlink(parent) }
            slots[parent]?.childCount += 1
        }
        link(place)
        while places.count > Self.countMax, let unused = oldestUnused(but: place) {
            let directory = remove(unused)
            try directory?.restoreTime()
        }
    }

    /// Of those in which nothing is kept the one that was not used for longest and that nobody holds.
    private mutating func oldestUnused(but place: Int) -> Int? {
        var candidate = oldest
        while let current = candidate {
            if current == place { return nil }
            if isUnused(current) { return current }
            candidate = slots[current]?.newer
        }
        return nil
    }

    /// Whether the only one who holds a directory is this cache.
    private mutating func isUnused(_ place: Int) -> Bool {
        guard var slot = slots[place].take() else { return false }
        let isUnused = isKnownUniquelyReferenced(&slot.directory)
        slots[place] = slot
        return isUnused
    }

    /// Forgets a directory that is about to be removed, and all below it.
    mutating func forget(below path: RawPath) {
        let prefix = path.appending("")
        // Those in others first.
        let gone = places.keys.filter { $0 == path || $0.hasPrefix(prefix) }
            .sorted { $0.count > $1.count }
        for path in gone { if let place = places[path] { _ = remove(place) } }
    }

    /// Lets all go; setting times in a directory does not change its own.
    mutating func removeAll() throws(SyscallError) {
        for slot in slots { try slot?.directory.restoreTime() }
        self = UnpackDirectoryCache()
    }

    /// Takes a directory out in which nothing is kept.
    private mutating func remove(_ place: Int) -> UnpackDirectory? {
        unlink(place)
        guard let slot = slots[place].take() else { return nil }
        freeSlots.append(place)
        places[slot.directory.path] = nil
        if let parent = slot.directory.parent.flatMap({ places[$0.path] }) {
            slots[parent]?.childCount -= 1
            if slots[parent]?.childCount == 0 { link(parent) }
        }
        return slot.directory
    }

    // MARK: The order of use

    private mutating func link(_ place: Int) {
        slots[place]?.older = newest
        slots[place]?.newer = nil
        if let newest { slots[newest]?.newer = place } else { oldest = place }
        newest = place
    }

    private mutating func unlink(_ place: Int) {
        guard let slot = slots[place] else { return }
        if let older = slot.older { slots[older]?.newer = slot.newer } else { oldest = slot.newer }
        if let newer = slot.newer { slots[newer]?.older = slot.older } else { newest = slot.older }
    }
}

/// The directories of an unpacking that are held open, few of them however deep the layer is.
final class OpenUnpackDirectories {
    /// The layer's.
    let root: Directory
    private var held: [Held] = []
    /// Where in `held` the next one to be closed is looked for.
    private var hand = 0
    private static let countMax = 96

    private struct Held {
        weak var directory: UnpackDirectory?
    }

    init(root: Directory) { self.root = root }

    /// Takes note that a directory has been opened, and closes another where there are too many: one
    /// that was not used since all others were looked at.
    func add(_ directory: UnpackDirectory) {
        if held.count < Self.countMax {
            held.append(Held(directory: directory))
            return
        }
        while let used = held[hand].directory, used.wasUsed {
            used.wasUsed = false
            hand = (hand + 1) % held.count
        }
        held[hand].directory?.close()
        held[hand].directory = directory
        hand = (hand + 1) % held.count
    }
}
