// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

extension LayerStore {
    /// Reads every committed layer again; one that cannot be read now is not called damaged.
    func contentFindings(_ observer: WorkObserver) throws(DriverError) -> [Finding] {
        var findings: [Finding] = []
        for record in try layersWithBytes() where record.layer.kind == .committed {
            do throws(DriverError) {
                if let change = try contentChange(of: record, observer) {
                    findings.append(Finding(.contentChanged, record.layer.id, change))
                }
            } catch  where error.code == .cancelled {
                throw error
            } catch {
                // One that was removed meanwhile is of no interest.
                guard (try? current(record)) != nil else { continue }
                let kind: Finding.Kind =
                    error.code == .storeDamaged ? .contentChanged : .notChecked
                findings.append(Finding(kind, record.layer.id, error.description))
            }
        }
        return findings
    }

    /// What is different about a layer since it was committed; nil when nothing is.
    private func contentChange(
        of record: LayerRecord, _ observer: WorkObserver
    ) throws(DriverError) -> String? {
        guard let wanted = record.layer.contentDigest else { return nil }
        let parents = try database.read("look for layer \(record.layer.id)") {
            try LayerQueries($0).parents(of: record.number)
        }
        let hasRecipe = record.layer.recipeBytes != nil
        let found =
            hasRecipe
            ? try contentOutline(of: try content(of: record.number), record.number, observer).digest
            : try canonicalDiff(of: record.number, above: parents, observer).digest
        if found != wanted {
            return "its content has the digest \(found), not \(wanted)"
        }
        return hasRecipe ? try appliedChange(of: record, parents, observer) : nil
    }

    /// The recipe vouches for the contents of the files that the archive named; any other whose
    /// content is not its parent's has been changed.
    private func appliedChange(
        of record: LayerRecord, _ parents: [LayerNumber], _ observer: WorkObserver
    ) throws(DriverError) -> String? {
        do throws(DriverError) {
            try writeApplied(record, to: NullSink(), observer)
        } catch  where error.code == .digestMismatch || error.code == .invalidArchive {
            return error.message
        }
        let source = try driver.diffSource(
            of: record.number, above: parents, from: parents.first,
            above: Array(parents.dropFirst()))
        let action = "compare layer \(record.layer.id)"
        let all = try attempting(
            archive: action, try treeChanges(source, .complete, observer: observer))
        let outline = try attempting(
            archive: action, try treeChanges(source, .outline, observer: observer))
        let changed = Set(Set(all).subtracting(outline).map(\.path))
        guard !changed.isEmpty, let layer = source.new.layers.first else { return nil }
        var tar = try recipes.tar(of: record.number, from: layer)
        let named = try attempting(archive: action, try tar.references(among: changed))
        return changed.subtracting(named).min().map { "the content of /\($0) is not its parent's" }
    }
}
