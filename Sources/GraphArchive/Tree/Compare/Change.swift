// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

/// One difference between two trees.
public struct Change: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// How a path differs.
    public enum Kind: String, Hashable, Sendable {
        case added = "A"
        case modified = "M"
        case deleted = "D"
    }

    /// Added, modified or deleted.
    public let kind: Kind
    /// Relative to the root, without a leading slash.
    public let path: RawPath

    /// Records a difference.
    public init(_ kind: Kind, _ path: RawPath) { (self.kind, self.path) = (kind, path) }

    /// Orders by the bytes of the path.
    public static func < (left: Change, right: Change) -> Bool {
        (left.path, left.kind.rawValue) < (right.path, right.kind.rawValue)
    }

    /// The form in which `graphctl changes` prints it: `M /etc/passwd`.
    public var description: String { "\(kind.rawValue) /\(path)" }
}
