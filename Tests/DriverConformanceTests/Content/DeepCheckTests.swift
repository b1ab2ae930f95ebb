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

/// A deep check finds nothing in sound layers, whatever archives and programs made them, and each fault where
/// it is.
@Suite(.serialized) struct DeepCheckTests {
    /// How many histories each driver has.
    private static func historyCount(_ subject: DriverUnderTest) -> Int {
        if let given = ProcessInfo.processInfo.environment["GRAPH_TEST_HISTORIES"] {
            return Int(given) ?? 1
        }
        // Each layer of these is a transaction on a disk, and for devicemapper on a slow kernel.
        let isSlow = !subject.filesystems.contains(.tmpfs)
        // Those of devicemapper run in a guest that is given a quarter of an hour for its whole suite.
        if SeededGenerator.isSoak { return subject.filesystems.isEmpty ? 60 : 2_000 }
        return subject.filesystems.isEmpty ? 8 : isSlow ? 30 : 60
    }

    @Test(arguments: DriverUnderTest.usable)
    func `sound histories are clean, and of each fault the layer is told that has it`(
        _ subject: DriverUnderTest
    ) throws {
        let counts = try subject.withDirectory { try Self.run(subject, in: $0) }
        print("\(subject.name): \(Self.historyCount(subject)) histories, faults found: \(counts)")
        // Few histories have few kinds of faults.
        let planted = counts.values.reduce(0, +)
        #expect(planted * 10 >= Self.historyCount(subject) * 7)
        #expect(counts.count >= min(8, planted / 3))
    }

    /// Runs histories, and returns how many faults of each kind were planted and found.
    private static func run(_ subject: DriverUnderTest, in directory: FilePath) throws -> [String:
        Int]
    {
        let history = try DeepCheckHistory(subject, in: directory)
        var counts: [String: Int] = [:]
        for index in 0..<historyCount(subject) {
            let seed = SeededGenerator.runSeed &* 1_000_003 &+ UInt64(index)
            switch try history.run(seed: seed) {
            case .failed(let message):
                Issue.record("\(subject.name), seed \(seed): \(message)")
                return counts
            case .found(let fault): counts[fault?.rawValue ?? "recipe", default: 0] += 1
            case .withoutFault: break
            }
        }
        return counts
    }
}

/// Histories of one store, one after the other.
private struct DeepCheckHistory {
    enum Outcome {
        case failed(String)
        /// nil for a damaged recipe.
        case found(PlantedFault?)
        /// There was no place for the fault.
        case withoutFault
    }

    private let subject: DriverUnderTest
    private let store: LayerStore
    private let direct: TestStore
    private let directory: FilePath
    private let isUnprivileged = ProcessInfo.processInfo.environment["GRAPH_IN_USERNS"] != nil

    init(_ subject: DriverUnderTest, in directory: FilePath) throws {
        (self.subject, self.directory) = (subject, directory)
        store = try subject.openStore(in: directory, durability: .unsynced)
        direct = TestStore(driver: store.driver, root: directory.appending("root"))
    }

    /// Makes layers, checks them, plants a fault in one, checks them again and removes them.
    func run(seed: UInt64) throws -> Outcome {
        defer { clear() }
        var random = SeededGenerator(seed: seed)
        try build(&random)
        let before = try store.check(deep: true)
        if !before.isEmpty { return .failed("sound, but found: \(before)") }
        let all = try store.layers()
        guard let victim = all.filter({ $0.kind == .committed }).randomElement(using: &random)
        else { return .withoutFault }
        let fault = try plant(in: victim, &random)
        guard let fault else { return .withoutFault }
        let findings = try store.check(deep: true)
        let damaged = Set(findings.filter(\.isDamage).map(\.subject))
        if damaged == [victim.id] && onlyDescendants(of: victim, all, findings) {
            return .found(fault.kind)
        }
        return .failed(
            "\(fault.kind?.rawValue ?? "recipe") at /\(fault.path) of \(victim.id) above"
                + " \(victim.parent ?? "nothing"), but found: \(findings)")
    }

    private func clear() {
        for layer in ((try? store.layers()) ?? []).reversed() { _ = try? store.remove(layer.id) }
        _ = try? store.reclaim()
    }

    /// Of the others only those above may be left unjudged.
    private func onlyDescendants(
        of victim: Layer, _ all: [Layer], _ findings: [Finding]
    ) -> Bool {
        for finding in findings where !finding.isDamage {
            guard finding.kind == .notChecked else { return false }
            var layer = all.first { $0.id == finding.subject }
            while let current = layer, current.id != victim.id {
                layer = all.first { $0.id == current.parent }
            }
            if layer == nil { return false }
        }
        return true
    }

    // MARK: Layers

    private func build(_ random: inout SeededGenerator) throws {
        var archives = RandomArchives(seed: random.next(), isUnprivileged: isUnprivileged)
        var top: String?
        for level in 1...5 {
            guard let layer = try apply(&archives, above: top, id: "layer-\(level)") else {
                continue
            }
            top = layer.id
        }
        guard let top else { return }
        let work = try store.create(id: "work", parent: top)
        try change(work.id, &random)
        let committed = try store.commit(work.id, as: "committed")
        _ = try apply(&archives, above: committed.id, id: "upon")
        // The same again, from its tar, beside it.
        let sink = MemorySink()
        try store.writeDiff(of: committed.id, to: sink)
        // Whole trees may hold a device 0:0, which no layer tar may.
        _ = try apply(sink.bytes, above: top, id: "again")
        if random.chance(50) {
            let active = try store.create(id: "active", parent: committed.id)
            try change(active.id, &random)
            _ = try store.createView(id: "view", parent: committed.id)
        }
    }

