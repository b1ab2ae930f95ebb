// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The names at which two trees differ, as a comparison or several parts of one tell them.
struct FoundChanges: Sendable {
    private var changes: [(kind: Change.Kind, place: TreePlace)] = []
    /// Names that are equal by themselves, and belong to a change if their file does.
    private var equalLinks: [(place: TreePlace, identity: FileIdentity)] = []
    private var groups: LinkGroups

    /// Starts without any.
    init(_ groups: LinkGroups) { self.groups = groups }

    mutating func take(_ event: TreeComparison.Event) {
        groups.take(event)
        switch event {
        case .added(let place, _): changes.append((.added, place))
        case .modified(let place, _): changes.append((.modified, place))
        case .deleted(let place): changes.append((.deleted, place))
        case .equalLink(let place, let entry, _):
            equalLinks.append((place, entry.status.identity))
        case .enter, .leave: break
        }
    }

    /// Adds what another part of the same comparison has found.
    mutating func merge(_ other: FoundChanges) {
        groups.merge(other.groups)
        changes += other.changes
        equalLinks += other.equalLinks
    }

    /// All changes, with the directories on the way to them; nil when a name of a changed file may
    /// lie where nothing was looked at.
    ///
    /// `root` is the root of the comparison.
    func list(below root: TreeWay) -> ChangeList? {
        if groups.mayMissNames { return nil }
        var list = ChangeList.Builder(root)
        for (kind, place) in changes { list.append(kind, place) }
        for link in equalLinks where groups.changed.contains(link.identity) {
            list.append(.modified, link.place)
        }
        list.addDirectoriesOnTheWay()
        return list.finish()
    }
}
