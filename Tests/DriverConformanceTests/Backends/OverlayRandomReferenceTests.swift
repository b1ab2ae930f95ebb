// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphOverlay
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Layers that overlayfs makes at random with `metacopy` and `redirect_dir`, read, compared and told
/// as tars without mounting them.
@Suite(
    .serialized, .usable("overlay"),
    .enabled(if: !Machine.isInUserNamespace, "overlayfs has neither in a user namespace"))
struct OverlayRandomReferenceTests {
    private static var layers: Int {
        #if DEBUG
            return SeededGenerator.isSoak ? 2_500 : 90
        #else
            return SeededGenerator.isSoak ? 10_000 : 200
        #endif
    }

    @Test func `layers with renamed directories and bare metadata read as they are mounted`() throws
    {
        print("seed \(SeededGenerator.runSeed), \(Self.layers) layers")
        try withLoopFilesystem(type: .tmpfs, size: 512 << 20) { try run($0, Self.layers) }
    }

    @Test func `they do so on a disk`() throws {
        try withScratchRoot { try run($0, Self.layers / 10) }
    }

    private func run(_ root: FilePath, _ count: Int) throws {
        var work = try ReferenceChains(root: root)
        var seed = SeededGenerator.runSeed &* 7_368_787
        // A run in which the kernel made few of them would show little, so a short one goes on until
        // there were enough.
        func hasEnough() -> Bool {
            work.redirectCount > count / 4 && work.metacopyCount > count / 8
        }
        while work.layerCount < count || !hasEnough() && work.layerCount < 10 * count {
            seed &+= 1
            if let failure = try work.failure(seed: seed) {
                Issue.record("seed \(seed): \(failure)")
                return
            }
        }
        #expect(hasEnough())
    }
}

/// Builds chains of layers through mounts, and compares after each layer what the kernel shows with
/// what is read.
private struct ReferenceChains {
    let root: FilePath
    /// Opened without the options, as by somebody who comes later.
    let plain: TestStore
    let drivers: [any Driver]
    var layerCount = 0
    var redirectCount = 0
    var metacopyCount = 0
    private var number: UInt32 = 0

    init(root: FilePath) throws {
        let subject = DriverUnderTest(OverlayDriver.self)
        self.root = root.appending("store")
        try self.root.makeDirectory()
        plain = TestStore(driver: try subject.open(self.root), root: self.root)
        drivers = [
            try subject.open(self.root, options: ["metacopy": "on"]),
            try subject.open(self.root, options: ["metacopy": "on", "redirect_dir": "on"]),
            try subject.open(self.root, options: ["redirect_dir": "on"]),
            plain.driver,
        ]
    }

    private mutating func nextNumber() -> LayerNumber {
        number += 1
        return LayerNumber(rawValue: number)
    }

    /// Builds one chain and removes it; tells what differs.
    mutating func failure(seed: UInt64) throws -> String? {
        var random = SeededGenerator(seed: seed)
        var chain: [LayerNumber] = []
        let before = root.removingLastComponent().appending("before")
        let after = root.removingLastComponent().appending("after")
        defer {
            for layer in chain { try? plain.driver.remove(layer) }
            _ = try? plain.driver.reclaim(observer: .none)
            for copy in [before, after] { try? copy.remove() }
        }
        let base = nextNumber()
        try plain.build(base) { place in
            var work = try RandomWork(in: place, seed: seed)
            try work.fill()
        }
        chain = [base]
        try plain.withTree(of: base) { try copyTree($0, to: before) }
        for level in 1...Int.random(in: 1...6, using: &random) {
            let layer = nextNumber()
            let parents = chain
            let driver =
                random.chance(60) ? drivers[0] : drivers.randomElement(using: &random) ?? drivers[0]
            let store = TestStore(driver: driver, root: root)
            let count = Int.random(in: 1...9, using: &random)
            let workSeed = random.next()
            chain.insert(layer, at: 0)
            try store.build(layer, parents: parents) { place in
                var work = try RandomWork(in: place, seed: workSeed)
                try work.change(count)
            }
            layerCount += 1
            try countReferences(in: layer)
            try plain.withTree(of: layer, parents: parents) { try copyTree($0, to: after) }
            if let difference = try difference(layer, parents, before, after, &random) {
                return "layer \(level): \(difference)"
            }
            try before.remove()
            let directory = try Directory(opening: root.removingLastComponent())
            try directory.rename("after", to: "before", in: directory)
        }
        return nil
    }

    private func copyTree(_ place: FilePath, to target: FilePath) throws {
        try runCommand("cp", ["-a", place.string, target.string])
    }

    private mutating func countReferences(in layer: LayerNumber) throws {
        let diff = try Directory(
            opening: root.appending("overlay/\(layer)/diff"))
        func count(_ directory: Directory) throws {
            for entry in try directory.listing() {
                let names = try directory.attributes(of: entry.name).names()
                if names.contains("trusted.overlay.metacopy") { metacopyCount += 1 }
                guard entry.type == .directory else { continue }
                if names.contains("trusted.overlay.redirect") { redirectCount += 1 }
                try count(try directory.openDirectory(entry.name))
            }
        }
        try count(diff)
    }

