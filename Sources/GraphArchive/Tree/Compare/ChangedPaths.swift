// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// Paths of a tree, each either by itself or with all that lies below it.
///
/// What a driver knows of where two trees may differ. More than do differ is right, fewer are not: a
/// comparison looks at these names, and at the directories on the way to them, and at no others.
package struct ChangedPaths: Sendable {
    private struct Node {
        var children: [RawPath: Int] = [:]
        var isWholeTree = false
        /// Whether it was added itself, and not only as a directory on the way.
        var isNamed = false
    }

    /// The first is the root.
    private var nodes = [Node()]
    /// How many names are kept, those of directories on the way included.
    package var count: Int { nodes.count - 1 }
    /// The bytes of these names.
    package private(set) var nameBytes = 0

    /// Whether a file with several names may be among them; if not, no group of names has to be
    /// looked for.
    package var mayHaveLinks = true
    /// Whether directories on the way that are not among them are equal but for what lies below.
    package var namesDirectories = false

    /// No path but the root.
    package init() {}

    /// Adds a path, relative to the root, perhaps with all that lies below it.
    ///
    /// - Returns: Whether there was something to add.
    @discardableResult
    package mutating func insert(_ path: RawPath, withTree: Bool = false) -> Bool {
        var isNew = false
        var index = 0
        for name in path.components {
            if nodes[index].isWholeTree { return false }
            if let known = nodes[index].children[name] {
                index = known
            } else {
                nodes[index].children[name] = nodes.count
                index = nodes.count
                nodes.append(Node())
                nameBytes += name.count
                isNew = true
            }
        }
        nodes[index].isNamed = true
        guard withTree, !nodes[index].isWholeTree else { return isNew }
        // What is below goes with it; its room is not given back.
        nodes[index] = Node(isWholeTree: true, isNamed: true)
        return true
    }

    /// The root of the tree.
    package var root: Place { Place(paths: self, index: 0) }

    /// One of the names, and what lies below it.
    package struct Place: Sendable {
        fileprivate let paths: ChangedPaths
        fileprivate let index: Int

        /// Whether anything below may differ.
        package var isWholeTree: Bool { paths.nodes[index].isWholeTree }

        /// Whether this directory itself is known to be equal.
        package var isOnlyOnTheWay: Bool {
            paths.namesDirectories && !paths.nodes[index].isNamed
        }

        /// How many names there are in this directory.
        package var count: Int { paths.nodes[index].children.count }

        /// Whether nothing below differs: this name stands for itself.
        package var isEmpty: Bool {
            !isWholeTree && paths.nodes[index].children.isEmpty
        }

        /// The names in this directory that may differ, or lead to such, sorted by bytes.
        package var names: [RawPath] { paths.nodes[index].children.keys.sorted() }

        /// A name in this directory; nil when it is not among ``names``.
        package subscript(name: RawPath) -> Place? {
            paths.nodes[index].children[name].map { Place(paths: paths, index: $0) }
        }
    }
}
