// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

extension ApplyOperation {
    /// Puts a tar's content where the driver wants it; the layer has been created.
    ///
    /// `parents` is given where the layers below are written at the same time.
    func unpack(
        _ source: any ByteSource, _ intent: LayerIntent, parents: TreeCompletion? = nil,
        room: DecoderMemory = DecoderMemory(), _ observer: WorkObserver
    ) throws(DriverError) -> UnpackedTar {
        do throws(DriverError) {
            var target = try driver.applyTarget(for: intent.number, parents: intent.parents)
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
        _ room: DecoderMemory, _ observer: WorkObserver
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
                startsWriteback: durability == .durable, observer: observer))
        try driver.finishApply(of: intent.number, parents: intent.parents, observer: observer)
        let (digest, byteCount) = stream.finish()
        var timings = stream.timings
        timings.write = ContinuousClock.now - start
        return UnpackedTar(
            digest: digest, byteCount: byteCount, recipe: recipe, warnings: summary.warnings,
            timings: timings)
    }

    /// Makes the bytes durable, and meanwhile computes what is recorded about them.
    func seal(
        _ intent: LayerIntent, _ tar: inout UnpackedTar, _ chainID: Digest?,
        _ observer: WorkObserver
    ) throws(DriverError) -> CommittedContent {
        let tree = try content.tree(of: intent.number)
        let device = try attempting("look at the layer", try tree.status().device)
        // Before the layer is sealed, whose sync takes the recipe along.
        let recipeBytes = try unsafe tar.recipe.finish(durability, layerDevice: device)
        let start = ContinuousClock.now
        let (sealed, (outline, outlined)) = try concurrently(
            { [driver, durability] () throws(DriverError) in
                try driver.seal(intent.number, parents: intent.parents, durability: durability)
                return ContinuousClock.now
            },
            { () throws(DriverError) in
                let outline = try self.outline(of: tree, intent.number, observer)
                return (outline, ContinuousClock.now)
            })
        tar.timings.sync = sealed - start
        tar.timings.verify = outlined - start
        return CommittedContent(
            diffID: tar.digest, chainID: chainID, contentDigest: outline.digest,
            diffBytes: tar.byteCount, recipeBytes: recipeBytes,
            usage: try driver.usage(
                of: intent.number, parents: intent.parents, walked: outline.usage),
            durability: durability)
    }

    private func outline(
        of content: Directory, _ number: LayerNumber, _ observer: WorkObserver
    ) throws(DriverError) -> TreeOutline {
        try attempting(
            archive: "look at layer number \(number)",
            try TreeOutline(of: content, observer: observer))
    }
}
