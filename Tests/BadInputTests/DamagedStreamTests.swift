// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// Streams that break off, or have other bytes than they should.
@Suite(.serialized) struct DamagedStreamTests {
    /// How many cuts and changed bytes are tried of each stream.
    static let trials = SeededGenerator.isSoak ? 1_000 : 12

    /// A sound layer and its compressed forms.
    private struct SoundLayer {
        let plain: FilePath
        let gzip: FilePath
        let zstd: FilePath
        let digest: String
        /// Where one member ends and the next begins, or the end marker is.
        var boundaries: Set<Int> = []
        /// From where a member's content is whole to where the next one begins: some writers leave what is
        /// between out after the last member.
        var ends: [ClosedRange<Int>] = []

        init(in store: BadInputStore) throws {
            plain = store.file("sound.tar")
            (gzip, zstd) = (store.file("sound.tar.gz"), store.file("sound.tar.zst"))
            var random = SeededGenerator(seed: SeededGenerator.runSeed)
            var boundaries: Set<Int> = []
            var ends: [ClosedRange<Int>] = []
            try RawTar.write(plain) { tar in
                for (name, count) in [("a", 0), ("b", 700), ("c", 70_000), ("d/", 0), ("d/e", 5)] {
                    let content = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                    try tar.add(
                        name, type: name.hasSuffix("/") ? "5" : "0", content: content)
                    let end = Int(tar.byteCount)
                    boundaries.insert(end)
                    ends.append(end - (512 - count % 512) % 512...end)
                }
            }
            (self.boundaries, self.ends) = (boundaries, ends)
            try runCommand("gzip", ["-k", plain.string])
            try runCommand("zstd", ["-q", "--check", plain.string])
            digest = "sha256:" + String(try runCommand("sha256sum", [plain.string]).prefix(64))
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a stream cut off anywhere is refused with the place where it ends`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let sound = try SoundLayer(in: store)
            var random = SeededGenerator(seed: SeededGenerator.runSeed)
            for path in [sound.plain, sound.gzip, sound.zstd] {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: path.string))
                let cut = store.file("cut")
                for _ in 0..<Self.trials {
                    let end = Int.random(in: 4..<(bytes.count - 1024), using: &random)
                    if path == sound.plain, sound.ends.contains(where: { $0 ~= end }) { continue }
                    try bytes.prefix(end).write(to: URL(fileURLWithPath: cut.string))
                    try store.expectRefusal(
                        of: cut, "\(path.lastComponent?.string ?? "") cut at \(end)",
                        saying: "(at byte ")
                }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a whole member less is noticed by the digest`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let sound = try SoundLayer(in: store)
            let bytes = try Data(contentsOf: URL(fileURLWithPath: sound.plain.string))
            let cut = store.file("cut")
            for end in sound.boundaries.sorted() {
                try bytes.prefix(end).write(to: URL(fileURLWithPath: cut.string))
                try store.expectRefusal(
                    of: cut, "cut at \(end)", ["--diff-id", sound.digest], saying: sound.digest)
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a changed byte gives an error or the layer that was meant`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let sound = try SoundLayer(in: store)
            var random = SeededGenerator(seed: ~SeededGenerator.runSeed)
            for path in [sound.plain, sound.gzip, sound.zstd] {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: path.string))
                let changed = store.file("changed")
                for _ in 0..<Self.trials {
                    var damaged = bytes
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    damaged[place] ^= UInt8.random(in: 1...255, using: &random)
                    try damaged.write(to: URL(fileURLWithPath: changed.string))
                    let what = "\(path.lastComponent?.string ?? ""), byte \(place) changed"
                    let result = try store.command.run([
                        "apply", "--diff-id", sound.digest, changed.string,
                    ])
                    // A header of gzip has bytes that mean nothing for the content.
                    let isHarmless = path == sound.gzip && place < 20
                    if result.status == 0 && isHarmless {
                        try store.command.succeed("rm", result.text)
                    } else {
                        #expect(result.status == 1, "\(what): \(result.errors)")
                        #expect(result.errors.hasPrefix("graphctl: apply "), "\(what)")
                    }
                    try store.expectNothingLeft(what)
                }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a sound layer with another digest than it should have is refused, naming both`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let sound = try SoundLayer(in: store)
            let other = "sha256:" + String(repeating: "5", count: 64)
            for path in [sound.plain, sound.gzip, sound.zstd] {
                try store.expectRefusal(
                    of: path, path.string, ["--diff-id", other], saying: other, sound.digest)
                try store.withLayer(of: path, "--diff-id", sound.digest)
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what is no archive at all is refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let file = store.file("none")
            // An empty file is an empty layer, see docs/formats/layer-tar.md.
            let texts = ["x", "hello\n", String(repeating: "no tar ", count: 200)]
            for text in texts {
                try file.write(text)
                try store.expectRefusal(of: file, "\(text.prefix(8))", saying: "(at byte ")
                for tool in ["gzip", "zstd", "xz", "bzip2"] {
                    let packed = store.file("packed")
                    try runCommand("bash", ["-euc", "\(tool) <$0 >$1", file.string, packed.string])
                    try store.expectRefusal(
                        of: packed, "\(tool), \(text.prefix(8))", saying: "(at byte ")
                }
            }
        }
    }
}
