// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphDeviceMapper
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A full pool is an ordinary error: what cannot be done says why, removing works, and growing helps.
@Suite(.serialized, .usable("devicemapper")) struct FullPoolTests {
    /// 160 MiB of data under filesystems of 512 MiB.
    private let small = ["dm.loopdatasize": "160M"]

    private func refusal(_ store: TestStore, _ layer: LayerNumber) -> DriverError? {
        do throws(DriverError) {
            try store.driver.create(layer, parents: [], limits: .none, observer: .none)
            return nil
        } catch {
            return error
        }
    }

    /// Writes more than the pool has room for.
    private func fill(_ store: TestStore, _ layer: LayerNumber) throws {
        try store.withTree(of: layer, writable: true) { tree in
            let error = #expect(throws: SyscallError.self) {
                try SmallPool.write(4_000, to: tree.appending("large"))
            }
            #expect([.noSpace, .ioError].contains(error?.errno))
        }
    }

    @Test func `without data a layer is refused, and removing one makes room`() throws {
        try SmallPool.with(small) { store in
            try store.build(1) { try SmallPool.write(16, to: $0.appending("kept")) }
            try store.create(2)
            try fill(store, 2)
            let error = try #require(refusal(store, 3))
            #expect(error.code == .noSpace)
            #expect(error.resource == .poolData)
            #expect(error.message.contains("pool grow"))
            let apply = #expect(throws: DriverError.self) {
                try store.driver.applyTarget(for: 2, parents: [])
            }
            #expect(apply?.resource == .poolData)
            let seal = #expect(throws: DriverError.self) {
                try store.driver.seal(2, parents: [], durability: .durable)
            }
            #expect(seal?.code == .noSpace)
            try store.driver.remove(2)
            try store.driver.reclaim(observer: .none)
            #expect(try SmallPool.control(store).status().mode == "rw")
            try store.build(3, parents: [1], durability: .durable) {
                try SmallPool.write(16, to: $0.appending("more"))
            }
            #expect(try store.snapshot(of: 3, parents: [1]).paths == ["kept", "more"])
        }
    }

    @Test func `a pool that is given more data lets its layers go on, undamaged`() throws {
        try SmallPool.with(small) { store in
            try store.create(1)
            try fill(store, 1)
            #expect(refusal(store, 2)?.resource == .poolData)
            let control = try SmallPool.control(store)
            try control.grow(dataBytes: 512 << 20)
            #expect(try control.status().mode == "rw")
            #expect(try control.status().dataBlocks == 512 * 16)
            try store.withTree(of: 1, writable: true) { tree in
                try? tree.appending("large").remove()
                try SmallPool.write(1_600, to: tree.appending("fits"))
            }
            try store.driver.seal(1, parents: [], durability: .durable)
            try SmallPool.requireSound(store, 1)
            try store.create(2, parents: [1])
        }
    }

    @Test func `metadata are kept free as data are, and removing gives them back`() throws {
        try SmallPool.with([
            "dm.loopdatasize": "8G", "dm.loopmetadatasize": "2M", "dm.min_free_space": "40%",
        ]) { store in
            let before = try SmallPool.control(store).status().metadataBlocksUsed
            let (count, error) = try fillMetadata(store)
            #expect(error.code == .noSpace)
            #expect(error.resource == .poolMetadata)
            try store.removeLayers()
            let after = try SmallPool.control(store).status().metadataBlocksUsed
            #expect(after <= before + 4, "\(before) blocks before \(count) layers, \(after) after")
            try store.create(1)
        }
    }

    @Test func `a pool without any metadata left is told, and goes on when it has grown`() throws {
        try SmallPool.with([
            "dm.loopdatasize": "8G", "dm.loopmetadatasize": "2M", "dm.min_free_space": "0",
        ]) { store in
            let (count, error) = try fillMetadata(store)
            #expect(error.code == .noSpace)
            #expect(error.resource == .poolMetadata)
            #expect(count > 10)
            let control = try SmallPool.control(store)
            try control.grow(metadataBytes: 16 << 20)
            #expect(try control.status().mode == "rw")
            #expect(try !control.status().needsCheck)
            let again = try SmallPool.reopen(store)
            try again.build(5_000) { try $0.appending("file").write("x") }
            try again.removeLayers()
            #expect(try again.driver.inventory().isEmpty)
        }
    }

    /// Makes layers until the driver refuses; each takes some blocks of the metadata, the more the
    /// farther apart what it writes is.
    private func fillMetadata(_ store: TestStore) throws -> (Int, DriverError) {
        for layer in 1...2_000 as ClosedRange<UInt32> {
            let number = LayerNumber(rawValue: layer)
            if let error = refusal(store, number) { return (Int(layer), error) }
            // Where the metadata end in the middle of this, the next layer is refused.
            try? store.withTree(of: number, writable: true) { tree in
                try SmallPool.write(1, to: tree.appending("file"))
            }
        }
        throw Unexpected("two thousand layers filled no metadata")
    }
}
