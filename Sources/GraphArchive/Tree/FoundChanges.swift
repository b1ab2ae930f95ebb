// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The paths at which two trees differ, as a comparison or several parts of one tell them.
struct FoundChanges: Sendable {
    private var changes: [Change] = []
    /// Names that are equal by themselves, and belong to a change if their file does.
    private var equalLinks: [(path: RawPath, identity: FileIdentity)] = []
    private var groups: LinkGroups

    /// Starts without any.
    init(_ groups: LinkGroups) { self.groups = groups }

    mutating func take(_ event: TreeComparison.Event) {
        groups.take(event)
        switch event {
        case .added(let path, _): changes.append(Change(.added, path))
        case .modified(let path, _): changes.append(Change(.modified, path))
        case .deleted(let path): changes.append(Change(.deleted, path))
        case .equalLink(let path, let entry, _): equalLinks.append((path, entry.status.identity))
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
    func list() -> [Change]? {
        if groups.mayMissNames { return nil }
        var changes = changes
        for link in equalLinks where groups.changed.contains(link.identity) {
            changes.append(Change(.modified, link.path))
        }
        var listed = Set(changes.map(\.path))
        for path in changes.map(\.path) {
            var path = path
            // Those above one that is listed are listed, too.
            while let directory = path.parent, listed.insert(directory).inserted {
                changes.append(Change(.modified, directory))
                path = directory
            }
        }
        return changes
    }
}
