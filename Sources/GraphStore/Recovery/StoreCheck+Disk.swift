// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

extension StoreCheck {
    func recordFindings() throws(DriverError) -> [Finding] {
        let records = try catalog.consistent("list the layers") { try CatalogReader($0).visible() }
        let withRecipe = try recipes.inventory().numbers
        // A damaged table may have a number twice.
        let byNumber = Dictionary(records.map { ($0.number, $0.layer) }) { first, _ in first }
        var findings: [Finding] = []
        for record in records {
            let layer = record.layer
            func report(_ message: String) {
                findings.append(Finding(.recordInvalid, layer.id, message))
            }
            if let parent = record.parent, parent >= record.number {
                report("its parent, number \(parent), is not older than itself")
            } else if let parent = record.parent {
                guard let below = byNumber[parent] else {
                    report("its parent, number \(parent), is not there")
                    continue
                }
                if below.kind != .committed { report("its parent \(below.id) is not committed") }
                if layer.depth != below.depth + 1 {
                    report("its depth is not its parent's plus one")
                }
            } else if layer.depth != 1 {
                report("it has no parent, but should have one")
            }
            if layer.recipeBytes != nil && !withRecipe.contains(record.number),
                // It may have been removed since it was listed.
                try catalog.isCurrent(record)
            {
                findings.append(
                    Finding(
                        .recipeMissing, layer.id,
                        "the recipe for the tar that was applied is gone;"
                            + " the canonical tar can be made"))
            }
            // Without a recipe there may be no tar of it, of which there would be a digest.
            let lacksTarDigest = layer.diffID == nil && layer.recipeBytes != nil
            if layer.kind == .committed && (lacksTarDigest || layer.contentDigest == nil) {
                report("it is committed, but its digests are not recorded")
            }
        }
        return findings
    }

    /// What the driver's inventory says that the records do not, and the other way round.
    func diskFindings(missing: Bool) throws(DriverError) -> [Finding] {
        let before = missing ? try catalog.layersWithBytes() : []
        let inventory = try driver.inventory()
        var findings: [Finding] = []
        var present: Set<LayerNumber> = []
        for item in inventory {
            switch item.kind {
            case .layer(let number): present.insert(number)
            case .trash:
                findings.append(
                    Finding(
                        .trash, item.location, "it was removed and is not yet freed",
                        bytes: item.bytes))
            case .foreign:
                findings.append(
                    Finding(
                        .foreignFile, item.location, "driver \(driver.name) makes no such thing"))
            }
        }
        for orphan in try orphans.layers() {
            let usage = try? driver.usage(of: orphan.number, parents: [])
            findings.append(
                Finding(
                    .unownedLayer, orphan.location, Self.fate(of: orphan), bytes: usage?.bytes))
        }
        findings += try recipeFindings()
        let absent = before.filter { !present.contains($0.number) }
        if absent.isEmpty { return findings }
        // Those that went away while the disk was listed are not missing.
        let now = Set(try catalog.layersWithBytes().map(\.number))
        for record in absent where now.contains(record.number) {
            findings.append(
                Finding(
                    .layerMissing, record.layer.id,
                    "it is recorded, but driver \(driver.name) has no bytes of number"
                        + " \(record.number)"))
        }
        return findings
    }

    private static func fate(of orphan: Orphan) -> String {
        orphan.isProvable
            ? "its record was deleted or never made; gc frees it"
            : "its record was lost; put graph.db back, or give it up: only gc --orphans frees it"
    }

    /// Recipes that no record owns, and what is no recipe.
    private func recipeFindings() throws(DriverError) -> [Finding] {
        try orphans.ofRecipes().map {
            Finding(.unownedLayer, $0.location, Self.fate(of: $0))
        }
            + recipes.inventory().foreign.map {
                Finding(.foreignFile, "recipes/\($0)", "the store makes no such thing")
            }
            + blobs.foreign().map {
                Finding(.foreignFile, "blobs/\($0)", "the store makes no such thing")
            }
    }
}
