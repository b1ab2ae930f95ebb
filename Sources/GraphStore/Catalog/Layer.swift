// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphSystem

/// One layer as the store records it: a snapshot of the record, not the layer itself.
public struct Layer: Hashable, Sendable {
    /// What may be done with a layer.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Immutable; may be a parent.
        case committed
        /// Writable; never a parent.
        case active
        /// Read-only access to its parent under an id of its own.
        case view
    }

    /// Names the layer's bytes; never used again for another layer.
    public let number: LayerNumber
    /// Names the layer for callers; unique in the store.
    public let id: String
    /// What callers call the layer beside its id; unique in the store, and nil for most.
    public let name: String?
    /// Committed, active or a view.
    public let kind: Kind
    /// The parent's id; nil for a base layer.
    public let parent: String?
    /// How many layers the chain has, this one included.
    public let depth: Int
    /// Digest of the uncompressed layer tar; nil until committed.
    public let diffID: Digest?
    /// Identity of the chain, as in the OCI image specification; nil until committed.
    public let chainID: Digest?
    /// What ``LayerStore/check(deep:observer:)`` compares the layer on disk with; nil until
    /// committed.
    ///
    /// The digest of its canonical tar; where it has a recipe, which vouches for the contents of its
    /// files, of an outline of everything else (`docs/formats/graph-db.md`).
    public let contentDigest: Digest?
    /// Bytes of the uncompressed layer tar; nil until committed.
    public let diffBytes: UInt64?
    /// Bytes on disk of the recipe by which the applied tar comes back byte for byte; nil for a
    /// layer that was not applied.
    public let recipeBytes: UInt64?
    /// The space that the layer takes by itself, as measured when it was committed.
    public let usage: LayerUsage?
    /// What was promised when the layer was committed.
    public let durability: Durability?
    /// The limits that it was created with.
    public let limits: LayerLimits
    /// When it was made, or committed, by the clock of the machine that did it.
    public let created: Timestamp
    /// When the record last changed.
    public let updated: Timestamp
    /// Keys and values of callers, within ``LabelLimits``.
    public let labels: [String: String]
}

/// Picks layers by their labels.
public struct LabelFilter: Hashable, Sendable {
    /// The key that a layer must have.
    public let key: String
    /// The value that the label must have; nil when any will do.
    public let value: String?

    /// Asks for a label, with any value or with a given one.
    public init(key: String, value: String? = nil) { (self.key, self.value) = (key, value) }

    /// Reads `KEY=VALUE`, or `KEY` for any value; nil without a key.
    public init?(parsing text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let key = parts.first, !key.isEmpty else { return nil }
        self.init(key: String(key), value: parts.count == 2 ? String(parts[1]) : nil)
    }

    /// Whether labels satisfy the filter.
    public func matches(_ labels: [String: String]) -> Bool {
        labels[key].map { value == nil || value == $0 } ?? false
    }
}
