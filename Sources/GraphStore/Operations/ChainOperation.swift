// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// Makes the committed layers of a chain, several at once where the driver allows it.
struct ChainOperation: Sendable {
    let operation: ApplyOperation
    let removal: RemoveOperation

    /// Makes committed layers from the tars of a chain, each on the one before.
    func apply(
        chain layers: [ChainLayer], parent: String?, observer: WorkObserver
    ) throws(DriverError) -> [AppliedLayer] {
        try operation.access.require("apply layers")
        for layer in layers { try LabelLimits.check(layer.labels) }
        return try operation.space.withRoom(observer) { (observer) throws(DriverError) in
            try applyUnwatched(layers, parent, observer)
        }
    }

    private func applyUnwatched(
        _ layers: [ChainLayer], _ parent: String?, _ observer: WorkObserver
    ) throws(DriverError) -> [AppliedLayer] {
        var applied: [AppliedLayer] = []
        do throws(DriverError) {
            var top = try operation.catalog.parentLayer(parent)
            var room = DecoderMemory(isShared: true)
            while applied.count < layers.count {
                let rest = layers[applied.count...]
                if let diffID = rest.first?.diffID, let chainID = Digest.chainID(on: top, diffID),
                    let present = try operation.catalog.findCommitted(chainID: chainID)
                {
                    applied.append(
                        AppliedLayer(
                            layer: try operation.catalog.withLabels(
                                rest.first?.labels ?? [:], present),
                            wasPresent: true, streamBytes: 0,
                            timings: WorkTimings()))
                } else {
                    // Ends early where somebody else has applied one of them in the meantime.
                    do throws(DriverError) {
                        try ChainApply(operation, Array(rest), above: top, room, observer).run(
                            &applied)
                    } catch  where room.wasTooSmall {
                        room = DecoderMemory()
                    }
                }
                top = applied.last?.layer ?? top
            }
            return applied
        } catch {
            rollBack(applied)
            throw operation.space.naming(error)
        }
    }

    /// Removes the layers that were added, the topmost first.
    private func rollBack(_ applied: [AppliedLayer]) {
        do throws(DriverError) {
            for applied in applied.reversed() where !applied.wasPresent {
                _ = try removal.remove(applied.layer.id)
            }
        } catch {
            // Somebody has built on it by now, or it is gone: what lies below it stays.
        }
        // With what the failed layer itself had unpacked.
        _ = try? operation.space.reclaim(observer: .none)
    }
}
