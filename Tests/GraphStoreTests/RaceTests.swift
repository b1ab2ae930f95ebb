// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What several processes and threads may do to one store at once.
@Suite(.serialized) struct RaceTests {
    @Test(.timeLimit(.minutes(2)))
    func `processes and threads share a store`() throws {
        let fixture = try StoreFixture()
        let workers = try (0..<2).map { _ in try StoreWorker(in: fixture, seconds: 8) }
        let store = try fixture.open()
        let failures = Failures()
        DispatchQueue.concurrentPerform(iterations: 2) { index in
            do {
                try StoreWorker.work(on: store, name: "t\(index)", until: Date.now + 8)
            } catch {
                failures.add("\(error)")
            }
        }
        for worker in workers { if let text = worker.finish() { failures.add(text) } }
        #expect(failures.all == [])
        try store.collectGarbage()
        #expect(try store.check(deep: true).isEmpty)
        #expect(try Set(store.layers().map { "\($0.number)" }) == fixture.layersOnDisk())
    }

    @Test(.timeLimit(.minutes(2)))
    func `a process may be killed at any moment`() throws {
        let fixture = try StoreFixture()
        var random = SystemRandomNumberGenerator()
        for _ in 0..<12 {
            let worker = try StoreWorker(in: fixture, seconds: 60)
            let isMade = fixture.root.appending("graph.db").string
            while !FileManager.default.fileExists(atPath: isMade) { usleep(1000) }
            usleep(.random(in: 50_000..<400_000, using: &random))
            worker.killNow()
            let store = try fixture.open()
            // What it was mounting may still be mounted: that is for the caller to take back.
            for layer in try store.layers() where layer.kind == .active {
                for _ in try store.mounted(layer.id) { try store.unmount(layer: layer.id) }
            }
            let harmless: Set<Finding.Kind> = [.staleMount]
            let findings = try store.check(deep: true).filter { !harmless.contains($0.kind) }
            #expect(findings == [], "\(findings)")
            #expect(
                try Set(store.layers().filter { $0.kind != .view }.map { "\($0.number)" })
                    == fixture.layersOnDisk())
        }
    }

    @Test func `of several that make the same id one succeeds`() throws {
        let fixture = try StoreFixture()
        let stores = try (0..<4).map { _ in try fixture.open() }
        let failures = Failures()
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            do throws(DriverError) {
                _ = try stores[index % 4].create(id: "same")
            } catch {
                failures.add("\(error.code)")
            }
        }
        #expect(failures.all == Array(repeating: "layerExists", count: 7))
        #expect(try fixture.layersOnDisk().count == 1)
    }

    @Test func `of several that apply the same layer all get the same`() throws {
        let fixture = try StoreFixture()
        let stores = try (0..<4).map { _ in try fixture.open() }
        let tar = try StoreFixture.tar("file", "content")
        let failures = Failures()
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            do throws(DriverError) {
                failures.add(try stores[index % 4].apply(MemorySource(tar)).layer.id)
            } catch {
                failures.add("\(error)")
            }
        }
        #expect(Set(failures.all) == [Digest.of(tar).hex])
        #expect(try fixture.layersOnDisk().count == 1)
        #expect(try stores[0].layers().count == 1)
    }

    @Test func `several that open a store that is not there make one`() throws {
        let fixture = try StoreFixture()
        let ids = Failures()
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            do throws(DriverError) {
                ids.add(try fixture.open().info().storeID)
            } catch {
                ids.add("\(error)")
            }
        }
        #expect(Set(ids.all).count == 1 && ids.all.count == 8)
        #expect(ids.all[0].count == 32)
    }
}

/// Collects texts from several threads.
final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var texts: [String] = []

    var all: [String] { lock.withLock { texts } }
    func add(_ text: String) { lock.withLock { texts.append(text) } }
}
