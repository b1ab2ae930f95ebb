// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// Reads what layers hold: how they differ, and their tars.
struct LayerContent: Sendable {
    let catalog: Catalog
    let driver: any Driver
    let recipes: RecipeDirectory

    /// Lists how a layer differs from its parent or from another layer, with what the time went into.
    func changes(
        of reference: String, from base: String?, observer: WorkObserver
    ) throws(DriverError) -> TimedChanges {
        let diff = try diff(of: reference, from: base)
        return try reading(diff.records) { () throws(DriverError) in
            let start = ContinuousClock.now
            let source = try source(of: diff)
            let found = ContinuousClock.now
            let changes = try attempting(
                archive: "compare layer \(reference)",
                try listTreeChanges(source, observer: observer))
            return TimedChanges(
                changes: changes, find: found - start, compare: .now - found, note: source.note)
        }
    }

    /// Writes a layer as a tar, and finishes the sink.
    @discardableResult
    func writeDiff(
        of reference: String, from base: String?, _ form: TarForm,
        _ how: DiffForm, to sink: any ByteSink, observer: WorkObserver
    ) throws(DriverError) -> WrittenTar {
        let diff = try diff(of: reference, from: base)
        return try reading(diff.records) { () throws(DriverError) in
            if base == nil && form == .applied && diff.records[0].layer.recipeBytes != nil {
                return try writeApplied(diff.records[0], to: sink, observer)
            }
            let source = try source(of: diff)
            return try attempting(
                archive: "write layer \(reference)",
                try writeHashedTreeDiff(source, how, to: sink, observer: observer))
        }
    }

    /// Reads the bytes of layers that others may remove meanwhile: then what was read may lack
    /// something, and is an error whatever the reader says.
    private func reading<Value>(
        _ records: [LayerRecord], _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        let result = Result(catching: body)
        for record in records { _ = try catalog.current(record) }
        return try result.get()
    }

    /// Puts the tar that a layer was made of together again.
    private func writeApplied(
        _ record: LayerRecord, to sink: any ByteSink, _ observer: WorkObserver
    ) throws(DriverError) -> WrittenTar {
        guard let digest = record.layer.diffID else {
            throw DriverError(.storeDamaged, "layer \(record.layer.id) has no digest")
        }
        var tar = try recipes.tar(of: record.number, from: try tree(of: record.number))
        do throws(ArchiveError) {
            return try tar.write(to: sink, expecting: digest, observer: observer)
        } catch {
            throw DriverError("write layer \(record.layer.id)", error)
        }
    }

    /// Two layers to be compared, the newer first.
    private struct Diff {
        let records: [LayerRecord]
        /// nil for the empty tree.
        let new: LayerStack?
        let old: LayerStack?
    }

    private func diff(of reference: String, from base: String?) throws(DriverError) -> Diff {
        let (record, parents) = try catalog.recordWithParents(reference)
        let new = LayerStack(of: record, parents)
        guard let base else {
            return Diff(records: [record], new: new, old: LayerStack(topmostOf: parents))
        }
        let (other, otherParents) = try catalog.recordWithParents(base)
        return Diff(
            records: [record, other], new: new, old: LayerStack(of: other, otherParents))
    }

    private func source(of diff: Diff) throws(DriverError) -> DiffSource {
        guard let new = diff.new else {
            guard let old = diff.old else { return DiffSource(old: .empty, new: .empty) }
            let all = try driver.diffSource(
                of: old.number, parents: old.parents, from: nil, baseParents: [])
            return DiffSource(old: all.new, new: .empty)
        }
        return try driver.diffSource(
            of: new.number, parents: new.parents, from: diff.old?.number,
            baseParents: diff.old?.parents ?? [])
    }

    /// The directory of what a layer itself holds.
    func tree(of number: LayerNumber) throws(DriverError) -> Directory {
        let source = try driver.diffSource(of: number, parents: [], from: nil, baseParents: [])
        guard let content = source.new.layers.first else {
            throw DriverError(.storeDamaged, "layer number \(number) has no content")
        }
        return content
    }

    /// Digest and size of a layer's canonical tar, made from what is on disk, which is about to be sealed:
    /// its files lose their immutable and append-only flags.
    ///
    /// Where its warnings say that there are names which no layer tar can have, the digest stands for the
    /// content alone.
    func canonicalDiff(
        of number: LayerNumber, parents: [LayerNumber], _ observer: WorkObserver
    ) throws(DriverError) -> WrittenTar {
        var source = try driver.diffSource(
            of: number, parents: parents, from: parents.first,
            baseParents: Array(parents.dropFirst()))
        source.clearsLocks = true
        return try attempting(
            archive: "read layer number \(number)",
            try writeHashedTreeDiff(
                source, DiffForm(markedNames: .written), to: NullSink(), observer: observer))
    }
}
