// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem

extension LayerStore {
    /// Makes a committed layer from a layer tar, plain or compressed.
    ///
    /// Without an id the layer gets its chain's digits as id, so that applying the same layer twice
    /// finds it. With an id there is a layer of that id afterwards, of its own; applying the same tar under
    /// the same id on the same parent finds it, too. One that is found gets the labels that it lacks.
    /// When the digest or the id is given and the layer is there, the stream is only read and verified.
    /// Plain tars, gzip and zstd are recognised.
    ///
    /// Another tar under an id that is taken is ``GraphCore/DriverError/Code/layerExists``.
    ///
    /// When the stream is no layer (``GraphCore/DriverError/Code/invalidArchive``) or has another
    /// digest than it should (``GraphCore/DriverError/Code/digestMismatch``), nothing is left of it.
    public func apply(
        _ stream: any ByteSource, id: String? = nil, parent: String? = nil, diffID: Digest? = nil,
        labels: [String: String] = [:], observer: WorkObserver = .none
    ) throws(DriverError) -> AppliedLayer {
        try checkWritable("apply a layer")
        return try withRoom(observer) { (observer) throws(DriverError) in
            try applyAnywhere(stream, id: id, parent: parent, diffID: diffID, labels, observer)
        }
    }

    private func applyAnywhere(
        _ stream: any ByteSource, id: String?, parent: String?, diffID: Digest?,
        _ labels: [String: String], _ observer: WorkObserver
    ) throws(DriverError) -> AppliedLayer {
        if let diffID, let present = try find(diffID, parent: parent, id: id) {
            let (digest, bytes) = try digest(of: stream, observer)
            if digest != diffID {
                throw DriverError(
                    .digestMismatch, "the layer's digest is \(digest), not \(diffID)")
            }
            return AppliedLayer(
                layer: try withLabels(labels, present), wasPresent: true, streamBytes: bytes,
                timings: WorkTimings())
        }
        if diffID == nil, let present = try applied(stream, as: id, parent, labels, observer) {
            return present
        }
        let intent = try begin(
            .committed, id: id, parent: NewParent(parent), labels: labels, limits: .none)
        do throws(DriverError) {
            try make(intent, observer)
            var tar = try unpack(stream, intent, observer)
            if let diffID { try tar.require(diffID) }
            let chainID = Self.chain(intent.parent, tar.digest)
            if id == nil, let chainID, let present = try findCommitted(chainID: chainID) {
                abandon(intent)
                return AppliedLayer(
                    layer: try withLabels(labels, present), wasPresent: true,
                    streamBytes: tar.byteCount, timings: tar.timings, warnings: tar.warnings)
            }
            let content = try keep(intent, &tar, chainID, observer)
            return try record(intent, content, tar)
        } catch {
            abandon(intent, after: error)
            throw withResource(error)
        }
    }

