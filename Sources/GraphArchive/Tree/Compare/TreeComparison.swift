// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Finds the differences between two trees.
///
/// Only names that the layers of one side alone have are looked at: what lies in layers that both
/// trees share at their bottom is equal. So a layer compared with its parent costs the layer's own
/// size, and two trees that share nothing are compared whole.
struct TreeComparison {
    /// What the comparison tells, in the order of a depth-first walk with names sorted by bytes.
    enum Event {
        /// A directory is entered whose own attributes are equal; it matters if something below
        /// it does.
        case enter(TreePlace, MergedEntry)
        case leave
        case added(TreePlace, MergedEntry)
        case modified(TreePlace, MergedEntry)
        case deleted(TreePlace)
        /// Both sides are equal. Told for files with several names only, on either side, which may
        /// belong to a group of names that differs.
        case equalLink(TreePlace, MergedEntry, old: MergedEntry)

        /// What it is about; nil for the end of a directory.
        var place: TreePlace? {
            switch self {
            case .enter(let place, _), .added(let place, _), .modified(let place, _),
                .deleted(let place), .equalLink(let place, _, _):
                place
            case .leave: nil
            }
        }
    }

    typealias Visitor = (Event) throws(ArchiveError) -> Void

    /// The files whose contents are compared where all else is equal.
    enum ComparedFiles {
        case all
        /// Those with several names, for a walk that only looks for groups of names.
        case linked
        case none
    }

    var comparedFiles = ComparedFiles.all
    /// Whether names are looked at, too, that only layers have that both sides share.
    var looksAtShared = false
    /// Files that need not be looked at.
    var copies: CopiedFiles?
    /// See ``DiffSource/clearsLocks``.
    var clearsLocks = false
    /// Set where only contents count, those of other files than these; ``kept`` has then what differs.
    var keeping: VouchedFiles?
    private(set) var kept = KeptFiles()
    let observer: WorkObserver
    /// How many names have been looked at.
    private(set) var comparedNames = 0
    private var buffers = ContentBuffers()

    init(observer: WorkObserver) { self.observer = observer }

    /// A directory on the way down, and what of it is still to be compared.
    ///
    /// Kept in a list and not on the stack, which a tree some thousand directories deep would
    /// exhaust.
    struct Level: Sendable {
        let way: TreeWay
        fileprivate(set) var old: MergedDirectory?
        fileprivate(set) var new: MergedDirectory?
        /// Whether `new` is `old` with another layer's directory above it.
        fileprivate var covers = false
        /// The names still to be compared; nil while nobody has listed them.
        fileprivate var names: SortedNames?
        /// Where to look in this directory; nil for everywhere.
        let changed: ChangedPaths.Place?
        /// Whether ``Event/leave`` is told at its end.
        let isEntered: Bool

        /// The names in this directory at which to look, where not all are looked at.
        ///
        /// What has nothing to be compared with is looked at whole.
        fileprivate var chosenNames: ChangedPaths.Place? {
            changed.flatMap { $0.isWholeTree || old == nil || new == nil ? nil : $0 }
        }

        /// Whether it takes less to compare this one than to wake another thread for it.
        var isSmall: Bool { chosenNames.map { $0.count < 64 } ?? false }

        /// Takes half of the names away at which to look, where they are known.
        mutating func splitOff() -> Level? {
            guard names == nil, let chosenNames else { return nil }
            var all = SortedNames(chosenNames.names)
            guard let half = all.splitOff() else { return nil }
            names = all
            return Level(
                way: way, old: old, new: new, names: half, changed: changed, isEntered: false)
        }
    }

    /// Compares the content of two directories, the root's own attributes not included.
    ///
    /// `changed` is where they may differ; nil for everywhere.
    mutating func compare(
        _ old: MergedDirectory?, _ new: MergedDirectory?, changed: ChangedPaths? = nil,
        _ visit: Visitor
    ) throws(ArchiveError) {
        try compare(from: Self.start(old, new, changed: changed), visit)
    }

    /// Where a comparison starts.
    static func start(
        _ old: MergedDirectory?, _ new: MergedDirectory?, changed: ChangedPaths?
    ) -> Level {
        Level(way: TreeWay(), old: old, new: new, changed: changed?.root, isEntered: false)
    }

    /// Compares one directory and what is below it, but for the directories that `isTaken` says
    /// somebody else compares, or takes a part of: their ends are told there.
    mutating func compare(
        from first: Level,
        unless isTaken: (inout Level, _ comparedNames: Int) -> Bool = { _, _ in false },
        _ visit: Visitor
    ) throws(ArchiveError) {
        var levels = [first]
        while let last = levels.indices.last {
            if levels[last].names == nil { try list(&levels[last]) }
            guard let name = levels[last].names?.next() else {
                if levels.removeLast().isEntered { try visit(.leave) }
                continue
            }
            let place = TreePlace(name, in: levels[last].way)
            let before = try lookup(place, in: levels[last].old)
            let after = try lookup(
                place, in: levels[last].new, above: levels[last].covers ? .some(before) : nil)
            if clearsLocks, let after, after.status.identity != before?.status.identity {
                try attempting("unlock /\(place.path)", try after.clearLocks())
            }
            let changed = levels[last].changed?[name]
            comparedNames += 1
            if comparedNames.isMultiple(of: 256) { try observer.requireGoOn() }
            let next = try compare(before, after, at: place, changed, visit)
            if var below = next, !isTaken(&below, comparedNames) { levels.append(below) }
        }
    }