    /// Compares a layer read with whole copies of its mounted tree and of its parent's.
    private mutating func difference(
        _ layer: LayerNumber, _ parents: [LayerNumber], _ before: FilePath, _ after: FilePath,
        _ random: inout SeededGenerator
    ) throws -> String? {
        let old = LayeredTree(layers: [try Directory(opening: before)], whiteouts: .plain)
        let new = LayeredTree(layers: [try Directory(opening: after)], whiteouts: .plain)
        let copies = DiffSource(old: old, new: new)
        let source = try plain.driver.diffSource(
            of: layer, parents: parents, from: parents[0], baseParents: Array(parents.dropFirst()))
        let shown = try LayerTar.listing(of: new)
        if let text = compare("the tree", try LayerTar.listing(of: source.new), shown) {
            return text
        }
        let changes = try treeChanges(source).map(\.description)
        if let text = compare(
            "the changes", changes, try treeChanges(copies).map(\.description))
        {
            return text
        }
        let tar = try diff(source)
        if tar != (try diff(copies)) { return "the diffs differ for the changes \(changes)" }
        // All that the layer's own readers do not say: any base may be compared with.
        if let base = parents.last, parents.count > 1 {
            let far = try plain.driver.diffSource(
                of: layer, parents: parents, from: base, baseParents: [])
            let whole = DiffSource(old: far.old, new: new)
            if try diff(far) != diff(whole) {
                // What is only in one of them, which says more than that they differ.
                let changes = try (treeChanges(far), treeChanges(whole))
                let (left, right) = (
                    changes.0.map(\.description), changes.1.map(\.description)
                )
                return "the diffs from the base differ: "
                    + "\(Set(left).symmetricDifference(right).sorted()) of \(left)"
            }
        }
        // Names that were one file and are now two alike are no change: a diff leaves them as they are.
        let unchanged = Set(shown.map(Self.path(of:))).subtracting(
            changes.map { String($0.dropFirst(2)) })
        if let text = try appliedDifference(tar, parents, shown, unchanged) { return text }
        return random.chance(12) ? try extractedDifference(tar, before, after, unchanged) : nil
    }

    private func diff(_ source: DiffSource) throws -> [UInt8] {
        let sink = MemorySink()
        try writeTreeDiff(source, to: sink)
        return sink.bytes
    }

    /// Applies the diff to another layer above the same parents.
    private mutating func appliedDifference(
        _ tar: [UInt8], _ parents: [LayerNumber], _ shown: [String], _ unchanged: Set<String>
    ) throws -> String? {
        let layer = nextNumber()
        defer { try? plain.driver.remove(layer) }
        try plain.apply(layer, parents: parents) { target in
            _ = try unpackLayer(from: MemorySource(tar), into: target)
        }
        let applied = try plain.withTree(of: layer, parents: parents) { place in
            try LayerTar.listing(
                of: LayeredTree(layers: [try Directory(opening: place)], whiteouts: .plain))
        }
        func withoutLinks(_ line: String) -> String {
            unchanged.contains(Self.path(of: line))
                ? line.replacing(/\ as \/.*? (?=[-0-7]+ \d+:\d+ )/, with: " ") : line
        }
        return compare("the applied diff", applied.map(withoutLinks), shown.map(withoutLinks))
    }

    /// Has GNU tar extract the diff over a copy of the parent's tree.
    private func extractedDifference(
        _ tar: [UInt8], _ before: FilePath, _ after: FilePath, _ unchanged: Set<String>
    ) throws -> String? {
        let directory = root.removingLastComponent()
        let (file, copy) = (directory.appending("diff.tar"), directory.appending("extracted"))
        defer { for path in [file, copy] { try? path.remove() } }
        try OwnedDescriptor.open(file, [.writeOnly, .create], permissions: 0o600).write(tar.span)
        try copyTree(before, to: copy)
        try applyByTar(file, to: copy)
        // The root is in a diff only when more than its time has changed.
        let lines = try TreeSnapshot(of: copy).differences(from: try TreeSnapshot(of: after))
            .filter { line in
                let isLink = line.contains(": linked to ")
                let path = line.prefix(upTo: line.range(of: ": ")?.lowerBound ?? line.endIndex)
                // Over a directory that is there, tar only adds attributes.
                let isOldAttribute =
                    line.hasSuffix(", not none")
                    && (line.contains(": user.x is ") || line.contains(": trusted.y is "))
                return !line.hasPrefix(".: mtime") && !isOldAttribute
                    && !(isLink && unchanged.contains("/" + path))
            }
        return lines.isEmpty ? nil : "extracted by tar: " + lines.joined(separator: "\n")
    }

    /// The path at the beginning of a line of a listing.
    private static func path(of line: String) -> String {
        let kinds = [" file ", " directory ", " link ", " fifo ", " symlink "]
        let end = kinds.compactMap { line.range(of: $0)?.lowerBound }.min()
        return String(line[..<(end ?? line.endIndex)])
    }

    private func compare(_ what: String, _ found: [String], _ wanted: [String]) -> String? {
        if found == wanted { return nil }
        let (extra, missing) = (Set(found).subtracting(wanted), Set(wanted).subtracting(found))
        return """
            \(what) differs; found:
            \(extra.sorted().joined(separator: "\n"))
            wanted:
            \(missing.sorted().joined(separator: "\n"))
            """
    }
}
