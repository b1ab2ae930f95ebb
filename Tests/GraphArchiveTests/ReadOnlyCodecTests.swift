// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphTestSupport
import Testing

/// What is promised of xz and bzip2, which are read and never written: their own tools make the input.
struct ReadOnlyCodecTests {
    private static let tools = [Compression.xz, .bzip2]

    /// Half text, half noise.
    private static func mixture(_ count: Int) -> [UInt8] {
        let text = Array("the quick brown fox jumps over the lazy dog ".utf8)
        let random = noise(count / 2 + 1, seed: 7)
        return (0..<count).map { $0 / 4096 % 2 == 0 ? text[$0 % text.count] : random[$0 / 2] }
    }

    private static func pack(
        _ content: [UInt8], _ tool: Compression, _ options: [String] = []
    ) throws -> [UInt8] {
        try withScratch { scratch in
            try run([tool.rawValue, "-c"] + options, in: scratch, input: content)
        }
    }

    private static func unpack(_ bytes: [UInt8]) throws -> [UInt8] {
        try readAll(Decompressor(MemorySource(bytes)))
    }

    private static func errorOfUnpacking(_ bytes: [UInt8]) -> ArchiveError? {
        do {
            _ = try unpack(bytes)
            return nil
        } catch {
            return error as? ArchiveError
        }
    }

    @Test(arguments: tools, [[], ["-1"], ["-9"]])
    func `what the tools compress is read, in portions of any size`(
        tool: Compression, options: [String]
    ) throws {
        for count in [0, 1, 4000, 1_500_001] {
            let content = Self.mixture(count)
            let packed = try Self.pack(content, tool, options)
            for portions in [[Int.max], [1], [1, 7, 4096]] where count < 10_000 || portions != [1] {
                let source = DribblingSource(packed, portions: portions)
                let decompressor = try Decompressor(source)
                #expect(decompressor.compression == tool)
                #expect(try readAll(decompressor, portion: 1000) == content)
                #expect(decompressor.compressedBytes == UInt64(packed.count))
            }
        }
    }

    @Test(arguments: [
        "--check=none", "--check=crc64", "--check=sha256", "--x86", "--block-size=4096",
    ])
    func `every form of xz is read`(option: String) throws {
        let content = Self.mixture(100_000)
        let options = option == "--x86" ? ["--x86", "--lzma2"] : [option]
        #expect(try Self.unpack(try Self.pack(content, .xz, options)) == content)
    }

    @Test(arguments: tools) func `several streams after each other are one`(
        tool: Compression
    ) throws {
        let parts = [Self.mixture(200_000), [], Self.mixture(1), Self.mixture(70_000)]
        let packed = try parts.flatMap { try Self.pack($0, tool) }
        #expect(try Self.unpack(packed) == parts.flatMap { $0 })
        let dribble = DribblingSource(packed, portions: [1])
        #expect(try readAll(Decompressor(dribble), portion: 7) == parts.flatMap { $0 })
    }

    @Test(arguments: tools) func `zeros may follow, and nothing else`(tool: Compression) throws {
        let packed = try Self.pack(Array("x".utf8), tool)
        let zeros = [UInt8](repeating: 0, count: 300_000)
        #expect(try Self.unpack(packed + zeros) == Array("x".utf8))
        for rest in [[1], zeros + [1], Array("rubbish".utf8)] as [[UInt8]] {
            let error = Self.errorOfUnpacking(packed + rest)
            #expect(error?.code == .malformed || error?.code == .truncated)
        }
        // xz has zeros between streams, too.
        let between = packed + [0, 0, 0, 0] + packed
        #expect((try? Self.unpack(between)) == (tool == .xz ? Array("xx".utf8) : nil))
    }

    @Test(arguments: tools) func `a stream cut off anywhere is truncated`(
        tool: Compression
    ) throws {
        let packed = try Self.pack(Self.mixture(3000), tool)
        // Before that it is not to be told from a tar.
        for length in 10..<packed.count {
            let error = Self.errorOfUnpacking(Array(packed[..<length]))
            #expect(error?.code == .truncated, "\(length)")
            #expect(error?.offset == UInt64(length), "\(length)")
        }
    }

    @Test(arguments: tools) func `damage is always noticed`(tool: Compression) throws {
        let content = Self.mixture(20_000)
        let packed = try Self.pack(content, tool)
        let seed = SeededGenerator.runSeed
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<(SeededGenerator.isSoak ? 100_000 : 1000) {
            var damaged = packed
            // Damage to the magic makes it another stream.
            let place = Int.random(in: 10..<packed.count, using: &generator)
            damaged[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            do {
                let read = try Self.unpack(damaged)
                #expect(read == content, "seed \(seed), byte \(place)")
            } catch let error as ArchiveError {
                #expect(error.offset.map { $0 <= UInt64(packed.count) } == true)
            }
        }
    }

    @Test func `a dictionary of more than 64 MiB is refused, and of 64 read`() throws {
        let content = Self.mixture(100_000)
        #expect(try Self.unpack(Self.pack(content, .xz, ["--lzma2=dict=64MiB"])) == content)
        let error = Self.errorOfUnpacking(try Self.pack(content, .xz, ["--lzma2=dict=65MiB"]))
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("64 MiB") == true)
    }
}
