// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem

extension LayerStore {
    /// Makes a committed layer from a layer tar, plain or compressed.
    ///
    /// Without an id the layer gets its chain's digits as id, so that applying the same layer twice
    /// finds it. When the digest is given and the chain is there, the stream is only read and
    /// verified. Plain tars, gzip and zstd are recognised.
    ///
    /// When the stream is no layer (``GraphCore/DriverError/Code/invalidArchive``) or has another
    /// digest than it should (``GraphCore/DriverError/Code/digestMismatch``), nothing is left of it.
    public func apply(
        _ stream: any ByteSource, id: String? = nil, parent: String? = nil, diffID: Digest? = nil,
        labels: [String: String] = [:], observer: WorkObserver = .none
    ) throws(DriverError) -> AppliedLayer {
        try checkWritable("apply a layer")
        if let diffID, let present = try find(diffID, parent: parent, id: id) {
            let bytes = try verify(stream, diffID, observer)
            return AppliedLayer(layer: present, wasPresent: true, streamBytes: bytes)
        }
        let intent = try begin(.committed, id: id, parent: parent, labels: labels, limits: .none)
        do throws(DriverError) {
            let tar = try unpack(stream, intent, observer)
            if let diffID, tar.digest != diffID { throw mismatch(diffID, tar.digest) }
            let chainID = Self.chain(intent.parent, tar.digest)
            if id == nil, let chainID, let present = try findCommitted(chainID: chainID) {
                abandon(intent)
                return AppliedLayer(layer: present, wasPresent: true, streamBytes: tar.byteCount)
            }
            let content = try keep(intent, tar, chainID, observer)
            return try record(intent, content)
        } catch {
            abandon(intent, after: error)
            throw withResource(error)
        }
    }

    /// The layer that an apply would make, where there is one that the caller's id allows.
    private func find(
        _ diffID: Digest, parent: String?, id: String?
    ) throws(DriverError) -> Layer? {
        let below = try parent.map { (reference) throws(DriverError) in try layer(reference) }
        guard let chainID = Self.chain(below, diffID) else { return nil }
        return try database.consistent("look for chain \(chainID)") { connection in
            let queries = LayerQueries(connection)
            guard let id else { return try queries.committed(chainID)?.layer }
            let named = try queries.layer(id: id)
            return named?.layer.chainID == chainID && named?.isVisible == true ? named?.layer : nil
        }
    }

    /// The chain of a layer on a parent; nil when the parent's is not known.
    static func chain(_ parent: Layer?, _ diffID: Digest) -> Digest? {
        guard let parent else { return Digest.chain(parent: nil, diff: diffID) }
        return parent.chainID.map { Digest.chain(parent: $0, diff: diffID) }
    }

    private func verify(
        _ stream: any ByteSource, _ diffID: Digest, _ observer: WorkObserver
    ) throws(DriverError) -> UInt64 {
        try attempting(
            archive: "read the layer",
            try { () throws(ArchiveError) in
                let tar = HashingSource(try Decompressor(stream))
                var buffer = [UInt8](repeating: 0, count: 1 << 18)
                while try tar.read(into: &buffer) > 0 {
                    try observer.report(
                        WorkProgress(phase: "verifying", completedBytes: tar.byteCount))
                }
                if tar.digest != diffID {
                    throw ArchiveError(
                        .digestMismatch, "the layer's digest is \(tar.digest), not \(diffID)")
                }
                return tar.byteCount
            }())
    }

    /// Puts a tar's content where the driver wants it.
    private func unpack(
        _ stream: any ByteSource, _ intent: LayerIntent, _ observer: WorkObserver
    ) throws(DriverError) -> HashingSource {
        let tar = HashingSource(
            try attempting(archive: "read the layer", try Decompressor(stream)))
        try driver.create(
            intent.number, above: intent.parents, limits: .none, observer: observer)
        let target = try driver.applyTarget(for: intent.number, above: intent.parents)
        let ahead = ReadAhead(tar)
        defer { ahead.stop() }
        _ = try attempting(
            archive: "unpack the layer",
            try unpackLayer(from: ahead, into: target, observer: observer))
        try driver.finishApply(of: intent.number, above: intent.parents, observer: observer)
        return tar
    }

    /// Makes the bytes durable, and meanwhile computes what is recorded about them.
    private func keep(
        _ intent: LayerIntent, _ tar: HashingSource, _ chainID: Digest?, _ observer: WorkObserver
    ) throws(DriverError) -> CommittedContent {
        let durability = configuration.durability
        let (diffID, diffBytes) = (tar.digest, tar.byteCount)
        let (usage, canonical) = try concurrently(
            { [driver] () throws(DriverError) in
                try driver.seal(intent.number, above: intent.parents, durability: durability)
                // After the sync, when delayed blocks have been given out and can be counted.
                return try driver.usage(of: intent.number, above: intent.parents)
            },
            { () throws(DriverError) in
                try canonicalDiff(of: intent.number, above: intent.parents, observer)
            })
        return CommittedContent(
            diffID: diffID, chainID: chainID, contentDigest: canonical.digest,
            diffBytes: diffBytes, usage: usage, durability: durability)
    }

    /// Records the result; somebody else may have applied the same layer in the meantime.
    private func record(
        _ intent: LayerIntent, _ content: CommittedContent
    ) throws(DriverError) -> AppliedLayer {
        let id = intent.id ?? content.chainID?.hex ?? LayerID.random()
        do throws(DriverError) {
            let layer = try finish(intent, id: id, content)
            return AppliedLayer(layer: layer, wasPresent: false, streamBytes: content.diffBytes)
        } catch  where error.code == .layerExists {
            guard let chainID = content.chainID,
                let present = try findCommitted(chainID: chainID)
            else { throw error }
            abandon(intent)
            return AppliedLayer(
                layer: present, wasPresent: true, streamBytes: content.diffBytes)
        }
    }

    private func mismatch(_ wanted: Digest, _ found: Digest) -> DriverError {
        DriverError(.digestMismatch, "the layer's digest is \(found), not \(wanted)")
    }

    /// Digest and size of a layer's canonical tar, made from what is on disk.
    func canonicalDiff(
        of number: LayerNumber, above parents: [LayerNumber], _ observer: WorkObserver
    ) throws(DriverError) -> (digest: Digest, byteCount: UInt64) {
        let source = try driver.diffSource(
            of: number, above: parents, from: parents.first, above: Array(parents.dropFirst()))
        let sink = HashingSink(NullSink())
        try attempting(
            archive: "read layer number \(number)",
            try { () throws(ArchiveError) in
                try writeTreeDiff(source, to: sink, observer: observer)
                try sink.finish()
            }())
        return (sink.digest, sink.byteCount)
    }
}

/// Forgets what it is given.
final class NullSink: ByteSink {
    func write(_ bytes: Span<UInt8>) throws(ArchiveError) {}
    func finish() throws(ArchiveError) {}
}
