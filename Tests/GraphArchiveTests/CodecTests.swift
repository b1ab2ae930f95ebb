// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphTestSupport
import Testing

/// Compresses in one go or in portions.
private func compress(
    _ bytes: [UInt8], _ compression: Compression, level: Int? = nil, portion: Int = .max
) throws -> [UInt8] {
    let sink = MemorySink()
    let compressor = Compressor(sink, compression, level: level)
    var start = 0
    while start < bytes.count {
        let end = start + min(portion, bytes.count - start)
        let part = Array(bytes[start..<end])
        try compressor.write(part.span)
        start = end
    }
    try compressor.finish()
    return sink.bytes
}

private func decompress(_ bytes: [UInt8]) throws -> [UInt8] {
    try readAll(Decompressor(MemorySource(bytes)))
}

private func errorOfDecompressing(_ bytes: [UInt8]) -> ArchiveError? {
    do {
        _ = try decompress(bytes)
        return nil
    } catch {
        return error as? ArchiveError
    }
}

/// Half text, half noise.
private func mixture(_ count: Int) -> [UInt8] {
    let text = Array("the quick brown fox jumps over the lazy dog ".utf8)
    let random = noise(count / 2, seed: 5)
    return (0..<count).map { $0 / 4096 % 2 == 0 ? text[$0 % text.count] : random[$0 / 2] }
}

struct CodecTests {
    @Test(arguments: Compression.written, [0, 1, 100, 262_144, 1_500_001])
    func `what is compressed comes back, and the tools agree`(
        compression: Compression, count: Int
    ) throws {
        let content = mixture(count)
        let packed = try compress(content, compression)
        #expect(try decompress(packed) == content)
        guard let tool = ["gzip", "zstd"].first(where: { $0 == compression.rawValue }) else {
            #expect(packed == content)
            return
        }
        try withScratch { scratch in
            let unpacked = try run([tool, "-dc"], in: scratch, input: packed)
            #expect(unpacked == content)
        }
    }

    @Test(arguments: [
        "gzip -1c", "gzip -9c", "gzip -c -N", "zstd -1c", "zstd -19c", "zstd --no-check -c",
        "zstd -c --long=25",
    ])
    func `what the tools compress is read, in portions of any size`(tool: String) throws {
        try withScratch { scratch in
            let content = mixture(150_000)
            try Data(content).write(to: scratch.appending(path: "name"))
            let packed = try shell("\(tool) name", in: scratch)
            for portions in [[Int.max], [1], [1, 7, 4096]] {
                let source = DribblingSource(packed, portions: portions)
                let decompressor = try Decompressor(source)
                #expect(decompressor.compression == (tool.hasPrefix("g") ? .gzip : .zstd))
                #expect(try readAll(decompressor, portion: 1000) == content)
                #expect(decompressor.compressedBytes == UInt64(packed.count))
            }
        }
    }

