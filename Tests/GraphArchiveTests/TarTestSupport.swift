// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport

/// A member with its whole content, holes as zeros.
struct ReadMember: Equatable {
    var entry: ArchiveEntry
    var content: [UInt8] = []
    /// Bytes that were in the stream.
    var storedBytes = 0
}

/// Reads all members of a tar, each byte of them.
func readTar(_ source: any ByteSource) throws -> [ReadMember] {
    var reader = TarReader(source)
    var members: [ReadMember] = []
    while let entry = try reader.next() {
        var member = ReadMember(entry: entry)
        if case .file(let size) = entry.kind, size <= 1 << 24 {
            member.content = [UInt8](repeating: 0, count: Int(size))
        }
        try reader.readData { (offset, bytes) throws(ArchiveError) in
            for index in bytes.indices where Int(offset) + index < member.content.count {
                member.content[Int(offset) + index] = bytes[index]
            }
            member.storedBytes += bytes.count
        }
        members.append(member)
    }
    try reader.drain()
    return members
}

func readTar(_ bytes: [UInt8]) throws -> [ReadMember] { try readTar(MemorySource(bytes)) }

/// The error that reading a tar ends with, or nil.
func errorOfReading(_ bytes: [UInt8]) -> ArchiveError? {
    do {
        _ = try readTar(bytes)
        return nil
    } catch {
        return error as? ArchiveError
    }
}

/// Gives out bytes in small portions, as a pipe does.
final class DribblingSource: ByteSource {
    private let bytes: [UInt8]
    private var position = 0
    private let portions: [Int]
    private var turn = 0

    init(_ bytes: [UInt8], portions: [Int] = [1, 7, 500, 3, 513]) {
        (self.bytes, self.portions) = (bytes, portions)
    }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        turn += 1
        let count = min(portions[turn % portions.count], buffer.count, bytes.count - position)
        buffer.replaceSubrange(0..<count, with: bytes[position..<(position + count)])
        position += count
        return count
    }
}

/// Reads a source to its end, `portion` bytes at a time.
func readAll(_ source: any ByteSource, portion: Int = 65_536) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: portion)
    var all: [UInt8] = []
    while true {
        let count = try source.read(into: &buffer)
        if count == 0 { return all }
        all.append(contentsOf: buffer[..<count])
    }
}

/// A program that failed.
struct ToolFailure: Error {
    let status: Int32
    let message: String
}

/// Runs a program found in PATH and returns its standard output.
@discardableResult
func run(_ arguments: [String], in directory: URL, input: [UInt8] = []) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["LC_ALL=C.UTF-8", "TZ=UTC"] + arguments
    process.currentDirectoryURL = directory
    // Files, so that no pipe can fill up.
    let names = ["in", "out", "err"].map { directory.appending(path: ".\($0)-\(UUID())") }
    defer { for name in names { try? FileManager.default.removeItem(at: name) } }
    try Data(input).write(to: names[0])
    for name in names.dropFirst() { try Data().write(to: name) }
    process.standardInput = try FileHandle(forReadingFrom: names[0])
    process.standardOutput = try FileHandle(forWritingTo: names[1])
    process.standardError = try FileHandle(forWritingTo: names[2])
    try process.run()
    process.waitUntilExit()
    if process.terminationStatus != 0 {
        let message = String(decoding: try Data(contentsOf: names[2]), as: UTF8.self)
        throw ToolFailure(status: process.terminationStatus, message: message)
    }
    return Array(try Data(contentsOf: names[1]))
}

/// Runs a script of the shell.
@discardableResult
func shell(_ script: String, in directory: URL) throws -> [UInt8] {
    try run(["sh", "-euc", script], in: directory)
}

/// Lends a directory that is removed afterwards.
func withScratch<Value>(_ body: (URL) throws -> Value) throws -> Value {
    // Not in a memory filesystem, which may lack attributes of users.
    let directory = URL(filePath: "/var/tmp").appending(path: "graph-tar-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: directory) }
    return try body(directory)
}

/// Bytes that look random and are the same for the same seed.
func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
}

/// A tar made by hand, block by block.
struct HandmadeTar {
    var bytes: [UInt8] = []

    static let endMarker = [UInt8](repeating: 0, count: 1024)

    /// Adds a header with a right checksum, in which `fields` overwrite bytes at their places.
    mutating func header(
        _ name: String, type: Character = "0", size: Int = 0, magic: String = "ustar\u{0}00",
        fields: [Int: [UInt8]] = [:]
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ value: [UInt8], _ place: Int) {
            for (index, byte) in value.enumerated() { block[place + index] = byte }
        }
        put(Array(name.utf8), 0)
        for place in [100, 108, 116] { put(Array("0000644\u{0}".utf8), place) }
        put(Array(String(format: "%011o", size).utf8), 124)
        put(Array("00000000001".utf8), 136)
        put([type.asciiValue ?? 0], 156)
        put(Array(magic.utf8), 257)
        for (place, value) in fields { put(value, place) }
        block.replaceSubrange(148..<156, with: repeatElement(32, count: 8))
        let sum = block.reduce(0) { $0 + Int($1) }
        put(Array(String(format: "%06o\u{0} ", sum).utf8), 148)
        bytes += block
    }

    /// Adds data and their padding.
    mutating func data(_ content: [UInt8]) {
        bytes += content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    /// Adds a member with its data.
    mutating func file(_ name: String, _ content: String) {
        header(name, size: content.utf8.count)
        data(Array(content.utf8))
    }

    /// Adds an extension header with these records.
    mutating func records(_ records: [(String, [UInt8])], type: Character = "x") {
        var body: [UInt8] = []
        for (key, value) in records {
            let rest = key.utf8.count + value.count + 3
            var length = rest + String(rest).count
            if String(length).count > String(rest).count { length += 1 }
            body += Array("\(length) \(key)=".utf8) + value + [10]
        }
        header("PaxHeaders/x", type: type, size: body.count)
        data(body)
    }

    mutating func records(_ records: [(String, String)], type: Character = "x") {
        self.records(records.map { ($0, Array($1.utf8)) }, type: type)
    }

    /// The bytes with an end marker.
    var finished: [UInt8] { bytes + Self.endMarker }
}
