// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Archives and layers with all that is odd: another tool is the judge of how they are unpacked, and every
/// driver of what another has written.
@Suite(.serialized) struct OddArchiveTests {
    private static let archives = 5_000
    // In a user namespace the same drivers leave more out, and a kernel that is a process is slow: a sample
    // shows that.
    private static var histories: Int {
        let isSlow = DriverUnderTest.usable.allSatisfy(\.filesystems.isEmpty)
        return Machine.isInUserNamespace || isSlow ? 20 : 1_000
    }

    @Test(.enabled(if: !Machine.isInUserNamespace, "umoci unpacks as root"))
    func `odd archives are unpacked as umoci does, but for what the policy says`() throws {
        let told = try campaign(rounds: Self.archives) { index in
            try Self.compare(
                seed: SeededGenerator.runSeed &* 1_000_003 &+ UInt64(index))
        }
        #expect(told.reduce(0) { $0 + $1.names } > Self.archives)
        let differences = told.flatMap(\.differences)
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    }

    /// How many names two layers make, and where a driver makes others of them than umoci.
    private static func compare(seed: UInt64) throws -> (names: Int, differences: [String]) {
        var archives = OddArchives(seed: seed)
        let tars = try (0..<2).map { _ in try LayerTar.bytes(of: archives.next()) }
        let judged = try withScratchRoot { try unpackByUmoci(tars, in: $0) }
        var differences: [String] = []
        for subject in DriverUnderTest.usable {
            let wanted = judged.underPolicy(ofOverlay: subject.name == "overlay")
            var found = try unpack(tars, on: subject)
            found.entries["."] = nil
            let lines = found.differences(
                from: wanted, in: [.owners, .permissions, .fileTimes, .attributes, .links])
            if !lines.isEmpty { differences.append("\(subject), seed \(seed):") }
            differences += lines
        }
        return (judged.entries.count - 1, differences)
    }

    private static func unpack(
        _ tars: [[UInt8]], on subject: DriverUnderTest
    ) throws -> TreeSnapshot {
        try subject.withDriver { store in
            try apply(tars, to: store)
            return try store.snapshot(of: 2, parents: [1])
        }
    }

    /// Makes layers 1 and 2.
    private static func apply(_ tars: [[UInt8]], to store: TestStore) throws {
        for (index, tar) in tars.enumerated() {
            try store.apply(
                LayerNumber(rawValue: UInt32(index + 1)), parents: index == 0 ? [] : [1]
            ) {
                target in
                _ = try unpackLayer(from: MemorySource(tar), into: target)
            }
        }
    }