    @Test func `a header of gzip may have all its parts, cut anywhere`() throws {
        let plain = try compress(Array("content".utf8), .gzip)
        let extra = [4, 0] + [1, 2, 3, 4] as [UInt8]
        for flags in 0..<32 as Range<UInt8> where flags & 2 == 0 {
            var packed: [UInt8] = Array(plain[..<3]) + [flags] + Array(plain[4..<10])
            if flags & 4 != 0 { packed += extra }
            if flags & 8 != 0 { packed += Array("name\u{0}".utf8) }
            if flags & 16 != 0 { packed += Array("comment\u{0}".utf8) }
            packed += plain[10...]
            for portions in [[Int.max], [1], [3]] {
                let source = DribblingSource(packed, portions: portions)
                #expect(try readAll(Decompressor(source)) == Array("content".utf8))
            }
        }
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `several members one behind the other are one stream`(compression: Compression) throws {
        let parts = [mixture(300_000), [], mixture(1), mixture(70_000)]
        let packed = try parts.flatMap { try compress($0, compression) }
        #expect(try decompress(packed) == parts.flatMap { $0 })
        let dribble = DribblingSource(packed, portions: [1])
        #expect(try readAll(Decompressor(dribble), portion: 7) == parts.flatMap { $0 })
    }

    @Test func `skippable frames of zstd are skipped, the first one too`() throws {
        let frame: [UInt8] = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 9, 9, 9]
        let packed = try compress(mixture(1000), .zstd)
        #expect(try decompress(frame + packed + frame) == mixture(1000))
        #expect(try decompress(frame).isEmpty)
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `a stream cut off anywhere is truncated`(compression: Compression) throws {
        let packed = try compress(mixture(9000), compression)
        let head = compression == .gzip ? 2 : 4
        for length in head..<packed.count {
            let error = errorOfDecompressing(Array(packed[..<length]))
            #expect(error?.code == .truncated, "\(length)")
            #expect(error?.offset == UInt64(length), "\(length)")
        }
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `damage is always noticed`(compression: Compression) throws {
        let content = mixture(20_000)
        let packed = try compress(content, compression)
        let seed = SeededGenerator.runSeed
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<(SeededGenerator.isSoak ? 300_000 : 3000) {
            var damaged = packed
            let place = Int.random(in: 0..<packed.count, using: &generator)
            damaged[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            do {
                // Some bits of the headers mean nothing, but the content is never another one.
                let read = try decompress(damaged)
                #expect(read == content || place < 4, "seed \(seed), byte \(place)")
            } catch let error as ArchiveError {
                #expect(error.offset != nil)
            }
        }
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `damage is an error however few bytes are asked for`(compression: Compression) throws {
        let packed = try compress(mixture(9_000), compression)
        for place in packed.indices {
            for mask in [0x01, 0x10, 0xFF] as [UInt8] {
                var damaged = packed
                damaged[place] ^= mask
                for portion in [300, 4_096] {
                    do {
                        let source = try Decompressor(DribblingSource(damaged))
                        _ = try readAll(source, portion: portion)
                    } catch let error as ArchiveError {
                        #expect(error.offset.map { $0 <= UInt64(packed.count) } ?? true)
                    }
                }
            }
        }
    }

    @Test func `the trailer of gzip is checked`() throws {
        let packed = try compress(mixture(20_000), .gzip)
        for place in packed.indices.suffix(8) {
            var damaged = packed
            damaged[place] ^= 0x10
            #expect(errorOfDecompressing(damaged)?.code == .malformed)
        }
    }

    @Test func `behind gzip there may be zeros, and nothing else`() throws {
        let packed = try compress(Array("x".utf8), .gzip)
        let zeros = [UInt8](repeating: 0, count: 300_000)
        #expect(try decompress(packed + zeros) == Array("x".utf8))
        for rest in [[1], zeros + [1], [0x1F], zeros + packed, [0x1F, 0x8B, 9] + zeros]
            as [[UInt8]]
        {
            let error = errorOfDecompressing(packed + rest)
            #expect(error?.code == .malformed || rest == [0x1F] && error?.code == .truncated)
            #expect((error?.offset ?? 0) >= UInt64(packed.count))
        }
        let other = try compress(Array("x".utf8), .zstd)
        #expect(errorOfDecompressing(other + [0, 0, 0, 0])?.code == .malformed)
    }

    @Test func `a window of more than 32 MiB is refused`() throws {
        try withScratch { scratch in
            let packed = try shell(
                "head -c 100000000 /dev/zero | zstd -c --long=27 --no-content-size", in: scratch)
            let error = errorOfDecompressing(packed)
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains("32 MiB") == true)
        }
    }

    @Test func `a tar whose first name looks like bzip2 is a tar`() throws {
        #expect(Compression.detect(Array("BZh9-files/readme".utf8)[...]) == .none)
        #expect(Compression.detect([]) == .none)
        #expect(try decompress([]).isEmpty)
        #expect(try decompress(Array("short".utf8)) == Array("short".utf8))
    }

    @Test(arguments: [Compression.gzip, .zstd], [1, 2, 3])
    func `the output does not depend on the portions`(
        compression: Compression, level: Int
    ) throws {
        let content = mixture(600_000)
        let whole = try compress(content, compression, level: level)
        #expect(whole.count < content.count * 3 / 4)
        for portion in [7777, 262_144, 300_000] {
            #expect(
                try compress(content, compression, level: level, portion: portion) == whole)
        }
        #expect(try decompress(whole) == content)
    }
}
