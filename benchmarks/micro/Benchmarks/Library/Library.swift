// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Benchmark
import GraphArchive
import GraphSystem

/// Parts of the library, each alone: see benchmarks/README.md.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .cpuTotal, .throughput, .peakMemoryResident],
        scalingFactor: .one, maxDuration: .seconds(2), maxIterations: 1000)
    registerCodecs()
    registerTrees()
    registerStores()
}

private func registerCodecs() {
    let plain = TestBytes.compressible(count: 16 << 20)
    for compression in [Compression.gzip, .zstd] {
        Benchmark("encode 16 MiB, \(compression)") { benchmark in
            for _ in benchmark.scaledIterations {
                let encoder = Compressor(CountingSink(), compression)
                try encoder.write(plain.span)
                try encoder.finish()
            }
        }
        Benchmark("decode 16 MiB, \(compression)") { benchmark in
            let packed = try TestBytes.encoded(plain, compression)
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations {
                let source = try Decompressor(MemorySource(packed))
                while try source.read(into: &buffer) > 0 {}
            }
        }
    }
    Benchmark("sha256 of 16 MiB") { benchmark in
        for _ in benchmark.scaledIterations { blackHole(Digest.of(plain)) }
    }
}

private func registerTrees() {
    Benchmark("walk a tree of 5,000 files") { benchmark in
        let scratch = try Scratch()
        defer { scratch.remove() }
        let tree = try scratch.tree("tree", files: 5000)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(try TreeUsage(of: tree)) }
        benchmark.stopMeasurement()
    }
    Benchmark("compare two trees of 5,000 files") { benchmark in
        let scratch = try Scratch()
        defer { scratch.remove() }
        let trees = try ["old", "new"].map {
            LayeredTree(layers: [try scratch.tree($0, files: 5000)], encoding: .plain)
        }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            let found = try treeChanges(DiffSource(old: trees[0], new: trees[1]))
            precondition(found.isEmpty, "the trees are the same")
        }
        benchmark.stopMeasurement()
    }
}

private func registerStores() {
    for count in [10, 1000, 10_000, 50_000] {
        Benchmark("create and remove a layer, \(count) in the store") { benchmark in
            let scratch = try Scratch()
            defer { scratch.remove() }
            let store = try scratch.store(views: count - 1)
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations {
                _ = try store.remove(try store.create(parent: Scratch.base).id)
            }
            benchmark.stopMeasurement()
        }
        Benchmark("list \(count) layers") { benchmark in
            let scratch = try Scratch()
            defer { scratch.remove() }
            let store = try scratch.store(views: count - 1)
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations {
                let found = try store.layers().count
                precondition(found == count, "a layer is missing")
            }
            benchmark.stopMeasurement()
        }
    }
    for depth in [1, 50, 250, 499] {
        Benchmark("mount and unmount above \(depth) layers") { benchmark in
            let scratch = try Scratch()
            defer { scratch.remove() }
            let store = try scratch.store()
            var parent = Scratch.base
            for _ in 1..<depth {
                let layer = try store.create(parent: parent).id
                parent = try store.commit(layer, as: nil, observer: .none).id
            }
            let layer = try store.create(parent: parent).id
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations {
                _ = try store.mount(layer)
                _ = try store.unmount(layer: layer)
            }
            benchmark.stopMeasurement()
        }
    }
}
