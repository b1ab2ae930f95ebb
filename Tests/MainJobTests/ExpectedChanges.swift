// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport

/// The list of changes, worked out from two snapshots and nothing else.
struct ExpectedChanges {
    private let before: TreeSnapshot
    private let after: TreeSnapshot
    private var kinds: [RawPath: String] = [:]

    /// Lines as `graphctl changes` prints them, sorted by path.
    static func lines(from before: TreeSnapshot, to after: TreeSnapshot) -> [String] {
        var changes = ExpectedChanges(before: before, after: after)
        changes.compareEntries()
        changes.addLinkGroups()
        changes.addParents()
        return changes.kinds.sorted { $0.key < $1.key }.map { "\($0.value) /\($0.key)" }
    }

    private init(before: TreeSnapshot, after: TreeSnapshot) {
        (self.before, self.after) = (before, after)
    }

    private mutating func compareEntries() {
        for (path, entry) in after.entries where path != "." {
            guard let old = before.entries[path] else {
                kinds[path] = "A"
                continue
            }
            if isChanged(old, entry) { kinds[path] = "M" }
        }
        for path in before.entries.keys where path != "." && after.entries[path] == nil {
            // Below a directory that is gone or is no directory any more, nothing is said.
            let parent = parent(of: path)
            if parent.isEmpty || after.entries[parent]?.status.type == .directory {
                kinds[path] = "D"
            }
        }
    }

    private func isChanged(_ old: TreeSnapshot.Entry, _ new: TreeSnapshot.Entry) -> Bool {
        if old.status.type != new.status.type || old.status.uid != new.status.uid
            || old.status.gid != new.status.gid || old.status.special != new.status.special
            || Set(old.attributes) != Set(new.attributes)
        {
            return true
        }
        if old.status.modified != new.status.modified { return true }
        if new.status.type == .directory { return old.status.permissions != new.status.permissions }
        if old.target != new.target { return true }
        if new.status.type == .symbolicLink { return false }
        return old.status.permissions != new.status.permissions || old.digest != new.digest
    }

    /// All names of a file are in the list when one is, or when they were not one file before.
    private mutating func addLinkGroups() {
        var groups: [RawPath: [RawPath]] = [:]
        for (path, entry) in after.entries {
            if let first = entry.linkGroup { groups[first, default: []].append(path) }
        }
        for paths in groups.values {
            let old = Set(paths.map { before.entries[$0]?.linkGroup })
            let isChanged = paths.contains { kinds[$0] != nil } || old.count > 1 || old == [nil]
            for path in paths where isChanged && kinds[path] == nil { kinds[path] = "M" }
        }
    }

    private mutating func addParents() {
        for path in Array(kinds.keys) {
            var directory = parent(of: path)
            while !directory.isEmpty {
                if kinds[directory] == nil { kinds[directory] = "M" }
                directory = parent(of: directory)
            }
        }
    }

    private func parent(of path: RawPath) -> RawPath {
        path.components.dropLast().reduce("" as RawPath) { $0.appending($1) }
    }
}
