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
    private let content: DiffContent
    private let observer: WorkObserver

    init(_ source: DiffSource, _ content: DiffContent, _ observer: WorkObserver) {
        self.content = content
        old = MergedDirectory(root: source.old)
        new = MergedDirectory(root: source.new)
        self.observer = observer
    }

    /// Walks, and hands over each difference, parents before children, names sorted by bytes.
    func run(
        _ body: (Difference) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        var groups = try changedGroups(lookingAtShared: false)
        if groups.mayMissNames { groups = try changedGroups(lookingAtShared: true) }
        var comparison = TreeComparison(observer: observer)
        comparison.looksAtShared = groups.lookedAtShared
        if content == .outline { comparison.comparedFiles = .none }
        // Directories entered and not yet handed over.
        var entered: [(path: RawPath, entry: MergedEntry, isGiven: Bool)] = []
        try comparison.compare(old, new) { (event) throws(ArchiveError) in
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

    /// The files with several names that belong into a diff with all of them.
    private struct LinkGroups {
        let lookedAtShared: Bool
        var changed: Set<FileIdentity> = []
        /// For each file of a layer that both sides have, the names that have not been met.
        var unmetNames: [FileIdentity: Int] = [:]

        /// Whether a name may lie where nothing was looked at.
        var mayMissNames: Bool { changed.contains { unmetNames[$0, default: 0] > 0 } }

        mutating func meet(_ entry: MergedEntry, _ sharedLayers: Set<ObjectIdentifier>) {
            guard !lookedAtShared, sharedLayers.contains(ObjectIdentifier(entry.part.layer)) else {
                return
            }
            let links = Int(entry.status.links)
            unmetNames[entry.status.identity, default: links] -= 1
        }
    }

    /// The files with several names of which a name is new, changed, or was another file before.
    ///
    /// All names of such a file go into the diff, also those that are equal by themselves: only
    /// then does it say that they are one file. Where a layer that both sides have shows a file under
    /// a new name (its directory was renamed, or a deletion is gone), the others may be anywhere in
    /// it: such files alone make a comparison look at everything.
    private func changedGroups(lookingAtShared: Bool) throws(ArchiveError) -> LinkGroups {
        var groups = LinkGroups(lookedAtShared: lookingAtShared)
        guard let old, let new else { return groups }
        let sharedLayers = Set(old.roots.map { ObjectIdentifier($0.layer) })
            .intersection(new.roots.map { ObjectIdentifier($0.layer) })
        var oldIdentities: [FileIdentity: FileIdentity] = [:]
        var comparison = TreeComparison(observer: observer)
        comparison.looksAtShared = lookingAtShared
        comparison.comparedFiles = content == .outline ? .none : .linked
        try comparison.compare(old, new) { (event) throws(ArchiveError) in
            switch event {
            case .added(_, let entry), .modified(_, let entry):
                if entry.status.type != .directory && entry.status.links > 1 {
                    groups.changed.insert(entry.status.identity)
                    groups.meet(entry, sharedLayers)
                }
            case .equalLink(_, let entry, let before):
                let known = oldIdentities.updateValue(before, forKey: entry.status.identity)
                if let known, known != before { groups.changed.insert(entry.status.identity) }
                groups.meet(entry, sharedLayers)
            case .enter, .leave, .deleted:
                break
            }
        }
        return groups
    }
}
