// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

/// The layers of a chain on their way into a store.
///
/// Threads unpack them, several at once where the driver allows it; the caller's thread makes them
/// durable and records them in their order, while those above are still being unpacked.
final class ChainApply: Sendable {
    private struct State {
        /// The next layer that no thread has taken.
        var next = 0
        /// Those unpacked and not yet recorded, by their place in the chain, the base first.
        var tars: [UnpackedTar?]
        var areUnpacked: [Bool]
        var recordedCount = 0
        /// The first, which stops all others.
        var failure: DriverError?

        /// How many from the base upwards have been unpacked.
        var completeCount: Int { areUnpacked.prefix(while: \.self).count }
    }

    private let operation: ApplyOperation
    private let layers: [ChainLayer]
    private let top: Layer?
    private let room: DecoderMemory
    private let observer: WorkObserver
    /// nil where that of the layer below all is not known.
    private let chainIDs: [Digest?]
    private let ids: [String]
    private let isParallel: Bool
    private let state: Monitor<State>
    /// Asked for each member of each tar, so not a part of the state.
    private let isStopped = Atomic(false)

    /// Each has threads of its own for reading and hashing, so two keep four processors busy; and each
    /// takes up to twenty megabytes, of the 64 that the whole process shall stay below.
    private static let threadsMax = 2
    /// How many may wait to be recorded, or be at work: what each holds until then adds up.
    private static let aheadMax = 5

    init(
        _ operation: ApplyOperation, _ layers: [ChainLayer], above top: Layer?,
        _ room: DecoderMemory,
        _ observer: WorkObserver
    ) {
        (self.operation, self.layers, self.top) = (operation, layers, top)
        (self.room, self.observer) = (room, observer)
        chainIDs = Self.chainIDs(of: layers, above: top)
        ids = chainIDs.map { $0?.hex ?? LayerID.random() }
        isParallel = operation.driver.capabilities.appliesIndependently
        state = Monitor(
            State(
                tars: layers.map { _ in nil }, areUnpacked: layers.map { _ in false }))
    }

    private static func chainIDs(of layers: [ChainLayer], above top: Layer?) -> [Digest?] {
        var below = top?.chainID
        if top != nil && below == nil { return layers.map { _ in nil } }
        return layers.map { layer in
            let chainID = Digest.chain(parent: below, diff: layer.diffID)
            below = chainID
            return chainID
        }
    }

    /// Applies all, or as many as nobody else has applied in the meantime.
    func run(_ applied: inout [AppliedLayer]) throws(DriverError) {
        var intents: [LayerIntent] = []
        var threads: [WorkerThread] = []
        defer {
            stop()
            for thread in threads { thread.join() }
            // The topmost first: a record goes after those that refer to it.
            for intent in intents.reversed() { operation.pending.rollBack(intent, after: failure) }
        }
        do throws(DriverError) {
            try begin(&intents)
            let all = intents
            for _ in 0..<threadCount {
                threads.append(
                    try attempting("start a thread", try WorkerThread { self.unpackAll(all) }))
            }
            for (index, intent) in all.enumerated() {
                guard let layer = try record(intent, try unpacked(index), index) else { return }
                intents.removeFirst()
                applied.append(layer)
                state.change { $0.recordedCount += 1 }
            }
        } catch {
            fail(error)
            throw error
        }
    }

    private var threadCount: Int {
        isParallel && room.isShared ? min(layers.count, Self.threadsMax) : 1
    }

    private var failure: DriverError? { state.change { $0.failure } }

    private func stop() {
        isStopped.store(true, ordering: .relaxed)
        // Wakes those that wait.
        state.change { _ in }
    }

    private func fail(_ error: DriverError) {
        state.change { $0.failure = $0.failure ?? error }
        stop()
    }

    /// Records that all layers are being made.
    private func begin(_ intents: inout [LayerIntent]) throws(DriverError) {
        var parent = top.map { NewParent.layer($0.id) }
        for (layer, id) in zip(layers, ids) {
            let intent = try operation.pending.begin(
                LayerDraft(
                    .committed, id: nil, parent: parent, labels: layer.labels, limits: .none))
            intents.append(intent)
            parent = .intent(intent, id: id)
            if isParallel { try create(intent) }
        }
    }

    private func create(_ intent: LayerIntent) throws(DriverError) {
        try operation.pending.make(intent, observer)
    }

    // MARK: The unpacking threads

    private func unpackAll(_ intents: [LayerIntent]) {
        let observer = observer
        // The store's own reports count the bytes of one layer; these layers have their own.
        let stopper = WorkObserver(
            isCancelled: { observer.isCancelled || self.isStopped.load(ordering: .relaxed) })
        while let index = nextIndex() {
            do throws(DriverError) {
                let tar = try unpack(index, intents[index], stopper)
                state.change { state in
                    state.tars[index] = tar
                    state.areUnpacked[index] = true
                }
            } catch {
                fail(error)
            }
        }
    }

    private func nextIndex() -> Int? {
        state.wait { state in
            let isAtEnd = state.next == state.tars.count
            if isAtEnd || isStopped.load(ordering: .relaxed) { return .done(nil) }
            // Where one may take all the room there is, it is the only work that is done.
            let aheadMax = room.isShared ? Self.aheadMax : 1
            if state.next - state.recordedCount >= aheadMax { return .again }
            state.next += 1
            return .done(state.next - 1)
        }
    }

    private func unpack(
        _ index: Int, _ intent: LayerIntent, _ observer: WorkObserver
    ) throws(DriverError) -> UnpackedTar {
        if !isParallel { try create(intent) }
        let tar = try operation.unpack(
            try layers[index].open(), intent, parents: isParallel ? parents(of: index) : nil,
            room: room, observer)
        try tar.require(layers[index].diffID)
        return tar
    }

    private func parents(of index: Int) -> TreeCompletion? {
        if index == 0 { return nil }
        return TreeCompletion(
            isComplete: { self.state.change { $0.completeCount >= index } },
            wait: { () throws(SyscallError) in
                let isComplete = self.state.wait { state -> Waiting<Bool> in
                    if self.isStopped.load(ordering: .relaxed) { return .done(false) }
                    return state.completeCount >= index ? .done(true) : .again
                }
                if !isComplete {
                    throw SyscallError(call: "wait for the parents", errno: .canceled)
                }
            })
    }

    // MARK: The recording thread

    private func unpacked(_ index: Int) throws(DriverError) -> UnpackedTar {
        let result = state.wait { state -> Waiting<Result<UnpackedTar, DriverError>> in
            if let failure = state.failure { return .done(.failure(failure)) }
            // What it holds of its recipe goes with its record.
            guard let tar = state.tars[index].take() else { return .again }
            return .done(.success(tar))
        }
        return try result.get()
    }

    /// Records a layer; nil where somebody else has applied the same one in the meantime.
    private func record(
        _ intent: LayerIntent, _ tar: UnpackedTar, _ index: Int
    ) throws(DriverError) -> AppliedLayer? {
        var tar = tar
        let content = try operation.seal(intent, &tar, chainIDs[index], observer)
        let (layer, wasPresent) = try operation.pending.finishOnce(intent, id: ids[index], content)
        if wasPresent { return nil }
        return AppliedLayer(
            layer: layer, wasPresent: false, streamBytes: tar.byteCount, timings: tar.timings,
            warnings: tar.warnings)
    }
}
