// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import Synchronization

/// Lists how a tree differs from another, sorted by path.
///
/// Every directory on the way to a difference is listed as modified, so that its own attributes
/// survive; the root is not. What lies below a deleted directory is not listed.
///
/// An outline leaves the contents of files uncompared.
package func treeChanges(
    _ source: DiffSource, _ content: DiffContent = .complete, observer: WorkObserver = .none
) throws(ArchiveError) -> [Change] {
    Array(try listTreeChanges(source, content, observer: observer))
}

/// The same as a list that makes the paths while they are asked for, for trees that may be deep.
package func listTreeChanges(
    _ source: DiffSource, _ content: DiffContent = .complete, observer: WorkObserver = .none
) throws(ArchiveError) -> ChangeList {
    try DiffWalk(source, content, observer).changes()
}

/// How much of two trees a diff looks at.
package enum DiffContent: Hashable, Sendable {
    /// All of it: the diff gives the new tree.
    case complete
    /// All but the contents of files.
    case outline
}

/// One difference with what is there now; without an entry for a deletion.
struct Difference {
    let kind: Change.Kind
    let path: RawPath
    let entry: MergedEntry?
}

/// Turns a comparison into the list of differences that belong into a diff.
struct DiffWalk: Sendable {
    private let old: MergedDirectory?
    private let new: MergedDirectory?
    private let changed: ChangedPaths?
    private let copies: CopiedFiles?
    private let clearsLocks: Bool
    private let content: DiffContent
    private let observer: WorkObserver

    init(_ source: DiffSource, _ content: DiffContent, _ observer: WorkObserver) {
        self.content = content
        new = MergedDirectory(root: source.new)
        changed = source.changedPaths
        (copies, clearsLocks) = (source.copies, source.clearsLocks)
        // A layer that others lie upon changes no more.
        let isLive = !source.new.layers.dropFirst().contains { $0 === source.old.layers.first }
        old = MergedDirectory(root: source.old, isLive: isLive)
        self.observer = observer
    }

    /// Walks, and hands over each difference, parents before children, names sorted by bytes.
    ///
    /// - Throws: ``ArchiveError/Code/unsupported`` at a path that no archive takes; before anything is
    ///   handed over, if there is something to compare with.
    func run(
        _ body: (Difference) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        var groups = try groups(lookingAtShared: false)
        if groups.mayMissNames { groups = try self.groups(lookingAtShared: true) }
        // Directories entered, of which the first so many have been handed over.
        var entered: [(place: TreePlace, entry: MergedEntry)] = []
        var givenCount = 0
        try compare(.all, lookingAtShared: groups.lookedAtShared) { (event) throws(ArchiveError) in
            let difference: Difference
            try event.place?.requireFits()
            switch event {
            case .enter(let place, let entry):
                entered.append((place, entry))
                return
            case .leave:
                entered.removeLast()
                givenCount = min(givenCount, entered.count)
                return
            case .equalLink(let place, let entry, _):
                guard groups.changed.contains(entry.status.identity) else { return }
                difference = Difference(kind: .modified, path: place.path, entry: entry)
            case .added(let place, let entry):
                difference = Difference(kind: .added, path: place.path, entry: entry)
            case .modified(let place, let entry):
                difference = Difference(kind: .modified, path: place.path, entry: entry)
            case .deleted(let place):
                difference = Difference(kind: .deleted, path: place.path, entry: nil)
            }
            for (place, entry) in entered[givenCount...] {
                try body(Difference(kind: .modified, path: place.path, entry: entry))
            }
            givenCount = entered.count
            try body(difference)
        }
    }

    /// All differences, found on all processors.
    func changes() throws(ArchiveError) -> ChangeList {
        if let found = try changes(LinkGroups(old, new)) { return found }
        let groups = LinkGroups(old, new, lookingAtShared: true)
        guard let found = try changes(groups) else {
            preconditionFailure("where everything is looked at, no name is missed")
        }
        return found
    }

    private static let namesAloneMax = 128

    /// The same; nil when a name may lie where nothing was looked at.
    private func changes(_ groups: LinkGroups) throws(ArchiveError) -> ChangeList? {
        let first = TreeComparison.start(old, new, changed: changed)
        let all = Mutex(FoundChanges(groups))
        try ParallelWork.run(first) { (directory, work) throws(ArchiveError) in
            var found = FoundChanges(groups)
            var comparison = comparison(.all, lookingAtShared: groups.lookedAtShared)
            try comparison.compare(from: directory) { below, comparedNames in
                if !work.isHungry || below.isSmall { return false }
                if let half = below.splitOff() {
                    work.add(half)
                    return false
                }
                // A thread that is without work takes it, once there are more names than take as long
                // as it takes to start a thread.
                if comparedNames < Self.namesAloneMax { return false }
                work.add(below)
                return true
            } _: { (event) throws(ArchiveError) in
                found.take(event)
            }
            all.withLock { [found] in $0.merge(found) }
        }
        return all.withLock { $0.list(below: first.way) }
    }

    private func comparison(
        _ comparedFiles: TreeComparison.ComparedFiles, lookingAtShared: Bool
    ) -> TreeComparison {
        var comparison = TreeComparison(observer: observer)
        comparison.comparedFiles = content == .outline ? .none : comparedFiles
        comparison.looksAtShared = lookingAtShared
        (comparison.copies, comparison.clearsLocks) = (copies, clearsLocks)
        return comparison
    }

    private func compare(
        _ comparedFiles: TreeComparison.ComparedFiles, lookingAtShared: Bool,
        _ visit: TreeComparison.Visitor
    ) throws(ArchiveError) {
        var comparison = comparison(comparedFiles, lookingAtShared: lookingAtShared)
        try comparison.compare(old, new, changed: changed, visit)
    }

    /// Finds the groups of names before anything is handed over.
    private func groups(lookingAtShared: Bool) throws(ArchiveError) -> LinkGroups {
        var groups = LinkGroups(old, new, lookingAtShared: lookingAtShared)
        if old == nil || changed?.mayHaveLinks == false { return groups }
        try compare(.linked, lookingAtShared: lookingAtShared) {
            (event) throws(ArchiveError) in
            try event.place?.requireFits()
            groups.take(event)
        }
        return groups
    }
}
