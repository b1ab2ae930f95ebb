// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import Testing

struct DigestTests {
    private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test func `the digest of bytes is that of sha256sum`() throws {
        #expect(Digest.of(Array("abc".utf8)).hex == Self.abc)
        #expect(Digest.of(Array("abc".utf8)).description == "sha256:" + Self.abc)
        try withScratch { scratch in
            let content = noise(1_000_000, seed: 2)
            let sum = try run(["sha256sum"], in: scratch, input: content)
            #expect(Digest.of(content).hex == String(decoding: sum.prefix(64), as: UTF8.self))
        }
    }

    @Test func `text is read in its two spellings only`() {
        let digest = Digest.of(Array("abc".utf8))
        #expect(Digest(parsing: Self.abc) == digest)
        #expect(Digest(parsing: "sha256:" + Self.abc) == digest)
        for text in [
            "", "sha256:", Self.abc.uppercased(), "sha512:" + Self.abc, Self.abc + "0",
            String(Self.abc.dropLast()), String(Self.abc.dropLast()) + "g",
            "sha256:sha256:" + Self.abc, " " + Self.abc, "SHA256:" + Self.abc,
        ] {
            #expect(Digest(parsing: text) == nil, "\(text)")
        }
    }

    @Test func `every digit stands for its value at every place, and no other byte is one`() {
        let digits = Array("0123456789abcdef".utf8)
        let whole = digits + digits + digits + digits
        for place in 0..<64 {
            for byte in UInt8.min...UInt8.max {
                var text = whole
                text[place] = byte
                let digest = Digest(parsing: text.span)
                #expect((digest != nil) == digits.contains(byte), "\(byte) at \(place)")
                if let digest { #expect(Array(digest.hex.utf8) == text) }
            }
        }
    }

    @Test func `digests are ordered as their text is`() {
        let digests = (0..<50).map { Digest.of(Array("\($0)".utf8)) }
        #expect(digests.sorted().map(\.hex) == digests.map(\.hex).sorted())
        #expect(Set(digests + digests).count == 50)
    }

    @Test func `a chain of layers has the identity that the OCI specification gives it`() {
        let (first, second) = (Digest.of([1]), Digest.of([2]))
        #expect(Digest.chain(parent: nil, diff: first) == first)
        let text = "sha256:\(first.hex) sha256:\(second.hex)"
        #expect(Digest.chain(parent: first, diff: second) == Digest.of(Array(text.utf8)))
    }

    @Test func `sources and sinks hash what passes, and nothing else`() throws {
        let content = noise(500_000, seed: 6)
        let source = HashingSource(DribblingSource(content))
        #expect(try readAll(source) == content)
        #expect(source.digest == Digest.of(content))
        #expect(source.byteCount == 500_000)
        let collected = MemorySink()
        let sink = HashingSink(collected)
        for start in stride(from: 0, to: content.count, by: 4999) {
            let portion = Array(content[start..<min(start + 4999, content.count)])
            try sink.write(portion.span)
        }
        try sink.finish()
        #expect(sink.digest == source.digest)
        #expect(sink.byteCount == 500_000)
        #expect(collected.bytes == content)
    }

    @Test func `a reader that drains its source has hashed every byte`() throws {
        var tar = HandmadeTar()
        tar.file("f", "content")
        let bytes = tar.finished + noise(1_000_000, seed: 8)
        let source = HashingSource(MemorySource(bytes))
        var reader = TarReader(source)
        while try reader.next() != nil {}
        #expect(source.byteCount < bytes.count)
        try reader.drain()
        #expect(source.digest == Digest.of(bytes))
        #expect(reader.offset == UInt64(bytes.count))
    }
}
