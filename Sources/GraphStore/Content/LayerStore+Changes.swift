// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore

extension LayerStore {
    /// Lists how a layer differs from its parent or from another layer, sorted by path.
    ///
    /// Without a base it is compared with its parent, and a base layer with the empty tree.
    public func changes(
        of reference: String, from base: String? = nil, observer: WorkObserver = .none
    ) throws(DriverError) -> [Change] {
        Array(try timedChanges(of: reference, from: base, observer: observer).changes)
    }

    /// The same, with what the time went into.
    public func timedChanges(
        of reference: String, from base: String? = nil, observer: WorkObserver = .none
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
    ///
    /// Without a base it is compared with its parent, and a base layer with the empty tree. A layer
    /// that was applied comes back byte for byte as it was, unless a base is given or the canonical
    /// form asked for; that has the same bytes for the same layer, whatever driver keeps it, and `how`
    /// says how it is written.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/digestMismatch`` when an applied layer is not what it
    ///   was: then the sink has got other bytes than were applied.
    @discardableResult
    public func writeDiff(
        of reference: String, from base: String? = nil, _ form: TarForm = .applied,
        _ how: DiffForm = DiffForm(), to sink: any ByteSink, observer: WorkObserver = .none
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
        for record in records { _ = try current(record) }
        return try result.get()
    }

    /// Puts the tar that a layer was made of together again.
    @discardableResult
    func writeApplied(
        _ record: LayerRecord, to sink: any ByteSink, _ observer: WorkObserver
    ) throws(DriverError) -> WrittenTar {
        guard let digest = record.layer.diffID else {
            throw DriverError(.storeDamaged, "layer \(record.layer.id) has no digest")
        }
        var tar = try recipes.tar(of: record.number, from: try content(of: record.number))
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
        let new: LayerContent?
        let old: LayerContent?
    }

    private func diff(of reference: String, from base: String?) throws(DriverError) -> Diff {
        let (record, parents) = try recordWithParents(reference)
        let new = Self.content(of: record, parents)
        guard let base else {
            return Diff(records: [record], new: new, old: LayerContent(topmostOf: parents))
        }
        let (other, otherParents) = try recordWithParents(base)
        return Diff(
            records: [record, other], new: new, old: Self.content(of: other, otherParents))
    }

    private func source(of diff: Diff) throws(DriverError) -> DiffSource {
        guard let new = diff.new else {
            guard let old = diff.old else { return DiffSource(old: .empty, new: .empty) }
            let all = try driver.diffSource(
                of: old.number, above: old.parents, from: nil, above: [])
            return DiffSource(old: all.new, new: .empty)
        }
        return try driver.diffSource(
            of: new.number, above: new.parents, from: diff.old?.number,
            above: diff.old?.parents ?? [])
    }

    /// The layer that holds the bytes: a view shows its parent's, and without one nobody's.
    static func content(of record: LayerRecord, _ parents: [LayerNumber]) -> LayerContent? {
        if record.layer.kind == .view { return LayerContent(topmostOf: parents) }
        return LayerContent(number: record.number, parents: parents)
    }
}

/// A layer that holds bytes, and those below it, nearest first.
struct LayerContent {
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
}

/// How a layer differs from another, and what finding that out took.
public struct TimedChanges: Sendable {
    /// Sorted by path, and made while they are asked for.
    public let changes: ChangeList
    /// Finding out where to look.
    public let find: Duration
    /// Looking there.
    public let compare: Duration
    /// How the driver knew where to look, or why it did not, for a person.
    public let note: String?
}

/// Which tar of a layer is wanted.
public enum TarForm: Hashable, Sendable {
    /// The one that the layer was made of, where it was made of one; else the canonical.
    case applied
    /// The one that is the same for the same layer everywhere.
    case canonical
}
