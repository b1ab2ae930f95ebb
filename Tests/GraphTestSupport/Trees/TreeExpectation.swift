// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import Testing

/// Expects two trees to be the same, and tells what differs when they are not.
package func expectSame(
    _ tree: TreeSnapshot, _ expected: TreeSnapshot, in aspects: TreeSnapshot.Aspects = .standard,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let lines = tree.differences(from: expected, in: aspects)
    if lines.isEmpty { return }
    Issue.record(
        Comment(rawValue: "the trees differ:\n" + lines.joined(separator: "\n")),
        sourceLocation: sourceLocation)
}