    /// Applies the next archive that is a layer; nil when ten are none.
    private func apply(
        _ archives: inout RandomArchives, above parent: String?, id: String
    ) throws -> Layer? {
        for _ in 0..<10 {
            if let layer = try apply(try archives.next(), above: parent, id: id) { return layer }
        }
        return nil
    }

    /// Applies an archive; nil when it is no layer.
    private func apply(_ tar: [UInt8], above parent: String?, id: String) throws -> Layer? {
        let source = MemorySource(tar)
        let result = Result { () throws(DriverError) in
            try store.apply(source, id: id, parent: parent).layer
        }
        if case .failure(let error) = result, error.code == .invalidArchive { return nil }
        return try result.get()
    }

    private func change(_ id: String, _ random: inout SeededGenerator) throws {
        let target = directory.appending("target")
        if try !target.exists { try target.makeDirectory() }
        let mounted = try store.mount(id, at: target)
        defer { _ = try? store.unmount(target: mounted.path) }
        var changes = try RandomChanges(below: target, random: random)
        random = try changes.change(times: Int.random(in: 0...12, using: &random))
    }

    // MARK: Faults

    private func plant(
        in victim: Layer, _ random: inout SeededGenerator
    ) throws -> (kind: PlantedFault?, path: RawPath)? {
        let parents = try store.chain(of: victim.id).dropFirst().map(\.number)
        if victim.recipeBytes != nil && random.chance(10) {
            return try damageRecipe(of: victim, &random).map { (nil, $0) }
        }
        let below = try paths(below: parents)
        let isRecorded = subject.name == "overlay"
        let kinds = PlantedFault.allCases.filter { isRecorded || !$0.isAboutDeletions }
        for _ in 0..<20 {
            let kind = kinds.randomElement(using: &random) ?? .missing
            // What changes nothing that the layer shows is no fault of a layer that is known by that.
            let isShown = kind.isAboutDeletions && victim.recipeBytes == nil
            let before = isShown ? try direct.snapshot(of: victim.number, parents: parents) : nil
            let path = try plant(kind, in: victim.number, parents, below, seed: random.next())
            guard let path else { continue }
            if let before {
                let after = try direct.snapshot(of: victim.number, parents: parents)
                if after.differences(from: before).isEmpty { return nil }
            }
            return (kind, path)
        }
        return nil
    }

    private func plant(
        _ kind: PlantedFault, in number: LayerNumber, _ parents: [LayerNumber], _ below: [RawPath],
        seed: UInt64
    ) throws -> RawPath? {
        let opaque = isUnprivileged ? "user.overlay.opaque" : "trusted.overlay.opaque"
        return try withDirectory(of: number, parents) { root in
            var planter = try FaultPlanter(
                in: root, opaque: opaque, random: SeededGenerator(seed: seed))
            return try planter.plant(kind, below: below)
        }
    }

    /// What the parents of a layer show.
    private func paths(below parents: [LayerNumber]) throws -> [RawPath] {
        guard let parent = parents.first else { return [] }
        let shown = try direct.snapshot(of: parent, parents: Array(parents.dropFirst()))
        return shown.entries.keys.filter { $0 != "." }
    }

    /// Lends the directory of a layer's own for writing.
    private func withDirectory<Value>(
        of number: LayerNumber, _ parents: [LayerNumber], _ body: (Directory) throws -> Value
    ) throws -> Value {
        if subject.name == "overlay" {
            let source = try store.driver.diffSource(
                of: number, parents: [], from: nil, baseParents: [])
            return try body(try #require(source.new.layers.first))
        }
        let value = try direct.withTree(of: number, parents: parents, writable: true) {
            try body(try Directory(opening: $0))
        }
        try store.driver.seal(number, parents: parents, durability: .unsynced)
        return value
    }

    /// Flips a bit of a recipe, or cuts it; nil where that does not change what it says: some bits of a zstd
    /// frame's header mean nothing to a decoder.
    private func damageRecipe(
        of victim: Layer, _ random: inout SeededGenerator
    ) throws -> RawPath? {
        let path = directory.appending("root/recipes/\(victim.number)")
        let file = try OwnedDescriptor.open(path, .readWrite)
        let size = try file.status().size
        if random.chance(20) {
            try file.truncate(to: UInt64.random(in: 0..<size, using: &random))
            return "recipe"
        }
        let before = try Self.content(of: path)
        var byte: [UInt8] = [0]
        let offset = UInt64.random(in: 0..<size, using: &random)
        _ = try file.read(into: &byte, count: 1, at: offset)
        byte[0] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        try file.write(byte.span, at: offset)
        return (try? Self.content(of: path)) == before ? nil : "recipe"
    }

    private static func content(of recipe: FilePath) throws -> [UInt8] {
        let source = try Decompressor(FileSource(OwnedDescriptor.open(recipe, .readOnly)))
        var (content, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while case let count = try source.read(into: &buffer), count > 0 {
            content += buffer[..<count]
        }
        return content
    }
}