    /// The layer that an apply would make, where there is one that the caller's id allows.
    private func find(
        _ diffID: Digest, parent: String?, id: String?
    ) throws(DriverError) -> Layer? {
        let below = try parentLayer(parent)
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

    /// The layer with an id on a parent, where it is the one that the stream would make.
    private func applied(
        _ stream: any ByteSource, as id: String?, _ parent: String?, _ labels: [String: String],
        _ observer: WorkObserver
    ) throws(DriverError) -> AppliedLayer? {
        guard let id else { return nil }
        let below = try parentLayer(parent)
        let named = try database.consistent("look for layer \(id)") {
            try LayerQueries($0).layer(id: id)
        }
        guard let named, named.state == .ready, let chainID = named.layer.chainID,
            named.parent == below?.number
        else { return nil }
        let (digest, bytes) = try digest(of: stream, observer)
        if Self.chain(below, digest) != chainID {
            throw DriverError(.layerExists, "there is another layer \(id) already")
        }
        return AppliedLayer(
            layer: try withLabels(labels, named.layer), wasPresent: true, streamBytes: bytes,
            timings: WorkTimings())
    }

    /// Reads a layer, plain or compressed, to its end.
    private func digest(
        of stream: any ByteSource, _ observer: WorkObserver
    ) throws(DriverError) -> (digest: Digest, byteCount: UInt64) {
        try attempting(
            archive: "read the layer",
            try { () throws(ArchiveError) in
                let tar = try LayerStream(stream, observer: observer)
                defer { tar.stop() }
                var buffer = [UInt8](repeating: 0, count: LayerStream.blockBytes)
                var read: UInt64 = 0
                while true {
                    let count = try tar.read(into: &buffer)
                    if count == 0 { break }
                    read += UInt64(count)
                    try observer.report(WorkProgress(phase: "verifying", completedBytes: read))
                }
                return tar.finish()
            }())
    }

    /// Puts a tar's content where the driver wants it; the layer has been created.
    ///
    /// `parents` is given where the layers below are written at the same time.
    func unpack(
        _ source: any ByteSource, _ intent: LayerIntent, parents: TreeCompletion? = nil,
        room: DecoderRoom = DecoderRoom(), _ observer: WorkObserver
    ) throws(DriverError) -> UnpackedTar {
        do throws(DriverError) {
            var target = try driver.applyTarget(for: intent.number, above: intent.parents)
            target.lowerCompletion = parents
            return try unpack(source, intent, target, room, observer)
        } catch  where error.code == .invalidArchive {
            // Damaged bytes break the archive in them mostly before their end is reached. That they
            // are not the bytes that were meant says more.
            if let source = source as? any VerifiedSource {
                try attempting(archive: "read the layer", try source.drain())
            }
            throw error
        }
    }

    private func unpack(
        _ source: any ByteSource, _ intent: LayerIntent, _ target: ApplyTarget,
        _ room: DecoderRoom, _ observer: WorkObserver
    ) throws(DriverError) -> UnpackedTar {
        let recipe = try recipes.begin(intent.number)
        let stream = try attempting(
            archive: "read the layer", try LayerStream(source, room: room, observer: observer))
        defer { stream.stop() }
        let start = ContinuousClock.now
        let summary = try attempting(
            archive: "unpack the layer",
            try unpackLayer(
                from: stream, into: target, recipe: recipe.writer,
                startsWriteback: configuration.durability == .durable, observer: observer))
        try driver.finishApply(of: intent.number, above: intent.parents, observer: observer)
        let (digest, byteCount) = stream.finish()
        var timings = stream.timings
        timings.write = ContinuousClock.now - start
        return UnpackedTar(
            digest: digest, byteCount: byteCount, recipe: recipe, warnings: summary.warnings,
            timings: timings)
    }

    /// Makes the bytes durable, and meanwhile computes what is recorded about them.
    func keep(
        _ intent: LayerIntent, _ tar: inout UnpackedTar, _ chainID: Digest?,
        _ observer: WorkObserver
    ) throws(DriverError) -> CommittedContent {
        let durability = configuration.durability
        let content = try content(of: intent.number)
        let device = try attempting("look at the layer", try content.status().device)
        // Before the layer is sealed, whose sync takes the recipe along.
        let recipeBytes = try tar.recipe.finish(durability, layerDevice: device)
        let start = ContinuousClock.now
        let (sealed, (outline, outlined)) = try concurrently(
            { [driver] () throws(DriverError) in
                try driver.seal(intent.number, above: intent.parents, durability: durability)
                return ContinuousClock.now
            },
            { () throws(DriverError) in
                let outline = try contentOutline(of: content, intent.number, observer)
                return (outline, ContinuousClock.now)
            })
        tar.timings.sync = sealed - start
        tar.timings.verify = outlined - start
        return CommittedContent(
            diffID: tar.digest, chainID: chainID, contentDigest: outline.digest,
            diffBytes: tar.byteCount, recipeBytes: recipeBytes,
            usage: try driver.usage(
                of: intent.number, above: intent.parents, walked: outline.usage),
            durability: durability)
    }

    /// The directory of what a layer itself holds.
    func content(of number: LayerNumber) throws(DriverError) -> Directory {
        let source = try driver.diffSource(of: number, above: [], from: nil, above: [])
        guard let content = source.new.layers.first else {
            throw DriverError(.storeDamaged, "layer number \(number) has no content")
        }
        return content
    }

    func contentOutline(
        of content: Directory, _ number: LayerNumber, _ observer: WorkObserver
    ) throws(DriverError) -> TreeOutline {
        try attempting(
            archive: "look at layer number \(number)",
            try TreeOutline(of: content, observer: observer))
    }

    /// Records the result; somebody else may have applied the same layer in the meantime.
    private func record(
        _ intent: LayerIntent, _ content: CommittedContent, _ tar: UnpackedTar
    ) throws(DriverError) -> AppliedLayer {
        let id = intent.id ?? content.chainID?.hex ?? LayerID.random()
        let (layer, wasPresent) = try finishOnce(intent, id: id, content)
        if wasPresent { abandon(intent) }
        let labelled = wasPresent ? try withLabels(intent.labels, layer) : layer
        return AppliedLayer(
            layer: labelled, wasPresent: wasPresent, streamBytes: tar.byteCount,
            timings: tar.timings, warnings: tar.warnings)
    }

    /// Records an applied layer, or finds the same that somebody else has recorded in the meantime.
    func finishOnce(
        _ intent: LayerIntent, id: String, _ content: CommittedContent
    ) throws(DriverError) -> (layer: Layer, wasPresent: Bool) {
        while true {
            do throws(DriverError) {
                return (try finish(intent, id: id, content), false)
            } catch  where error.code == .layerExists {
                // Looked at as one: others go on making and removing it.
                let (same, isTaken) = try database.consistent("look for layer \(id)") {
                    let queries = LayerQueries($0)
                    return (
                        try content.chainID.flatMap { try queries.committed($0)?.layer },
                        try queries.layer(id: id) != nil
                    )
                }
                if let same { return (same, true) }
                if isTaken { throw error }
                // It has been removed since, so that the id is free.
            }
        }
    }

    /// Digest and size of a layer's canonical tar, made from what is on disk, which is about to be sealed:
    /// its files lose their immutable and append-only flags.
    ///
    /// Where its warnings say that there are names which no layer tar can have, the digest stands for the
    /// content alone.
    func canonicalDiff(
        of number: LayerNumber, above parents: [LayerNumber], _ observer: WorkObserver
    ) throws(DriverError) -> WrittenTar {
        var source = try driver.diffSource(
            of: number, above: parents, from: parents.first, above: Array(parents.dropFirst()))
        source.clearsLocks = true
        return try attempting(
            archive: "read layer number \(number)",
            try writeHashedTreeDiff(
                source, DiffForm(markedNames: .written), to: NullSink(), observer: observer))
    }
}

/// What is known of a tar that has been unpacked.
///
/// It goes from the thread that unpacked to the one that records, and is never at both.
struct UnpackedTar: @unchecked Sendable {
    let digest: Digest
    let byteCount: UInt64
    let recipe: PendingRecipe
    let warnings: [LayerWarning]
    var timings: WorkTimings

    /// Refuses a tar that is not the one that was meant.
    func require(_ wanted: Digest) throws(DriverError) {
        if digest != wanted {
            throw DriverError(
                .digestMismatch, "the layer's digest is \(digest), not \(wanted)")
        }
    }
}

/// Forgets what it is given.
final class NullSink: ByteSink {
    func write(_ bytes: Span<UInt8>) throws(ArchiveError) {}
    func finish() throws(ArchiveError) {}
}
