// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The files with several names of which a name is new, changed, or was another file before.
///
/// All names of such a file go into a diff, also those that are equal by themselves: only then does it
/// say that they are one file. Where a layer that both sides have shows a file under a new name (its
/// directory was renamed, or a deletion is gone), the others may be anywhere in it: such files alone
/// make a comparison look at everything.
struct LinkGroups {
    /// Whether the comparison looks at what both sides share, too.
    let lookedAtShared: Bool
    private(set) var changed: Set<FileIdentity> = []
    private let isDifference: Bool
    private let sharedLayers: Set<ObjectIdentifier>
    private var oldIdentities: [FileIdentity: FileIdentity] = [:]
    /// For each file of a layer that both sides have, how many of its names have been met.
    private var metNames: [FileIdentity: (count: Int, links: Int)] = [:]

    init(_ old: MergedDirectory?, _ new: MergedDirectory?, lookingAtShared: Bool = false) {
        lookedAtShared = lookingAtShared
        isDifference = old != nil
        let layers = [old, new].map { Set($0?.roots.map { ObjectIdentifier($0.layer) } ?? []) }
        sharedLayers = lookingAtShared ? [] : layers[0].intersection(layers[1])
    }

    /// Whether a name may lie where nothing was looked at.
    var mayMissNames: Bool {
        changed.contains { metNames[$0].map { $0.count < $0.links } ?? false }
    }

    /// Learns from what a comparison tells.
    mutating func take(_ event: TreeComparison.Event) {
        // Where everything is new, every name is told.
        guard isDifference else { return }
        switch event {
        case .added(_, let entry), .modified(_, let entry):
            if entry.status.type != .directory && entry.status.links > 1 {
                changed.insert(entry.status.identity)
                meet(entry)
            }
        case .equalLink(_, let entry, let before):
            let known = oldIdentities.updateValue(before, forKey: entry.status.identity)
            if let known, known != before { changed.insert(entry.status.identity) }
            meet(entry)
        case .enter, .leave, .deleted:
            break
        }
    }

    private mutating func meet(_ entry: MergedEntry) {
        guard sharedLayers.contains(ObjectIdentifier(entry.part.layer)) else { return }
        metNames[entry.status.identity, default: (0, Int(entry.status.links))].count += 1
    }

    /// Takes what was learnt from another part of the same comparison.
    mutating func merge(_ other: LinkGroups) {
        changed.formUnion(other.changed)
        for (identity, before) in other.oldIdentities {
            let known = oldIdentities.updateValue(before, forKey: identity)
            if let known, known != before { changed.insert(identity) }
        }
        for (identity, met) in other.metNames {
            metNames[identity, default: (0, met.links)].count += met.count
        }
    }
}
