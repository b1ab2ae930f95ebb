// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The files with several names of which a name is new, changed, or was another file before; and those that
/// were one file before and are several now.
///
/// All names of such a file go into a diff, also those that are equal by themselves: only then does it
/// say that they are one file. Where a layer that both sides have shows a file under a new name (its
/// directory was renamed, or a deletion is gone), or loses a name of one, the others may be anywhere in it:
/// such files alone make a comparison look at everything.
struct LinkGroups {
    /// Whether the comparison looks at what both sides share, too.
    let lookedAtShared: Bool
    private(set) var changed: Set<FileIdentity> = []
    private let isDifference: Bool
    private let sharedLayers: Set<ObjectIdentifier>
    /// Which file of the old side each of the new one was, and the other way round.
    private var oldIdentities: [FileIdentity: FileIdentity] = [:]
    private var newIdentities: [FileIdentity: FileIdentity] = [:]
    /// For each file of a layer that both sides have, how many of its names have been met.
    private var metNames: [FileIdentity: (count: Int, links: Int)] = [:]
    /// The same of those that have another file in place of a name now.
    private var replacedNames: [FileIdentity: (count: Int, links: Int)] = [:]

    init(_ old: MergedDirectory?, _ new: MergedDirectory?, lookingAtShared: Bool = false) {
        lookedAtShared = lookingAtShared
        isDifference = old != nil
        let layers = [old, new].map { Set($0?.roots.map { ObjectIdentifier($0.layer) } ?? []) }
        sharedLayers = lookingAtShared ? [] : layers[0].intersection(layers[1])
    }

    /// Whether a name may lie where nothing was looked at.
    var mayMissNames: Bool {
        changed.contains { metNames[$0].map { $0.count < $0.links } ?? false }
            || replacedNames.values.contains { $0.count < $0.links }
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
            relate(entry.status.identity, before.status.identity)
            meet(entry)
            if entry.status.identity != before.status.identity, isShared(before) {
                replacedNames[
                    before.status.identity, default: (0, Int(before.status.links))
                ].count += 1
            }
        case .enter, .leave, .deleted:
            break
        }
    }

    /// Learns that a name is the one file now and was the other before, and is equal by itself.
    private mutating func relate(_ new: FileIdentity, _ old: FileIdentity) {
        let formerly = oldIdentities.updateValue(old, forKey: new)
        if let formerly, formerly != old { changed.insert(new) }
        let other = newIdentities.updateValue(new, forKey: old)
        if let other, other != new { changed.formUnion([new, other]) }
    }

    private func isShared(_ entry: MergedEntry) -> Bool {
        sharedLayers.contains(ObjectIdentifier(entry.part.layer))
    }

    private mutating func meet(_ entry: MergedEntry) {
        guard isShared(entry) else { return }
        metNames[entry.status.identity, default: (0, Int(entry.status.links))].count += 1
    }

    /// Takes what was learnt from another part of the same comparison.
    mutating func merge(_ other: LinkGroups) {
        changed.formUnion(other.changed)
        for (new, old) in other.oldIdentities { relate(new, old) }
        // Of several that were one, the last is not known by the above.
        for (old, new) in other.newIdentities { relate(new, old) }
        for (identity, met) in other.metNames {
            metNames[identity, default: (0, met.links)].count += met.count
        }
        for (identity, met) in other.replacedNames {
            replacedNames[identity, default: (0, met.links)].count += met.count
        }
    }
}