    /// Finds out which names a directory has to be compared by.
    private func list(_ level: inout Level) throws(ArchiveError) {
        try observer.report(WorkProgress(phase: "comparing", completedBytes: buffers.comparedBytes))
        let (way, old, new) = (level.way, level.old, level.new)
        level.covers = if let old, let new { new.covers(old) } else { false }
        if let chosen = level.chosenNames {
            level.names = SortedNames(chosen.names)
            return
        }
        let shared = if let old, let new, !looksAtShared { new.sharedCount(with: old) } else { 0 }
        let after = try attempting("list /\(way.path)", try new?.listed(above: shared))
        let before = try attempting("list /\(way.path)", try old?.listed(above: shared))
        (level.old, level.new) = (before?.directory, after?.directory)
        level.names = SortedNames((after?.listings ?? []) + (before?.listings ?? []))
    }

    private func lookup(
        _ place: TreePlace, in directory: MergedDirectory?, above below: MergedEntry?? = nil
    ) throws(ArchiveError) -> MergedEntry? {
        let entry = try attempting(
            "look at /\(place.path)", try directory?.lookup(place.name, above: below))
        // A socket is a running process's, and no archive can hold it.
        return entry?.status.type == .socket ? nil : entry
    }

    /// Compares one name and tells what came of it; returns the directory to go down into.
    private mutating func compare(
        _ old: MergedEntry?, _ new: MergedEntry?, at place: TreePlace,
        _ changed: ChangedPaths.Place?, _ visit: Visitor
    ) throws(ArchiveError) -> Level? {
        guard let new else {
            if old != nil { try visit(.deleted(place)) }
            return nil
        }
        var place = place
        if new.directory != nil { place.own = TreeWay(place.name, in: place.directory) }
        guard let old, old.status.type == new.status.type else {
            try visit(old == nil ? .added(place, new) : .modified(place, new))
            guard let directory = new.directory, let way = place.own else { return nil }
            return Level(way: way, old: nil, new: directory, changed: nil, isEntered: false)
        }
        let isKnown = new.directory != nil && changed?.isOnlyOnTheWay == true
        let isEqual = if isKnown { true } else { try areEqual(old, new, at: place) }
        if let directory = new.directory, let way = place.own {
            try visit(isEqual ? .enter(place, new) : .modified(place, new))
            return Level(
                way: way, old: old.directory, new: directory, changed: changed,
                isEntered: isEqual)
        }
        if !isEqual {
            try visit(.modified(place, new))
        } else if new.status.links > 1 || old.status.links > 1 {
            try visit(.equalLink(place, new, old: old))
        }
        return nil
    }

    /// Compares two of one type.
    ///
    /// Of a directory the size does not count, which is the filesystem's affair. Its time does, also
    /// where nothing else is different in it: a file that came and went leaves no other trace.
    private mutating func areEqual(
        _ old: MergedEntry, _ new: MergedEntry, at place: TreePlace
    ) throws(ArchiveError) -> Bool {
        let (before, after) = (old.status, new.status)
        if let keeping {
            try compareKept(old, new, at: place, keeping)
            return true
        }
        if before.identity == after.identity { return true }
        if let copies, copies.isUntouched(after, of: before) { return true }
        guard before.permissions == after.permissions || after.type == .symbolicLink,
            before.uid == after.uid, before.gid == after.gid, before.special == after.special,
            before.modified == after.modified,
            before.size == after.size || after.type == .directory
        else { return false }
        guard try old.attributes() == new.attributes() else { return false }
        switch after.type {
        case .regular:
            let isLinked = before.links > 1 || after.links > 1
            if comparedFiles == .none || comparedFiles == .linked && !isLinked { return true }
            return try buffers.haveEqualContent(old, new, at: place, observer)
        case .symbolicLink:
            let targets = try attempting(
                "read the link /\(place.path)", (try old.readLink(), try new.readLink()))
            return targets.0 == targets.1
        case .directory, .characterDevice, .blockDevice, .fifo, .socket:
            return true
        }
    }
}

extension TreeComparison {
    /// Compares the contents of a file that nothing vouches for.
    private mutating func compareKept(
        _ old: MergedEntry, _ new: MergedEntry, at place: TreePlace, _ vouched: VouchedFiles
    ) throws(ArchiveError) {
        guard kept.changed == nil, vouched.leaveOut(new.status),
            old.status.identity != new.status.identity
        else { return }
        if old.status.size != new.status.size {
            kept.unknown = kept.unknown ?? place.path
        } else if try !buffers.haveEqualContent(old, new, at: place, observer) {
            kept.changed = place.path
        }
    }
}

/// Compares files block by block with two buffers that are kept.
private struct ContentBuffers {
    private var left: [UInt8] = []
    private var right: [UInt8] = []
    private(set) var comparedBytes: UInt64 = 0

    /// Whether two files of equal size have the same bytes.
    mutating func haveEqualContent(
        _ old: MergedEntry, _ new: MergedEntry, at place: TreePlace, _ observer: WorkObserver
    ) throws(ArchiveError) -> Bool {
        if new.status.size == 0 { return true }
        if left.isEmpty {
            left = [UInt8](repeating: 0, count: 1 << 18)
            right = left
        }
        let action = { "compare /\(place.path)" }
        let first = try attempting(action(), try old.openFile())
        let second = try attempting(action(), try new.openFile())
        var offset: UInt64 = 0
        while true {
            let count = try attempting(
                action(), try first.file.read(into: &left, count: left.count, at: offset))
            let other = try attempting(
                action(), try second.file.read(into: &right, count: right.count, at: offset))
            comparedBytes += UInt64(count)
            if count != other || !left.hasEqualPrefix(right, count) { return false }
            if count < left.count { return true }
            offset += UInt64(count)
            try observer.requireGoOn()
        }
    }
}