    /// Unpacks an image of plain layers.
    private static func unpackByUmoci(
        _ tars: [[UInt8]], in directory: FilePath
    ) throws -> TreeSnapshot {
        let image = directory.appending("image")
        for name in ["image", "image/blobs", "image/blobs/sha256"] {
            try directory.pushing(FilePath(name)).makeDirectory()
        }
        /// Adds a blob; returns its descriptor.
        func add(_ bytes: [UInt8], _ type: String) throws -> String {
            let digest = Digest.of(bytes)
            let file = try Directory(opening: image.pushing("blobs/sha256"))
                .open(RawPath(digest.hex), [.writeOnly, .create], permissions: 0o644)
            try file.write(bytes.span)
            return #"{"mediaType":"application/vnd.oci.image.\#(type)","#
                + #""digest":"\#(digest)","size":\#(bytes.count)}"#
        }
        let layers = try tars.map { try add($0, "layer.v1.tar") }.joined(separator: ",")
        let diffIDs = tars.map { "\"\(Digest.of($0))\"" }.joined(separator: ",")
        let configuration = try add(
            Array(
                (#"{"architecture":"amd64","os":"linux","config":{},"#
                    + #""rootfs":{"type":"layers","diff_ids":[\#(diffIDs)]}}"#).utf8),
            "config.v1+json")
        let manifest = try add(
            Array(
                #"{"schemaVersion":2,"config":\#(configuration),"layers":[\#(layers)]}"#.utf8),
            "manifest.v1+json")
        let named =
            manifest.dropLast()
            + #","annotations":{"org.opencontainers.image.ref.name":"odd"}}"#
        try image.appending("index.json").write(#"{"schemaVersion":2,"manifests":[\#(named)]}"#)
        try image.appending("oci-layout").write(#"{"imageLayoutVersion":"1.0.0"}"#)
        let root = directory.appending("rootfs")
        try runCommand(
            "umoci", ["--log=error", "raw", "unpack", "--image", "\(image):odd", root.string])
        return try TreeSnapshot(of: root)
    }

    @Test func `what a driver writes of odd layers, every driver makes the same of`() throws {
        let differences = try campaign(rounds: Self.histories) { index in
            let seed = SeededGenerator.runSeed &* 7_000_003 &+ UInt64(index)
            return try DriverUnderTest.usable.flatMap { writer in
                let written = try Self.write(seed, on: writer)
                return try DriverUnderTest.usable.flatMap { reader in
                    try Self.differences(of: written, on: reader)
                        .map { "\(writer) to \(reader), seed \(seed): \($0)" }
                }
            }
        }.joined()
        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    }

    private static func differences(of written: Written, on reader: DriverUnderTest) throws
        -> [String]
    {
        try reader.withDriver { store in
            try apply(written.tars, to: store)
            var wanted = written.made
            if reader.name == "overlay" {
                wanted.entries = wanted.entries.filter { !$0.value.status.isWhiteoutDevice }
            }
            var found = try store.snapshot(of: 2, parents: [1])
            // The time of the root is no part of a layer.
            found.entries["."]?.status.modified = Timestamp(seconds: 0)
            let lines = found.differences(
                from: wanted,
                in: [
                    .owners, .permissions, .fileTimes, .directoryTimes, .attributes, .links,
                ])
            // Nor is what an overlay left out in its diffs, or the end of it above.
            if reader.name == "overlay" && written.hasWhiteouts { return lines }
            return try lines
                + ([1, 2] as [LayerNumber]).filter { layer in
                    let again = try diff(layer, of: store)
                    return Digest.of(again) != Digest.of(written.tars[Int(layer.rawValue) - 1])
                }.map { "layer \($0) is another tar again" }
        }
    }

    private static func diff(_ layer: LayerNumber, of store: TestStore) throws -> [UInt8] {
        let parents: [LayerNumber] = layer == 1 ? [] : [1]
        let sink = MemorySink()
        try writeTreeDiff(
            try store.driver.diffSource(
                of: layer, parents: parents, from: parents.first, baseParents: []), to: sink)
        return sink.bytes
    }

    /// Two layers that programs have made, what they show, and whether a device 0:0 is in one of them.
    private struct Written {
        var tars: [[UInt8]]
        var made: TreeSnapshot
        var hasWhiteouts: Bool
    }

    private static func write(_ seed: UInt64, on subject: DriverUnderTest) throws -> Written {
        try subject.withDriver { store in
            var random = SeededGenerator(seed: seed)
            for layer in [1, 2] as [LayerNumber] {
                try store.build(layer, parents: layer == 1 ? [] : [1]) { place in
                    var changes = try RandomChanges(below: place, random: random)
                    if layer == 1 { try changes.fill(count: 25) }
                    random = try changes.change(times: 15)
                    try sprinkle(place, &random)
                }
            }
            var made = try store.snapshot(of: 2, parents: [1])
            made.entries["."]?.status.modified = Timestamp(seconds: 0)
            made.entries = made.entries.filter { $0.value.status.type != .socket }
            let trees = [try store.snapshot(of: 1, parents: []), made]
            let hasWhiteouts = trees.contains {
                $0.entries.values.contains(where: \.status.isWhiteoutDevice)
            }
            let tars = try ([1, 2] as [LayerNumber]).map { try diff($0, of: store) }
            return Written(tars: tars, made: made, hasWhiteouts: hasWhiteouts)
        }
    }

    /// Leaves in a tree what an overlay or a builder in a container leaves.
    private static func sprinkle(_ place: FilePath, _ random: inout SeededGenerator) throws {
        let root = try Directory(opening: place)
        let paths = try TreeSnapshot(of: root).entries.keys.sorted()
        let names = [
            "trusted.overlay.opaque", "user.overlay.opaque", "trusted.overlay.overlay.redirect",
            "user.overlay.overlay.x", "trusted.x", "user.y", "security.ima",
        ]
        for path in paths {
            for name in names where random.chance(8) {
                let value: [UInt8] = [3, UInt8.random(in: 0...9, using: &random)]
                // A user namespace, and some types of files, take not all of them.
                try? root.attributes(of: path).set(ExtendedAttribute(name: name, value: value))
            }
            if random.chance(5) {
                try? root.makeSpecial(
                    path.joined("-gone"), .characterDevice, permissions: 0o600)
            }
        }
    }
}
