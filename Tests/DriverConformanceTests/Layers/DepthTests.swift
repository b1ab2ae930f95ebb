// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about long chains.
@Suite(.serialized) struct DepthTests {
    /// Builds a chain and returns it nearest first.
    private func buildChain(_ count: Int, _ store: TestStore) throws -> [LayerNumber] {
        var chain: [LayerNumber] = []
        for index in 1...count {
            let layer = LayerNumber(rawValue: UInt32(index))
            try store.apply(layer, parents: chain) { target in
                try target.write("layer \(index)", "x")
                try target.write("newest", "\(index)")
            }
            chain.insert(layer, at: 0)
        }
        return chain
    }

    @Test(.timeLimit(.minutes(5)), arguments: DriverUnderTest.usable)
    func `the longest chain mounts whatever the length of the root's path, and no longer one`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withRoot { scratch in
            var root = scratch
            // Commas, colons and backslashes are what option strings trip over.
            while root.length < 2_000 {
                root.append("a,b:c\\d " + String(repeating: "n", count: 190))
                try root.makeDirectory()
            }
            let store = TestStore(driver: try subject.open(root), root: root)
            defer { try? store.removeLayers() }
            let depthMax = store.driver.capabilities.depthMax
            let chain = try buildChain(min(depthMax ?? 40, 500), store)
            let top = chain[0]
            let parents = Array(chain.dropFirst())
            let tree = try store.snapshot(of: top, parents: parents)
            #expect(tree.paths.count == chain.count + 1)
            let active = LayerNumber(rawValue: 10_000)
            try store.create(active, parents: chain)
            try store.withTree(of: active, parents: chain, writable: true) { mounted in
                #expect(try mounted.appending("newest").readText() == "\(chain.count)")
                try mounted.appending("newest").write("active")
            }
            guard depthMax != nil else { return }
            let above = LayerNumber(rawValue: 10_001)
            try store.create(above, parents: [active] + chain)
            for writable in [true, false] {
                let error = #expect(throws: DriverError.self) {
                    try store.driver.mounts(
                        for: above, parents: [active] + chain, writable: writable)
                }
                #expect(error?.code == .depthExceeded)
            }
        }
    }
}
