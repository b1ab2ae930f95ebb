// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Glibc
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What Tests/scripts/power-cuts.sh runs as a program that keeps a store open for many operations; nothing
/// otherwise.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["GRAPH_CUT_FOLDER"] != nil))
struct PowerCutWorkerTests {
    @Test func `works on a store until the power is cut`() throws {
        let environment = ProcessInfo.processInfo.environment
        let directory = FilePath(try #require(environment["GRAPH_CUT_FOLDER"]))
        let subject = try #require(
            DriverUnderTest.all.first { $0.name == environment["GRAPH_CUT_DRIVER"] })
        let store = try LayerStore(
            LayerStore.Configuration(
                root: directory.appending("mounted/root"), runRoot: directory.appending("run"),
                driver: subject.name),
            drivers: [subject.type], chooseDriver: { (_) throws(DriverError) in subject.type })
        // Whole lines at the end, whatever the other workers write meanwhile.
        let journal = open(directory.appending("journal").string, O_WRONLY | O_APPEND | O_CLOEXEC)
        try #require(journal >= 0)
        defer { close(journal) }
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        let name = "p\(ProcessInfo.processInfo.processIdentifier)"
        for round in 0... {
            if try directory.appending("stop").exists { return }
            while try directory.appending("pause").exists { Thread.sleep(forTimeInterval: 0.02) }
            do throws(DriverError) {
                try Self.step(store, "\(name)-\(round)", &random) { line in
                    let bytes = Array((line + "\n").utf8)
                    #expect(Glibc.write(journal, bytes, bytes.count) == bytes.count)
                }
            } catch {
                // Others remove what this one builds on.
                #expect([.layerNotFound, .layerInUse].contains(error.code), "\(error)")
            }
        }
    }

    private static func step(
        _ store: LayerStore, _ id: String, _ random: inout SeededGenerator,
        _ tell: (String) -> Void
    ) throws(DriverError) {
        let layers = try store.layers()
        let parent = layers.filter { $0.kind == .committed }.randomElement(using: &random)?.id
        // Each look mounts them all: their number stays small.
        switch layers.count > 16 ? 5 : Int.random(in: 0..<6, using: &random) {
        case 0:
            guard let tar = try? StoreFixture.tar("f", String(repeating: id, count: 5_000)) else {
                return
            }
            tell("commit " + (try store.apply(MemorySource(tar), id: id, parent: parent).layer.id))
        case 1, 2: _ = try store.create(id: id, parent: parent)
        case 3:
            _ = try store.create(id: id, parent: parent)
            let place = try store.mount(id).path
            try? place.appending("file").write(String(repeating: id, count: 5_000))
            try store.unmount(layer: id)
            tell("commit " + (try store.commit(id).id))
        default:
            guard let old = layers.randomElement(using: &random), layers.count > 12 else { return }
            tell("remove \(old.id)")
            try store.remove(old.id)
            if random.chance(50) { try store.reclaim() }
        }
    }
}
