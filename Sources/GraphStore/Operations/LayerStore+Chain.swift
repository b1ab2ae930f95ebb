// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem

/// One layer of a chain that is to be applied.
public struct ChainLayer: Sendable {
    /// The digest that its plain tar must have.
    public let diffID: Digest
    public let labels: [String: String]
    /// Opens its tar, plain or compressed; called on any thread, and once more when the layers are
    /// begun anew, one at a time, since one of them takes too much memory to be read beside another.
    public let open: @Sendable () throws(DriverError) -> any ByteSource

    /// Describes a layer.
    public init(
        diffID: Digest, labels: [String: String] = [:],
        open: @escaping @Sendable () throws(DriverError) -> any ByteSource
    ) {
        (self.diffID, self.labels, self.open) = (diffID, labels, open)
    }
}

extension LayerStore {
    /// Makes committed layers from the tars of a chain, each on the one before.
    ///
    /// Several are read and unpacked at the same time where the driver's layers do not depend on
    /// each other; the result is the same as that of ``apply(_:id:parent:diffID:labels:observer:)``
    /// for one after the other, and a layer is never recorded before its parents. Those that the
    /// store has already are not read.
    ///
    /// When one fails, those that this call added are removed again, as far as nobody uses them.
    public func apply(
        chain layers: [ChainLayer], parent: String? = nil, observer: WorkObserver = .none
    ) throws(DriverError) -> [AppliedLayer] {
        try checkWritable("apply layers")
        for layer in layers { try LabelLimits.check(layer.labels) }
        return try withRoom(observer) { (observer) throws(DriverError) in
            try applyAnywhere(layers, parent, observer)
        }
    }

    private func applyAnywhere(
        _ layers: [ChainLayer], _ parent: String?, _ observer: WorkObserver
    ) throws(DriverError) -> [AppliedLayer] {
        var applied: [AppliedLayer] = []
        do throws(DriverError) {
            var top = try parentLayer(parent)
            var room = DecoderRoom(isShared: true)
            while applied.count < layers.count {
                let rest = layers[applied.count...]
                if let diffID = rest.first?.diffID, let chainID = Self.chain(top, diffID),
                    let present = try findCommitted(chainID: chainID)
                {
                    applied.append(
                        AppliedLayer(
                            layer: try withLabels(rest.first?.labels ?? [:], present),
                            wasPresent: true, streamBytes: 0,
                            timings: WorkTimings()))
                } else {
                    // Ends early where somebody else has applied one of them in the meantime.
                    do throws(DriverError) {
                        try ChainApply(self, Array(rest), above: top, room, observer).run(&applied)
                    } catch  where room.wasTooSmall {
                        room = DecoderRoom()
                    }
                }
                top = applied.last?.layer ?? top
            }
            return applied
        } catch {
            takeBack(applied)
            throw withResource(error)
        }
    }

    /// Removes the layers that were added, the topmost first.
    private func takeBack(_ applied: [AppliedLayer]) {
        do throws(DriverError) {
            for applied in applied.reversed() where !applied.wasPresent {
                _ = try remove(applied.layer.id)
            }
        } catch {
            // Somebody has built on it by now, or it is gone: what lies below it stays.
        }
        // With what the failed layer itself had unpacked.
        _ = try? reclaim(observer: .none)
    }
}
