// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBuiltins
import GraphCore
import GraphStore
import Logging
import SystemPackage

/// A store with a number of layers in it, and the times of what is done in it.
final class MeasuredStore {
    let layerCount: Int
    private let store: LayerStore
    private let base: String
    private(set) var times: [Operation: [Duration]] = [:]

    /// What is measured, in the order in which a container meets it.
    enum Operation: String, CaseIterable {
        case create, mount, unmount, remove
    }

    /// Makes a store and fills it.
    ///
    /// One layer in ten is committed and the parent of the nine after it, which are active, as on a
    /// host with many containers. Filling is not measured, and need not be durable.
    init(root: FilePath, layerCount: Int) throws {
        self.layerCount = layerCount
        var configuration = LayerStore.Configuration(
            root: root.appending("root"), runRoot: root.appending("run"), driver: "overlay",
            durability: .unsynced, logger: Logger(label: "store-scale"))
        let filling = try Self.open(configuration)
        let first = try filling.create()
        base = try filling.commit(first.id, as: "base", observer: .none).id
        var parent = base
        for index in 1..<layerCount {
            let layer = try filling.create(parent: parent, labels: ["index": "\(index)"])
            if index.isMultiple(of: 10) {
                parent = try filling.commit(layer.id, as: nil, observer: .none).id
            }
            // As deep as images are.
            if index.isMultiple(of: 100) { parent = base }
        }
        configuration.durability = .durable
        store = try Self.open(configuration)
    }

    private static func open(_ configuration: LayerStore.Configuration) throws -> LayerStore {
        try LayerStore(
            configuration, drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
    }

    /// One container's life, measured unless it is to warm up.
    func runRound(isMeasured: Bool) throws {
        let layer = try measure(.create, isMeasured) { try store.create(parent: base).id }
        _ = try measure(.mount, isMeasured) { try store.mount(layer) }
        _ = try measure(.unmount, isMeasured) { try store.unmount(layer: layer) }
        _ = try measure(.remove, isMeasured) { try store.remove(layer) }
        try store.reclaim()
    }

    private func measure<Value>(
        _ operation: Operation, _ isMeasured: Bool, _ body: () throws -> Value
    ) rethrows -> Value {
        let clock = ContinuousClock()
        let start = clock.now
        let value = try body()
        if isMeasured { times[operation, default: []].append(clock.now - start) }
        return value
    }

    /// The value below which this share of an operation's times lies, in microseconds.
    func microseconds(_ operation: Operation, share: Double) -> Double {
        let sorted = (times[operation] ?? []).sorted()
        guard !sorted.isEmpty else { return 0 }
        let index = min(sorted.count - 1, Int(Double(sorted.count) * share))
        let (seconds, attoseconds) = sorted[index].components
        return Double(seconds) * 1e6 + Double(attoseconds) / 1e12
    }
}
