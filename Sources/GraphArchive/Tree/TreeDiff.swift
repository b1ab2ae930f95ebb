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
public func treeChanges(
    _ source: DiffSource, _ content: DiffContent = .complete, observer: WorkObserver = .none
) throws(ArchiveError) -> [Change] {
    try DiffWalk(source, content, observer).changes().sorted()
}

/// How much of two trees a diff looks at.
public enum DiffContent: Hashable, Sendable {
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
    private let content: DiffContent
    private let observer: WorkObserver

    init(_ source: DiffSource, _ content: DiffContent, _ observer: WorkObserver) {
        self.content = content
        new = MergedDirectory(root: source.new)
        changed = source.changedPaths
        copies = source.copies
        // A layer that others lie upon changes no more.
        let isLive = !source.new.layers.dropFirst().contains { $0 === source.old.layers.first }
        old = MergedDirectory(root: source.old, isLive: isLive)
        self.observer = observer
    }

    /// Walks, and hands over each difference, parents before children, names sorted by bytes.
    func run(
        _ body: (Difference) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        var groups = try groups(lookingAtShared: false)
        if groups.mayMissNames { groups = try self.groups(lookingAtShared: true) }
        // Directories entered and not yet handed over.
        var entered: [(path: RawPath, entry: MergedEntry, isGiven: Bool)] = []
        try compare(.all, lookingAtShared: groups.lookedAtShared) { (event) throws(ArchiveError) in
            let difference: Difference
            switch event {
            case .enter(let path, let entry):
                entered.append((path, entry, false))
                return
            case .leave:
                entered.removeLast()
                return
            case .equalLink(let path, let entry, _):
                guard groups.changed.contains(entry.status.identity) else { return }
                difference = Difference(kind: .modified, path: path, entry: entry)
            case .added(let path, let entry):
                difference = Difference(kind: .added, path: path, entry: entry)
            case .modified(let path, let entry):
                difference = Difference(kind: .modified, path: path, entry: entry)
            case .deleted(let path):
                difference = Difference(kind: .deleted, path: path, entry: nil)
            }
            for index in entered.indices where !entered[index].isGiven {
                let (path, entry, _) = entered[index]
                entered[index].isGiven = true
                try body(Difference(kind: .modified, path: path, entry: entry))
            }
            try body(difference)
        }
    }

    /// The paths of all differences, in no order, found on all processors.
    func changes() throws(ArchiveError) -> [Change] {
        if let found = try changes(LinkGroups(old, new)) { return found }
        return try changes(LinkGroups(old, new, lookingAtShared: true)) ?? []
    }

    private static let namesAloneMax = 128

    /// The same; nil when a name may lie where nothing was looked at.
    private func changes(_ groups: LinkGroups) throws(ArchiveError) -> [Change]? {
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
        return all.withLock { $0.list() }
    }

    private func comparison(
        _ comparedFiles: TreeComparison.ComparedFiles, lookingAtShared: Bool
    ) -> TreeComparison {
        var comparison = TreeComparison(observer: observer)
        comparison.comparedFiles = content == .outline ? .none : comparedFiles
        comparison.looksAtShared = lookingAtShared
        comparison.copies = copies
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
        try compare(.linked, lookingAtShared: lookingAtShared) { groups.take($0) }
        return groups
    }
}
