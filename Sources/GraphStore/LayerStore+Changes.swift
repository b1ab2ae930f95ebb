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
        let source = try diffSource(of: reference, from: base)
        return try attempting(
            archive: "compare layer \(reference)", try treeChanges(source, observer: observer))
    }

    /// Writes a layer as a tar: the same bytes for the same layer, whatever driver keeps it.
    ///
    /// Without a base it is compared with its parent, and a base layer with the empty tree. The sink
    /// is finished.
    public func writeDiff(
        of reference: String, from base: String? = nil, to sink: any ByteSink,
        observer: WorkObserver = .none
    ) throws(DriverError) {
        let source = try diffSource(of: reference, from: base)
        try attempting(
            archive: "write layer \(reference)",
            try { () throws(ArchiveError) in
                try writeTreeDiff(source, to: sink, observer: observer)
                try sink.finish()
            }())
    }

    private func diffSource(
        of reference: String, from base: String?
    ) throws(DriverError) -> DiffSource {
        let (record, parents) = try recordWithParents(reference)
        var other: LayerNumber? = parents.first
        var otherParents = Array(parents.dropFirst())
        if let base {
            let (baseRecord, baseParents) = try recordWithParents(base)
            (other, otherParents) = Self.content(of: baseRecord, baseParents)
        }
        let (number, below) = Self.content(of: record, parents)
        return try driver.diffSource(of: number, above: below, from: other, above: otherParents)
    }

    /// The layer that holds the bytes: a view shows its parent's.
    static func content(
        of record: LayerRecord, _ parents: [LayerNumber]
    ) -> (number: LayerNumber, parents: [LayerNumber]) {
        guard record.layer.kind == .view, let parent = parents.first else {
            return (record.number, parents)
        }
        return (parent, Array(parents.dropFirst()))
    }
}
