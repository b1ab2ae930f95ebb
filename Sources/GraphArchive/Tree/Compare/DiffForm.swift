// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

/// How a diff is written.
public struct DiffForm: Hashable, Sendable {
    /// What becomes of names that begin with `.wh.`, which would delete what has the rest as its name.
    public enum MarkedNames: Hashable, Sendable {
        /// They are an error.
        case refused
        /// They are left out with all below them: ``LayerWarning/Kind/whiteoutName``.
        case leftOut
        /// They are written as they are, with the same warning: the bytes stand for the tree, and are no
        /// layer tar.
        case written
    }

    /// What becomes of names that a reader of the tar would take for whiteouts.
    public var markedNames: MarkedNames
    /// No time in the tar is later, as SOURCE_DATE_EPOCH asks for; nil for all as they are.
    public var latest: Timestamp?
    /// Whether the root is named where there was none before, also where nothing about it is unusual: as it
    /// was in the first versions.
    package var alwaysNamesRoot = false

    /// Refuses what cannot be written, and leaves times as they are.
    public init(markedNames: MarkedNames = .refused, latest: Timestamp? = nil) {
        (self.markedNames, self.latest) = (markedNames, latest)
    }
}
