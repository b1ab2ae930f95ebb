// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

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
struct DiffWalk {
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

    /// The paths of all differences, from one comparison: which names of a file belong together is
    /// known at its end.
    func changes() throws(ArchiveError) -> [Change] {
        if let found = try changes(LinkGroups(old, new)) { return found }
        return try changes(LinkGroups(old, new, lookingAtShared: true)) ?? []
    }

    /// The same; nil when a name may lie where nothing was looked at.
    private func changes(_ start: LinkGroups) throws(ArchiveError) -> [Change]? {
        var groups = start
        var changes: [Change] = []
        var entered: [(path: RawPath, isGiven: Bool)] = []
        var equalLinks: [(path: RawPath, identity: FileIdentity)] = []
        try compare(.all, lookingAtShared: groups.lookedAtShared) { (event) throws(ArchiveError) in
            groups.take(event)
            let change: Change
            switch event {
            case .enter(let path, _):
                entered.append((path, false))
                return
            case .leave:
                entered.removeLast()
                return
            case .equalLink(let path, let entry, _):
                equalLinks.append((path, entry.status.identity))
                return
            case .added(let path, _): change = Change(.added, path)
            case .modified(let path, _): change = Change(.modified, path)
            case .deleted(let path): change = Change(.deleted, path)
            }
            for index in entered.indices where !entered[index].isGiven {
                changes.append(Change(.modified, entered[index].path))
                entered[index].isGiven = true
            }
            changes.append(change)
        }
        if groups.mayMissNames { return nil }
        equalLinks.removeAll { !groups.changed.contains($0.identity) }
        if equalLinks.isEmpty { return changes }
        var listed = Set(changes.map(\.path))
        for link in equalLinks {
            // A name, and the directories on the way to it that were equal.
            let names = link.path.components
            for count in 1...names.count {
                let path = RawPath(joining: Array(names.prefix(count)))
                if listed.insert(path).inserted { changes.append(Change(.modified, path)) }
            }
        }
        return changes
    }

    private func compare(
        _ comparedFiles: TreeComparison.ComparedFiles, lookingAtShared: Bool,
        _ visit: TreeComparison.Visitor
    ) throws(ArchiveError) {
        var comparison = TreeComparison(observer: observer)
        comparison.comparedFiles = content == .outline ? .none : comparedFiles
        comparison.looksAtShared = lookingAtShared
        comparison.copies = copies
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
