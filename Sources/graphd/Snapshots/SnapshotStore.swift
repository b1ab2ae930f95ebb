// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GRPCCore
import GraphCore
import GraphStore
import GraphSystem

/// A layer store as containerd sees it: snapshots with keys and names in place of layers with ids.
///
/// Snapshots are the layers whose names begin with the scope and a slash. So two containerds may share a store,
/// and what `graphctl` makes is none of theirs: a containerd removes every snapshot that it does not know.
struct SnapshotStore: Sendable {
    let store: LayerStore
    private let prefix: String

    init(_ store: LayerStore, scope: String) {
        self.store = store
        prefix = scope + "/"
    }

    /// Makes an active snapshot, or a view, and tells its mounts.
    func prepare(
        _ key: String, asView isView: Bool, parent: String, labels: [String: String]
    ) throws(SnapshotError) -> [MountArguments] {
        let below = parent.isEmpty ? nil : try layer(parent)
        if let below, below.kind != .committed {
            throw SnapshotError(.invalidArgument, "snapshot \(parent) is not committed")
        }
        let name = try name(key)
        return try SnapshotError.of("make snapshot \(key)") { () throws(DriverError) in
            let layer =
                isView
                ? try store.createView(name: name, parent: below?.id, labels: labels)
                : try store.create(name: name, parent: below?.id, labels: labels)
            do throws(DriverError) {
                return try store.mounts(of: layer.id)
            } catch {
                // Who asked takes it for not made.
                _ = try? store.remove(layer.id)
                throw error
            }
        }
    }

    /// The mounts of an active snapshot or a view.
    func mounts(_ key: String) throws(SnapshotError) -> [MountArguments] {
        let layer = try layer(key)
        if layer.kind == .committed {
            throw SnapshotError(.failedPrecondition, "snapshot \(key) is committed")
        }
        return try SnapshotError.of("describe the mounts of snapshot \(key)") {
            () throws(DriverError) in try store.mounts(of: layer.id)
        }
    }

    /// Makes an active snapshot a committed one, under a name in place of its key, and with these labels alone.
    ///
    /// `parent` is what the snapshot is thought to lie on, empty where that is not said.
    func commit(
        _ key: String, as name: String, labels: [String: String], parent: String
    ) throws(SnapshotError) {
        let layer = try layer(key)
        if layer.kind != .active {
            throw SnapshotError(.failedPrecondition, "snapshot \(key) is not active")
        }
        if !parent.isEmpty, try self.layer(parent).id != layer.parent {
            throw SnapshotError(
                .invalidArgument,
                "snapshot \(key) does not lie on \(parent), and is not moved there")
        }
        let full = try self.name(name)
        try SnapshotError.of("commit snapshot \(key)") { () throws(DriverError) in
            // containerd commits what it has still mounted.
            _ = try store.commit(layer.id, name: full, labels: labels, freezingMounts: true)
        }
    }

    /// Removes a snapshot; what it took on disk waits for ``cleanUp()``.
    func remove(_ key: String) throws(SnapshotError) {
        let layer = try layer(key)
        try SnapshotError.of("remove snapshot \(key)") { () throws(DriverError) in
            _ = try store.remove(layer.id)
        }
    }

    /// Frees what removed snapshots took.
    func cleanUp() throws(SnapshotError) {
        try SnapshotError.of("clean up") { () throws(DriverError) in _ = try store.reclaim() }
    }

    /// What is recorded about a snapshot.
    func stat(_ key: String) throws(SnapshotError) -> Snapshot {
        let layer = try layer(key)
        let parent = try layer.parent.map { (id) throws(SnapshotError) in
            try SnapshotError.of("look for the parent of \(key)") { () throws(DriverError) in
                try store.layer(id)
            }
        }
        return snapshot(layer, key, parent: parent.flatMap { self.key(of: $0) })
    }

    /// Changes labels: those that `fields` names, or all where it names none.
    func update(
        _ key: String, labels: [String: String], fields: [String]
    ) throws(SnapshotError) -> Snapshot {
        let replacesAll = fields.isEmpty || fields.contains("labels")
        // An empty value is none to containerd.
        let given = labels.filter { !$0.value.isEmpty }
        var changes: [String: String?] = replacesAll ? given.mapValues { $0 } : [:]
        for field in fields where field != "labels" {
            guard field.hasPrefix("labels.") else {
                throw SnapshotError(
                    .invalidArgument, "the field \(field) of a snapshot cannot be changed")
            }
            let label = String(field.dropFirst("labels.".count))
            changes.updateValue(given[label], forKey: label)
        }
        let (id, final) = (try layer(key).id, changes)
        try SnapshotError.of("label snapshot \(key)") { () throws(DriverError) in
            _ = try store.setLabels(of: id, final, replacingAll: replacesAll)
        }
        return try stat(key)
    }

    /// What a snapshot takes without its parents.
    func usage(_ key: String) throws(SnapshotError) -> LayerUsage {
        let layer = try layer(key)
        return try SnapshotError.of("measure snapshot \(key)") { () throws(DriverError) in
            try store.usage(of: layer.id).own
        }
    }

    /// The snapshots of which one of the filters is true, or all of them, oldest first.
    func list(_ filters: [String]) throws(SnapshotError) -> [Snapshot] {
        let (parsed, all) = try SnapshotError.of("list snapshots") { () throws(DriverError) in
            var parsed: [LayerFilter] = []
            for filter in filters { parsed.append(try LayerFilter(parsing: filter)) }
            return (parsed, try store.layers())
        }
        var keys: [String: String] = [:]
        for layer in all { keys[layer.id] = key(of: layer) }
        return all.compactMap { layer in
            guard let key = keys[layer.id] else { return nil }
            let snapshot = snapshot(layer, key, parent: layer.parent.flatMap { keys[$0] })
            if parsed.isEmpty { return snapshot }
            let isWanted = parsed.contains { filter in
                filter.matches(
                    id: nil, name: key, kind: layer.kind,
                    parent: snapshot.parent.isEmpty ? nil : snapshot.parent, labels: layer.labels)
            }
            return isWanted ? snapshot : nil
        }
    }

    private func snapshot(_ layer: Layer, _ key: String, parent: String?) -> Snapshot {
        Snapshot(
            name: key, parent: parent ?? "", kind: layer.kind, created: layer.created,
            updated: layer.updated, labels: layer.labels)
    }

    private func name(_ key: String) throws(SnapshotError) -> String {
        if key.isEmpty { throw SnapshotError(.invalidArgument, "a snapshot's key cannot be empty") }
        return prefix + key
    }

    private func key(of layer: Layer) -> String? {
        guard let name = layer.name, name.hasPrefix(prefix) else { return nil }
        return String(name.dropFirst(prefix.count))
    }

    private func layer(_ key: String) throws(SnapshotError) -> Layer {
        let name = try name(key)
        let found = try SnapshotError.of("look for snapshot \(key)") { () throws(DriverError) in
            try store.layer(named: name)
        }
        guard let found else { throw SnapshotError(.notFound, "there is no snapshot \(key)") }
        return found
    }
}

/// A snapshot as containerd sees it.
struct Snapshot: Hashable, Sendable {
    /// Its key, and of a committed one its name.
    let name: String
    /// The parent's name; empty for none.
    let parent: String
    let kind: Layer.Kind
    let created: Timestamp
    let updated: Timestamp
    let labels: [String: String]
}
