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
    var changes: [Change] = []
    try DiffWalk(source, content, observer).run { (difference) throws(ArchiveError) in
        changes.append(Change(difference.kind, difference.path))
    }
    return changes.sorted()
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
    private let content: DiffContent
    private let observer: WorkObserver

    init(_ source: DiffSource, _ content: DiffContent, _ observer: WorkObserver) {
        self.content = content
        old = MergedDirectory(root: source.old)
        new = MergedDirectory(root: source.new)
        changed = source.changedPaths
        self.observer = observer
    }

    /// Walks, and hands over each difference, parents before children, names sorted by bytes.
    func run(
        _ body: (Difference) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        let groups = try changedGroups()
        var comparison = TreeComparison(observer: observer)
        if content == .outline { comparison.comparedFiles = .none }
        // Directories entered and not yet handed over.
        var entered: [(path: RawPath, entry: MergedEntry, isGiven: Bool)] = []
        try comparison.compare(old, new, changed: self.changed) { (event) throws(ArchiveError) in
            let difference: Difference
            switch event {
            case .enter(let path, let entry):
                entered.append((path, entry, false))
                return
            case .leave:
                entered.removeLast()
                return
            case .equalLink(let path, let entry, _):
                guard groups.contains(entry.status.identity) else { return }
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

    /// The files with several names of which a name is new, changed, or was another file before.
    ///
    /// All names of such a file go into the diff, also those that are equal by themselves: only
    /// then does it say that they are one file.
    private func changedGroups() throws(ArchiveError) -> Set<FileIdentity> {
        guard old != nil, changed?.mayHaveLinks != false else { return [] }
        var changed: Set<FileIdentity> = []
        var oldIdentities: [FileIdentity: FileIdentity] = [:]
        var comparison = TreeComparison(observer: observer)
        comparison.comparedFiles = content == .outline ? .none : .linked
        try comparison.compare(old, new, changed: self.changed) { (event) throws(ArchiveError) in
            switch event {
            case .added(_, let entry), .modified(_, let entry):
                if entry.status.type != .directory && entry.status.links > 1 {
                    changed.insert(entry.status.identity)
                }
            case .equalLink(_, let entry, let before):
                let known = oldIdentities.updateValue(before, forKey: entry.status.identity)
                if let known, known != before { changed.insert(entry.status.identity) }
            case .enter, .leave, .deleted:
                break
            }
        }
        return changed
    }
}
