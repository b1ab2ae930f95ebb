// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Dispatch
import Foundation
import GraphArchive
import GraphCore
import GraphDeviceMapper
import GraphSystem
import GraphTestSupport
import Synchronization
import SystemPackage
import Testing

/// What a store and its pool know of each other.
@Suite(.serialized, .usable("devicemapper")) struct PoolTests {
    @Test func `a pool that was stopped is back when the store is opened`() throws {
        try SmallPool.with { store in
            try store.build(1, durability: .durable) { try $0.appending("file").write("x") }
            try store.create(2, parents: [1])
            try store.withTree(of: 2, parents: [1], writable: true) {
                try $0.appending("more").write("y")
            }
            try SmallPool.control(store).stop()
            let again = try SmallPool.reopen(store)
            #expect(try again.snapshot(of: 1).paths == ["file"])
            #expect(try again.snapshot(of: 2, parents: [1]).paths == ["file", "more"])
            #expect(
                try again.driver.inventory().map(\.kind) == [.layer(1), .layer(2)])
        }
    }

    @Test func `a pool with mounted layers is not stopped`() throws {
        try SmallPool.with { store in
            try store.create(1)
            try store.withTree(of: 1, writable: true) { _ in
                let error = #expect(throws: DriverError.self) {
                    try SmallPool.control(store).stop()
                }
                #expect(error?.code == .layerInUse)
            }
        }
    }

    @Test func `a pool that others have changed is only read, and the error says what to do`()
        throws
    {
        try SmallPool.with { store in
            try store.build(1) { try $0.appending("file").write("x") }
            let file = store.root.appending("devicemapper/pool/transaction")
            let known = try file.readText()
            let control = try SmallPool.control(store)
            let transaction = try control.status().transaction
            #expect(UInt64(known.dropLast()) == transaction)
            // As if power had been cut behind the intent: the pool is one change behind.
            try file.write(padded(transaction + 1))
            try store.create(2)
            for wrong in [transaction + 7, transaction - 1] {
                try file.write(padded(wrong))
                let again = try SmallPool.reopen(store)
                let error = #expect(throws: DriverError.self) { try again.create(3) }
                #expect(error?.code == .storeReadOnly)
                #expect(error?.message.contains(file.string) == true)
                #expect(try again.snapshot(of: 1).paths == ["file"])
                let facts = again.driver.capabilities.details.first { $0.key == "changes" }
                #expect(facts?.value.contains("transaction") == true)
            }
            try file.write(padded(try control.status().transaction))
            try SmallPool.reopen(store).create(3)
        }
    }

    private func padded(_ number: UInt64) -> String {
        String(repeating: "0", count: 20 - String(number).count) + "\(number)\n"
    }

    @Test func `a volume without a directory is in the inventory, and can be removed`() throws {
        try SmallPool.with { store in
            try store.build(1) { _ in }
            try store.build(2) { _ in }
            try store.root.appending("devicemapper/2").remove()
            let items = try store.driver.inventory()
            #expect(items.map(\.kind) == [.layer(1), .layer(2)])
            try store.driver.remove(2)
            #expect(try store.driver.inventory().map(\.kind) == [.layer(1)])
        }
    }

    @Test func `a layer whose volume is gone is no layer of the inventory`() throws {
        try SmallPool.with { store in
            try store.build(1) { _ in }
            // By hand, once the last mount has let go.
            let name = try SmallPool.control(store).name
            try SmallPool.control(store).stop()
            _ = try SmallPool.control(store)
            try DeviceMapper().send("delete 1", to: name)
            let items = try store.driver.inventory()
            #expect(items.map(\.kind) == [.foreign])
            #expect(items.first?.location.contains("not in the pool") == true)
        }
    }

    @Test func `a copy of a store does not use the pool of the store it was copied from`() throws {
        try SmallPool.with { store in
            try store.create(1)
            try SmallPool.subject.withRoot { root in
                try runCommand(
                    "cp", ["-a", store.root.appending("devicemapper").string, root.string])
                let error = #expect(throws: DriverError.self) { try SmallPool.subject.open(root) }
                #expect(error?.code == .invalidArgument)
            }
        }
    }

    @Test func `a pool in use, one that is not there and options without sense are refused`() throws
    {
        try SmallPool.with { store in
            let name = try SmallPool.control(store).name
            try store.create(1)
            try SmallPool.subject.withRoot { root in
                let options: [[String: String]] = [
                    ["dm.thinpooldev": name], ["dm.thinpooldev": "/dev/mapper/no-such-pool"],
                    ["dm.datadev": "/dev/null"], ["dm.use_deferred_removal": "true"],
                    ["dm.fs": "btrfs"], ["dm.basesize": "1K"], ["dm.min_free_space": "100%"],
                ]
                for values in options {
                    let error = #expect(throws: DriverError.self) {
                        try SmallPool.subject.open(root, options: values)
                    }
                    #expect(error?.code == .invalidArgument, "\(values)")
                }
                let missing = ["dm.datadev": "/dev/no-such", "dm.metadatadev": "/dev/zero"]
                #expect(throws: DriverError.self) {
                    try SmallPool.subject.open(root, options: missing)
                }
                // None of these is what the store is from then on.
                let made = TestStore(driver: try SmallPool.subject.open(root), root: root)
                try made.create(1)
            }
        }
    }

    @Test func `a size is that of the layer's filesystem, and no smaller than the parent's`() throws
    {
        try SmallPool.with { store in
            try store.build(1) { _ in }
            let less = #expect(throws: DriverError.self) {
                try store.driver.create(
                    2, parents: [1], limits: LayerLimits(bytes: 64 << 20), observer: .none)
            }
            #expect(less?.code == .invalidArgument)
            try store.driver.create(
                2, parents: [1], limits: LayerLimits(bytes: 1 << 30), observer: .none)
            let bytes = try store.withTree(of: 2, parents: [1], writable: true) {
                try Directory(opening: $0).descriptor.filesystem().totalBytes
            }
            #expect(bytes > 900 << 20)
            try store.driver.seal(2, parents: [1], durability: .unsynced)
            try store.create(3, parents: [2, 1])
            try SmallPool.requireSound(store, 2)
        }
    }

    @Test func `a thousand cycles leave the kernel and the pool as they were`() throws {
        try SmallPool.with { store in
            try store.build(1) { try SmallPool.write(4, to: $0.appending("file")) }
            let control = try SmallPool.control(store)
            func state() throws -> [String] {
                let status = try control.status()
                return try SmallPool.devices(store) + SmallPool.settledNodes(store)
                    + Holdings.current(below: store.root).loops
                    + [SmallPool.semaphores(), "\(status.dataBlocksUsed) blocks of data"]
            }
            let before = try state()
            // Fewer where each costs much, or is only one sample of several.
            let cycles = ProcessInfo.processInfo.environment["GRAPH_TEST_CYCLES"].flatMap {
                UInt32($0)
            }
            for round in 2...(cycles ?? 1_000) + 1 {
                let layer = LayerNumber(rawValue: round)
                try store.create(layer, parents: [1])
                try store.withTree(of: layer, parents: [1], writable: true) {
                    try $0.appending("file").write("changed \(round)")
                }
                try store.driver.remove(layer)
                try store.driver.reclaim(observer: .none)
            }
            #expect(try state() == before)
        }
    }

    @Test func `a layer is looked at while others are made on it`() throws {
        try SmallPool.with { store in
            try store.build(1, durability: .durable) { try $0.appending("file").write("x") }
            let driver = store.driver
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 2) { worker in
                for round in 0..<100 as Range<UInt32> {
                    do {
                        if worker == 0 {
                            try driver.create(
                                LayerNumber(rawValue: 2 + round), parents: [1], limits: .none,
                                observer: .none)
                        } else {
                            _ = try driver.diffSource(
                                of: 1, parents: [], from: nil, baseParents: [])
                        }
                    } catch {
                        failures.withLock { $0.append("\(error)") }
                    }
                }
            }
            #expect(failures.withLock { $0 } == [])
        }
    }

    /// As udev does at each device that was written to.
    @Test func `who has a device open for a moment does not count as its user`() throws {
        try SmallPool.with { store in
            try store.build(1, durability: .durable) { try $0.appending("file").write("x") }
            try store.create(2, parents: [1])
            let mounts = try store.driver.mounts(for: 1, parents: [], writable: false)
            guard case .thin(let volume, _)? = mounts.first?.source else {
                throw Unexpected("layer 1 is no thin volume")
            }
            func use() throws -> LayerUse? {
                try store.driver.unrecordedUse(of: 1, before: .committing, hasLostMount: false)
            }
            let reader = try holdOpen(volume, milliseconds: 300)
            #expect(try use() == nil)
            reader.wait()
            let another = try holdOpen(volume, milliseconds: 300)
            let same = try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            #expect(same.changedPaths?.count == 0)
            another.wait()
            let held = try volume.open(try DeviceMapper())
            #expect(try use() != nil)
            withExtendedLifetime(held.device.number) {}
        }
    }

    /// Opens a volume and closes it after a while, which the result tells.
    private func holdOpen(_ volume: ThinVolume, milliseconds: UInt32) throws -> DispatchSemaphore {
        let (opened, closed) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let mapper = try DeviceMapper()
        DispatchQueue.global().async {
            defer { closed.signal() }
            guard let open = try? volume.open(mapper) else {
                Issue.record("the volume could not be opened")
                opened.signal()
                return
            }
            opened.signal()
            Pause.milliseconds(milliseconds)
            withExtendedLifetime(open.device.number) {}
        }
        opened.wait()
        return closed
    }

    @Test func `an untouched layer has the blocks of its parent, and the pool says so`() throws {
        try SmallPool.with { store in
            try store.build(1, durability: .durable) { try $0.appending("file").write("x") }
            try store.create(2, parents: [1])
            let same = try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            #expect(same.changedPaths?.count == 0)
            #expect(try store.driver.usage(of: 2, parents: [1]).bytes == 0)
            try store.withTree(of: 2, parents: [1], writable: true) {
                try $0.appending("new").write("x")
            }
            let changed = try store.driver.diffSource(of: 2, parents: [1], from: 1, baseParents: [])
            #expect(changed.changedPaths == nil)
            #expect(try treeChanges(changed).map(\.description) == ["A /new"])
            #expect(try store.driver.usage(of: 2, parents: [1]).bytes > 0)
        }
    }
}
