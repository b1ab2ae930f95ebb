// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// What records say of each other, looked at one by one, parents before their children.
private struct RecordComparison {
    private(set) var findings: [Finding] = []
    /// Layers that have a recipe by their records.
    private(set) var withRecipe: [(number: LayerNumber, id: String)] = []
    private var seen: [LayerNumber: (id: String, isCommitted: Bool, depth: Int)] = [:]

    mutating func look(at record: LayerRecord) {
        let layer = record.layer
        // A damaged table may have a number twice.
        if seen[record.number] == nil {
            seen[record.number] = (layer.id, layer.kind == .committed, layer.depth)
        }
        if layer.recipeBytes != nil { withRecipe.append((record.number, layer.id)) }
        compareWithParent(record)
        // Without a recipe there may be no tar of it, of which there would be a digest.
        let lacksTarDigest = layer.diffID == nil && layer.recipeBytes != nil
        if layer.kind == .committed && (lacksTarDigest || layer.contentDigest == nil) {
            report(layer, "it is committed, but its digests are not recorded")
        }
    }

    private mutating func compareWithParent(_ record: LayerRecord) {
        let layer = record.layer
        guard let parent = record.parent else {
            if layer.depth != 1 { report(layer, "it has no parent, but should have one") }
            return
        }
        if parent >= record.number {
            report(layer, "its parent, number \(parent), is not older than itself")
        } else if let below = seen[parent] {
            if !below.isCommitted { report(layer, "its parent \(below.id) is not committed") }
            if layer.depth != below.depth + 1 {
                report(layer, "its depth is not its parent's plus one")
            }
        } else {
            report(layer, "its parent, number \(parent), is not there")
        }
    }

    private mutating func report(_ layer: Layer, _ message: String) {
        findings.append(Finding(.recordInvalid, layer.id, message))
    }
}

extension StoreCheck {
    func recordFindings() throws(DriverError) -> [Finding] {
        let comparison = try catalog.consistent("list the layers") {
            var comparison = RecordComparison()
            try CatalogReader($0).forEachVisible { comparison.look(at: $0) }
            return comparison
        }
        // Listed second: what was recorded has its recipe before.
        let recipes = try recipes.inventory().numbers
        var findings = comparison.findings
        for layer in comparison.withRecipe where !recipes.contains(layer.number) {
            // It may have been removed since it was listed.
            guard try catalog.record(of: layer.number)?.isVisible == true else { continue }
            findings.append(
                Finding(
                    .recipeMissing, layer.id,
                    "the recipe for the tar that was applied is gone; the canonical tar can be made"
                ))
        }
        return findings
    }

    /// What the driver's inventory says that the records do not, and the other way round.
    func diskFindings(missing: Bool) throws(DriverError) -> [Finding] {
        let before = missing ? try catalog.namesWithBytes() : []
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
        let now = Set(try catalog.namesWithBytes().map(\.number))
        for layer in absent where now.contains(layer.number) {
            findings.append(
                Finding(
                    .layerMissing, layer.id,
                    "it is recorded, but driver \(driver.name) has no bytes of number"
                        + " \(layer.number)"))
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
