// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// A layer that is to be made.
struct LayerDraft {
    let kind: Layer.Kind
    let id: String?
    let name: String?
    let parent: NewParent?
    let labels: [String: String]
    let limits: LayerLimits

    init(
        _ kind: Layer.Kind, id: String?, name: String? = nil, parent: NewParent?,
        labels: [String: String], limits: LayerLimits
    ) {
        (self.kind, self.id, self.name, self.parent) = (kind, id, name, parent)
        (self.labels, self.limits) = (labels, limits)
    }
}

/// A layer that is being made: what is recorded of it, and what its driver needs to know.
struct LayerIntent {
    let number: LayerNumber
    let kind: Layer.Kind
    let id: String?
    let name: String?
    let parent: Layer?
    let parents: [LayerNumber]
    let depth: Int
    let limits: LayerLimits
    let created: Timestamp
    let labels: [String: String]
    let owner: Int64

    /// The layer that the intent led to.
    func layer(_ id: String, _ content: CommittedContent? = nil, at time: Timestamp) -> Layer {
        Layer(
            number: number, id: id, name: name, kind: kind, parent: parent?.id, depth: depth,
            diffID: content?.diffID, chainID: content?.chainID,
            contentDigest: content?.contentDigest, diffBytes: content?.diffBytes,
            recipeBytes: content?.recipeBytes,
            usage: content?.usage, durability: content?.durability, limits: limits,
            created: created, updated: time, labels: labels)
    }
}

/// What a new layer is put on.
enum NewParent {
    /// A committed layer, by id or a part of it.
    case layer(String)
    /// A layer that is still being made, and the id that it will have.
    case intent(LayerIntent, id: String)

    /// Nothing, where there is no reference.
    init?(_ reference: String?) {
        guard let reference else { return nil }
        self = .layer(reference)
    }
}

extension Layer.Kind {
    /// The kind in a sentence.
    var described: String { self == .view ? "a view" : rawValue }
}

extension Digest {
    /// The chain ID of a layer on a parent; nil when the parent's is not known.
    static func chainID(on parent: Layer?, _ diffID: Digest) -> Digest? {
        guard let parent else { return chain(parent: nil, diff: diffID) }
        return parent.chainID.map { chain(parent: $0, diff: diffID) }
    }
}
