// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphCore
import GraphStore
import Measure

/// A store with a number of layers in it, and the times of what is done in it.
final class FilledStore {
    private let layerCount: Int
    private let subject: String
    private let base: String
    private let store: LayerStore

    /// Makes a store and fills it.
    ///
    /// One layer in ten is committed and the parent of the nine after it, which are active, as on a
    /// host with many containers. Filling is not measured, and need not be durable.
    init(_ driver: String, on bed: Bed, layers layerCount: Int) throws {
        self.layerCount = layerCount
        subject = "\(driver) on \(bed.filesystem)"
        let path = "\(bed.path)/scale-\(driver)-\(layerCount)"
        let filling = try openStore(driver, at: path, durability: .unsynced)
        base = try filling.commit(try filling.create().id, as: "base", observer: .none).id
        var parent = base
        for index in 1..<layerCount {
            if index.isMultiple(of: 100) { try checkInterrupted() }
            let layer = try filling.create(parent: parent, labels: ["index": "\(index)"])
            if index.isMultiple(of: 10) {
                parent = try filling.commit(layer.id, as: nil, observer: .none).id
            }
            // As deep as images are.
            if index.isMultiple(of: 100) { parent = base }
        }
        store = try openStore(driver, at: path)
    }

    private func key(_ operation: String) -> Series.Key {
        Series.Key(
            command: "layers", subject: subject, operation: operation, mode: "in process",
            parameterName: "layers", parameter: layerCount)
    }

    /// Some containers' lives, and two looks at the whole store.
    func measure(cycles: Int, _ recorder: Recorder) throws {
        for _ in 0..<cycles {
            try checkInterrupted()
            var layer = ""
            recorder.add(
                key("create"), try nanoseconds { layer = try store.create(parent: base).id })
            recorder.add(key("mount"), try nanoseconds { _ = try store.mount(layer) })
            recorder.add(key("unmount"), try nanoseconds { _ = try store.unmount(layer: layer) })
            recorder.add(
                key("commit"),
                try nanoseconds { _ = try store.commit(layer, as: nil, observer: .none) })
            recorder.add(key("remove"), try nanoseconds { _ = try store.remove(layer) })
            _ = try store.reclaim()
        }
        var counted = 0
        recorder.add(key("list"), try nanoseconds { counted = try store.layers().count })
        guard counted == layerCount else {
            throw MeasureError("the store has \(counted) layers, not \(layerCount)")
        }
        recorder.add(key("df"), try nanoseconds { _ = try store.diskUsage() })
    }
}

/// A chain of committed layers, and the times of layers on top of it.
final class LayerChain {
    private let depth: Int
    private let subject: String
    private let top: String
    private let store: LayerStore

    init(_ driver: String, on bed: Bed, depth: Int) throws {
        self.depth = depth
        subject = "\(driver) on \(bed.filesystem)"
        let path = "\(bed.path)/depth-\(driver)-\(depth)"
        let filling = try openStore(driver, at: path, durability: .unsynced)
        var parent: String?
        for index in 0..<depth {
            let layer = try filling.create(parent: parent).id
            let root = try filling.mount(layer).path.string
            try FileSet.write("\(root)/file\(index)", size: 4096)
            _ = try filling.unmount(layer: layer)
            parent = try filling.commit(layer, as: nil, observer: .none).id
        }
        top = parent ?? ""
        store = try openStore(driver, at: path)
    }

    func measure(cycles: Int, _ recorder: Recorder) throws {
        func key(_ operation: String) -> Series.Key {
            Series.Key(
                command: "layers", subject: subject, operation: operation, mode: "in process",
                parameterName: "depth", parameter: depth)
        }
        for _ in 0..<cycles {
            try checkInterrupted()
            var layer = ""
            recorder.add(
                key("create"), try nanoseconds { layer = try store.create(parent: top).id })
            recorder.add(key("mount"), try nanoseconds { _ = try store.mount(layer) })
            recorder.add(key("unmount"), try nanoseconds { _ = try store.unmount(layer: layer) })
            recorder.add(key("remove"), try nanoseconds { _ = try store.remove(layer) })
            _ = try store.reclaim()
        }
    }
}
