// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBtrfs
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A send stream that a test writes.
private struct StreamBytes {
    var bytes = Array("btrfs-stream\0".utf8)
    let version: UInt32

    init(version: UInt32 = 1) {
        self.version = version
        append(version)
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        bytes += Self.bytes(of: number)
    }

    private static func bytes(of number: some FixedWidthInteger) -> [UInt8] {
        (0..<(type(of: number).bitWidth / 8)).map {
            UInt8(truncatingIfNeeded: number >> (8 * $0))
        }
    }

    /// An attribute; of data in version 2 without a length.
    func attribute(_ number: UInt16, _ value: some Sequence<UInt8>) -> [UInt8] {
        let value = Array(value)
        let length = number == 19 && version == 2 ? [] : Self.bytes(of: UInt16(value.count))
        return Self.bytes(of: number) + length + value
    }

    mutating func add(_ command: UInt16, _ attributes: [UInt8]...) {
        let body = Array(attributes.joined())
        let head = Self.bytes(of: UInt32(body.count)) + Self.bytes(of: command)
        // CRC-32C bit by bit, over zeros in place of the checksum.
        var sum: UInt32 = 0
        for byte in head + [0, 0, 0, 0] + body {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 0 ? sum >> 1 : sum >> 1 ^ 0x82F6_3B78 }
        }
        bytes += head
        append(sum)
        bytes += body
    }

    mutating func add(_ command: UInt16, path: String) {
        add(command, attribute(15, path.utf8))
    }

    /// One that touches some paths in each way.
    static func sample(version: UInt32) -> StreamBytes {
        var stream = StreamBytes(version: version)
        stream.add(
            2, stream.attribute(15, "tree".utf8),
            stream.attribute(1, [UInt8](repeating: 7, count: 16)))
        stream.add(3, path: "o300-7-0")
        stream.add(
            9, stream.attribute(15, "o300-7-0".utf8), stream.attribute(16, "root/new".utf8))
        stream.add(10, stream.attribute(15, "root/b".utf8), stream.attribute(17, "root/a".utf8))
        stream.add(
            15, stream.attribute(15, "root/a".utf8),
            stream.attribute(18, [0, 0, 0, 0, 0, 0, 0, 0]),
            stream.attribute(19, [UInt8](repeating: 1, count: 300)))
        stream.add(20, path: "")
        if version == 2 { stream.add(23, path: "root/a") }
        stream.add(21)
        return stream
    }
}

/// What the reader of send streams promises.
@Suite struct SendStreamTests {
    private func read(
        _ bytes: [UInt8], pieces: Int = .max
    ) throws(ArchiveError) -> [SendCommand] {
        var reader = SendStreamReader()
        var commands: [SendCommand] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start &+ min(pieces, bytes.count))
            try reader.take(Array(bytes[start..<end]).span) { commands.append($0) }
            start = end
        }
        try reader.finish()
        return commands
    }

    @Test(arguments: [1, 2] as [UInt32])
    func `commands and their paths come out, in pieces of any size`(_ version: UInt32) throws {
        let bytes = StreamBytes.sample(version: version).bytes
        let expected =
            [
                SendCommand(.snapshot, "tree"), SendCommand(.makeFile, "o300-7-0"),
                SendCommand(.rename, "o300-7-0", "root/new"),
                SendCommand(.link, "root/b", "root/a"), SendCommand(.write, "root/a"),
                SendCommand(.setTimes, ""),
            ] + (version == 2 ? [SendCommand(.allocate, "root/a")] : [])
            + [SendCommand(.end, "")]
        for pieces in [1, 2, 3, 7, 64, .max] {
            #expect(try read(bytes, pieces: pieces) == expected)
        }
    }

    @Test(arguments: [1, 2] as [UInt32])
    func `a stream that ends early is truncated, wherever it does`(_ version: UInt32) {
        let bytes = StreamBytes.sample(version: version).bytes
        for count in 0..<bytes.count {
            let error = #expect(throws: ArchiveError.self) { try read(Array(bytes[..<count])) }
            #expect(error?.code == .truncated, "\(count) bytes")
        }
    }

    @Test(arguments: [1, 2] as [UInt32])
    func `a stream with any bit changed is refused`(_ version: UInt32) {
        let bytes = StreamBytes.sample(version: version).bytes
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: ArchiveError.self, "bit \(bit)") { try read(damaged) }
        }
    }

    @Test(arguments: [
        "/etc/passwd", "root//a", "root/", "..", "root/../a", "root/./a", "a\0b",
        String(repeating: "x", count: 256), String(repeating: "xyz/", count: 1_100) + "x",
    ])
    func `a path that no file has is refused`(_ path: String) {
        var stream = StreamBytes()
        stream.add(20, path: path)
        let error = #expect(throws: ArchiveError.self) { try read(stream.bytes) }
        #expect(error?.code == .malformed)
    }

    @Test func `what breaks the format is refused with the place`() {
        let whole = StreamBytes.sample(version: 1)
        var broken: [[UInt8]] = [whole.bytes + [0]]
        var unknown = StreamBytes()
        unknown.add(27)
        broken.append(unknown.bytes)
        var pathless = StreamBytes()
        pathless.add(9, pathless.attribute(15, "a".utf8))
        broken.append(pathless.bytes)
        var twice = StreamBytes()
        twice.add(20, twice.attribute(15, "a".utf8), twice.attribute(15, "b".utf8))
        broken.append(twice.bytes)
        var half = StreamBytes()
        half.add(20, [15, 0, 9, 0, 97])
        broken.append(half.bytes)
        // A length that nobody would wait for.
        broken.append(StreamBytes().bytes + [255, 255, 255, 127, 20, 0, 0, 0, 0, 0])
        for bytes in broken {
            let error = #expect(throws: ArchiveError.self) { try read(bytes) }
            #expect(error?.code == .malformed && error?.offset ?? 0 >= 17)
        }
        let error = #expect(throws: ArchiveError.self) { try read(StreamBytes(version: 3).bytes) }
        #expect(error?.code == .unsupported)
    }

    @Test(.usable("btrfs"))
    func `the kernel's own stream is read, and can be left in the middle`() throws {
        let base = try #require(DriverUnderTest.all.first { $0.name == "btrfs" }).base
        let holder = try Directory(opening: base)
        defer {
            for name in ["send-old", "send-new"] as [RawPath] {
                try? Subvolume(name, in: holder).setReadOnly(false)
                try? Subvolume.destroy(name, in: holder)
            }
        }
        try Subvolume.make("send-old", in: holder)
        let old = try Subvolume("send-old", in: holder)
        try old.setReadOnly(true)
        try old.makeSnapshot("send-new", in: holder)
        let new = try Subvolume("send-new", in: holder)
        for index in 0..<3_000 {
            _ = try new.directory.open(
                RawPath("file \(index)"), [.create, .writeOnly], permissions: 0o600)
        }
        let parent = try old.id()
        let refused = #expect(throws: SyscallError.self) {
            try new.send(from: parent) { _ in true }
        }
        #expect(refused?.errno == .notPermitted)
        try new.setReadOnly(true)
        var bytes: [UInt8] = []
        try new.send(from: parent) { piece in
            for index in piece.indices { bytes.append(piece[index]) }
            return true
        }
        let commands = try read(bytes, pieces: 1_000)
        #expect(Set(commands.filter { $0.kind == .rename }.map(\.otherPath)).count == 3_000)
        var pieces = 0
        try new.send(from: parent) { _ in
            pieces += 1
            return false
        }
        #expect(pieces == 1)
    }
}
