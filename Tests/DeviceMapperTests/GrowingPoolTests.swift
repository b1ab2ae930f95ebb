// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphDeviceMapper
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Pools on files: how they grow, and what they lie on.
@Suite(.serialized, .usable("devicemapper")) struct GrowingPoolTests {
    @Test func `files grow by themselves as far as they may`() throws {
        let options = [
            "dm.loopdatasize": "160M", "dm.loopdatalimit": "400M", "dm.loopmetadatasize": "2M",
            "dm.loopmetadatalimit": "8M",
        ]
        try SmallPool.with(options) { store in
            let control = try SmallPool.control(store)
            var (layer, refusal) = (1 as UInt32, nil as DriverError?)
            while refusal == nil && layer < 200 {
                do {
                    try store.build(LayerNumber(rawValue: layer)) {
                        // Whatever is refused, a layer has room for what the pool keeps free.
                        try? SmallPool.write(60, to: $0.appending("file"))
                    }
                } catch let error as DriverError {
                    refusal = error
                }
                layer += 1
            }
            #expect(refusal?.code == .noSpace)
            #expect(refusal?.resource == .poolData)
            let status = try control.status()
            #expect(status.dataBlocks * status.blockBytes == 400 << 20)
            #expect(layer > 40)
            // An apply is refused as a creation is.
            let apply = #expect(throws: DriverError.self) {
                try store.driver.applyTarget(for: 1, parents: [])
            }
            #expect(apply?.resource == .poolData)
        }
    }

    @Test func `without a limit they stay, and a limit is for files alone`() throws {
        try SmallPool.with(["dm.loopdatasize": "160M"]) { store in
            try store.create(1)
            try store.withTree(of: 1, writable: true) {
                _ = try? SmallPool.write(4_000, to: $0.appending("large"))
            }
            #expect(throws: DriverError.self) { try store.create(2) }
            let status = try SmallPool.control(store).status()
            #expect(status.dataBlocks * status.blockBytes == 160 << 20)
            // The same store, opened with a limit, goes on.
            let again = TestStore(
                driver: try SmallPool.subject.open(
                    store.root, options: ["dm.loopdatalimit": "1G"]), root: store.root)
            try again.create(2)
            try again.withTree(of: 1, writable: true) {
                try SmallPool.write(100, to: $0.appending("more"))
            }
            for options in [
                ["dm.loopdatalimit": "much"], ["dm.loopdatalimit": "1G", "dm.thinpooldev": "x"],
            ] {
                let error = #expect(throws: DriverError.self) {
                    try SmallPool.subject.open(store.root, options: options)
                }
                #expect(error?.code == .invalidArgument)
            }
        }
    }

    @Test func `a full filesystem below the files refuses layers, and fails none that are there`()
        throws
    {
        try withLoopFilesystem(type: .ext4, size: 320 << 20) { place in
            let root = place.appending("root")
            try runCommand("mkdir", [root.string])
            let options = ["dm.loopdatasize": "4G", "dm.loopmetadatasize": "16M"]
            let store = TestStore(
                driver: try SmallPool.subject.open(root, options: options), root: root)
            defer { try? SmallPool.control(store).stop() }
            try store.build(1, durability: .durable) {
                try SmallPool.write(16, to: $0.appending("kept"))
            }
            try store.create(2)
            // Somebody else's file takes the room that the sparse files count on.
            let hog = place.appending("hog")
            _ = try? runCommand("bash", ["-c", "head -c 1G /dev/zero >\(hog.string); sync"])
            #expect(try Directory(opening: place).descriptor.filesystem().availableBytes < 1 << 20)
            let error = #expect(throws: DriverError.self) { try store.create(3) }
            #expect(error?.code == .noSpace)
            #expect(error?.resource == .bytes)
            // Whoever writes is told so, be it the mount itself.
            for _ in 1...3 {
                try? store.withTree(of: 2, writable: true) {
                    try SmallPool.write(600, to: $0.appending("large"))
                }
            }
            #expect(try store.snapshot(of: 1).paths == ["kept"])
            // Removing needs no room, and with room all goes on.
            try store.driver.remove(2)
            try store.driver.reclaim(observer: .none)
            try hog.remove()
            let control = try SmallPool.control(store)
            #expect(try control.status().mode == "rw")
            #expect(try !control.status().needsCheck)
            try store.build(3, parents: [1], durability: .durable) {
                try SmallPool.write(16, to: $0.appending("more"))
            }
            #expect(try store.snapshot(of: 3, parents: [1]).paths == ["kept", "more"])
            try SmallPool.requireSound(store, 3)
            try store.removeLayers()
        }
    }
}
