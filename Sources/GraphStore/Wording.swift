// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// The first three names of a list, for a message.
func listed(_ names: [String]) -> String {
    names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and more" : "")
}
