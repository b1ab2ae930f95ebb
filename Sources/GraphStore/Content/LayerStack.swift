// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore

/// A layer that holds bytes, and those below it, nearest first.
struct LayerStack {
    let number: LayerNumber
    let parents: [LayerNumber]

    init(number: LayerNumber, parents: [LayerNumber]) {
        (self.number, self.parents) = (number, parents)
    }

    /// The first of a chain, above the others; nil for an empty one.
    init?(topmostOf chain: [LayerNumber]) {
        guard let number = chain.first else { return nil }
        self.init(number: number, parents: Array(chain.dropFirst()))
    }

    /// What a layer shows: a view its parent, and without one nothing.
    init?(of record: LayerRecord, _ parents: [LayerNumber]) {
        if record.layer.kind == .view {
            self.init(topmostOf: parents)
        } else {
            self.init(number: record.number, parents: parents)
        }
    }
}
