// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive

/// How a layer differs from another, and what finding that out took.
public struct TimedChanges: Sendable {
    /// Sorted by path, and made while they are asked for.
    public let changes: ChangeList
    /// Finding out where to look.
    public let find: Duration
    /// Looking there.
    public let compare: Duration
    /// How the driver knew where to look, or why it did not, for a person.
    public let note: String?
}

/// Which tar of a layer is wanted.
public enum TarForm: Hashable, Sendable {
    /// The one that the layer was made of, where it was made of one; else the canonical.
    case applied
    /// The one that is the same for the same layer everywhere.
    case canonical
}
