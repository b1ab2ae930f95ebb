// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem

/// Something of a layer that has no record.
struct Orphan: Sendable {
    let number: LayerNumber
    /// Where it is, relative to the store's root, or a name in the pool.
    let location: String
    /// Whether its record was deleted, or never reached the disk, for all that is known: it was
    /// removed, or being made when the power was cut.
    let isProvable: Bool
}

/// What lies on disk without a record.
///
/// The disk is listed first and the records second: a record is made before its bytes are, and goes
/// after them. So what has no record then either has no owner, or is gone already, as another look at the
/// disk tells.
///
/// Records are always those of some moment, whatever a power cut took. So a number that was given out
/// and has no record had one, which was deleted on purpose; and a higher one is that of a layer being
/// made, which bears a mark, or of one whose record was lost.
struct OrphanSearch: Sendable {
    let catalog: Catalog
    let driver: any Driver
    let recipes: RecipeDirectory

    /// Layers on disk that no record owns.
    func layers() throws(DriverError) -> [Orphan] {
        try unrecorded { () throws(DriverError) in
            try driver.inventory().compactMap { item in
                if case .layer(let number) = item.kind { (number, item.location) } else { nil }
            }
        }
    }

    /// Recipes that no record owns.
    func ofRecipes() throws(DriverError) -> [Orphan] {
        try unrecorded { () throws(DriverError) in
            try recipes.inventory().numbers.sorted().map { ($0, "recipes/\($0)") }
        }
    }

    /// Those of a list that have no record.
    private func unrecorded(
        _ list: () throws(DriverError) -> [(number: LayerNumber, location: String)]
    ) throws(DriverError) -> [Orphan] {
        let found = try list()
        if found.isEmpty { return [] }
        var (unowned, last) = try catalog.consistent("compare the disk with the records") {
            let queries = CatalogReader($0)
            return (
                try found.filter { try !queries.isRecorded($0.number) }, try queries.lastNumber()
            )
        }
        if unowned.isEmpty { return [] }
        // What was removed since it was listed is gone.
        let remaining = Set(try list().map(\.number))
        unowned.removeAll { !remaining.contains($0.number) }
        var orphans: [Orphan] = []
        for (number, location) in unowned {
            var isProvable = UInt64(number.rawValue) <= last
            if !isProvable { isProvable = try driver.isUnfinished(number) }
            orphans.append(
                Orphan(number: number, location: location, isProvable: isProvable))
        }
        return orphans
    }
}
