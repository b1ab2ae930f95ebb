// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore

/// Which layers a list has.
struct LayerQuery: Sendable {
    private let labels: [LabelFilter]
    private let filters: [LayerFilter]
    private let last: LayerNumber?
    private let limit: Int?

    init(
        _ labels: [LabelFilter], _ filters: [LayerFilter], after last: LayerNumber?, limit: Int?
    ) {
        (self.labels, self.filters) = (labels, filters)
        (self.last, self.limit) = (last, limit)
    }

    /// Layers of one reading, where not all are wanted.
    private static let pageLayers = 1_000

    private func isWanted(_ layer: Layer) -> Bool {
        labels.allSatisfy { $0.matches(layer.labels) }
            && (filters.isEmpty || filters.contains { $0.matches(layer) })
    }

    /// The layers, oldest first.
    func run(_ queries: CatalogReader) throws -> [Layer] {
        var found: [Layer] = []
        func isFull() -> Bool { limit.map { found.count >= $0 } ?? false }
        func add(_ record: LayerRecord) {
            if record.number > last ?? LayerNumber(rawValue: 0), !isFull(), isWanted(record.layer) {
                found.append(record.layer)
            }
        }
        // A label that all need is found by its index.
        if let label = labels.first ?? (filters.count == 1 ? filters[0].label : nil) {
            for record in try queries.visible(labelled: label) { add(record) }
        } else if limit == nil {
            try queries.forEachVisible(add)
        } else {
            var place = last ?? LayerNumber(rawValue: 0)
            while !isFull() {
                let page = try queries.visible(after: place, limit: Self.pageLayers)
                for record in page { add(record) }
                guard page.count == Self.pageLayers, let end = page.last else { break }
                place = end.number
            }
        }
        return found
    }
}
