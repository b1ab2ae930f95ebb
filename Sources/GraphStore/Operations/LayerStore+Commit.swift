// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem

extension LayerStore {
    /// Makes an active layer immutable, so that it can be a parent.
    ///
    /// The diff is hashed first and the layer sealed last: whatever fails on the way leaves the
    /// layer writable.
    ///
    /// Without a new id the layer keeps the one it has. A layer of which no layer tar can be written,
    /// since it has names that begin with `.wh.`, is sealed as others are, without ``Layer/diffID``.
    ///
    /// Throws ``GraphCore/DriverError/Code/wrongKind`` for layers that are not active, and
    /// ``GraphCore/DriverError/Code/layerInUse`` while the layer is mounted, also where the store has no
    /// record of it: in another mount namespace, by way of another run root, or unmounted lazily.
    public func commit(
        _ reference: String, as newID: String? = nil, observer: WorkObserver = .none
    ) throws(DriverError) -> Layer {
        try checkWritable("commit layer \(reference)")
        if let newID { try LayerID.check(newID) }
        let (record, parents) = try recordWithParents(reference)
        let owner = try owner()
        return try withLock(on: record.number) { () throws(DriverError) in
            try recoverIfAbandoned(record)
            try refuseUsed(record, before: .committing)
            let parent = try beginCommit(record.number, reference, as: newID, owner: owner)
            do throws(DriverError) {
                let canonical = try canonicalDiff(of: record.number, above: parents, observer)
                try driver.seal(
                    record.number, above: parents, durability: configuration.durability)
                let isTar = canonical.warnings.isEmpty
                let content = CommittedContent(
                    diffID: isTar ? canonical.digest : nil,
                    chainID: isTar ? Self.chain(parent, canonical.digest) : nil,
                    contentDigest: canonical.digest,
                    diffBytes: isTar ? canonical.byteCount : nil,
                    recipeBytes: nil,
                    usage: try driver.usage(of: record.number, above: parents),
                    durability: configuration.durability)
                return try finishCommit(record, id: newID ?? record.layer.id, content, owner: owner)
            } catch {
                do throws(DriverError) {
                    try endCommit(record.number, owner: owner)
                } catch {
                    warn("could not end a commit that failed", record.number, error)
                }
                throw withResource(error)
            }
        }
    }

    /// Records the intent, and returns the parent.
    private func beginCommit(
        _ number: LayerNumber, _ reference: String, as newID: String?, owner: Int64
    ) throws(DriverError) -> Layer? {
        try database.write("begin the commit of layer \(reference)", .ordered) { connection in
            let queries = LayerQueries(connection)
            guard let record = try queries.layer(number), record.isVisible else {
                throw DriverError(.layerNotFound, "layer \(reference) was removed meanwhile")
            }
            if record.layer.kind != .active {
                throw DriverError(
                    .wrongKind,
                    "layer \(record.layer.id) is \(record.layer.kind.described);"
                        + " only an active layer can be committed")
            }
            if let newID, newID != record.layer.id, try queries.layer(id: newID) != nil {
                throw DriverError(.layerExists, "there is a layer \(newID) already")
            }
            try LayerChanges(connection).setState(.committing, owner: owner, of: number)
            return try record.parent.flatMap { try queries.layer($0)?.layer }
        }
    }

    private func finishCommit(
        _ record: LayerRecord, id: String, _ content: CommittedContent, owner: Int64
    ) throws(DriverError) -> Layer {
        try database.write("record layer \(id)", resultSynchronization) { connection in
            let isOurs = try LayerChanges(connection)
                .finish(record.number, owner: owner, id: id, content, at: .now)
            guard isOurs, let layer = try LayerQueries(connection).layer(record.number) else {
                throw DriverError(
                    .system, "layer \(id) was taken for abandoned while it was committed")
            }
            return layer.layer
        }
    }

    /// Ends a commit that led to nothing: the layer is active as before.
    func endCommit(_ number: LayerNumber, owner: Int64) throws(DriverError) {
        try database.write("end the commit of layer number \(number)", .ordered) { connection in
            try LayerChanges(connection).endCommit(number, owner: owner)
        }
    }
}
