// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import Testing

/// What headers mean, with archives made by hand.
struct TarDialectTests {
    @Test func `global records hold for all that follow, a member's own go before them`() throws {
        var tar = HandmadeTar()
        tar.file("before", "")
        tar.records([("mtime", "5.5"), ("uid", "7"), ("SCHILY.xattr.user.g", "v")], type: "g")
        tar.file("first", "")
        tar.records([("mtime", "6"), ("uid", "")])
        tar.file("second", "")
        tar.file("third", "")
        let entries = try readTar(tar.finished).map(\.entry)
        #expect(
            entries.map(\.modified) == [
                Timestamp(seconds: 1), Timestamp(seconds: 5, nanoseconds: 500_000_000),
                Timestamp(seconds: 6), Timestamp(seconds: 5, nanoseconds: 500_000_000),
            ])
        #expect(entries.map(\.uid) == [0o644, 7, 0o644, 7])
        #expect(entries.map(\.attributes.count) == [0, 1, 1, 1])
    }

    @Test(arguments: [
        ("0", Timestamp(seconds: 0)), ("-0.5", Timestamp(seconds: -1, nanoseconds: 500_000_000)),
        ("-1.000000001", Timestamp(seconds: -2, nanoseconds: 999_999_999)),
        ("3.", Timestamp(seconds: 3)),
        ("3.1234567899", Timestamp(seconds: 3, nanoseconds: 123_456_789)),
        ("9223372036854775807", Timestamp(seconds: .max)),
    ])
    func `times in records are exact`(text: String, time: Timestamp) throws {
        var tar = HandmadeTar()
        tar.records([("mtime", text)])
        tar.file("f", "")
        #expect(try readTar(tar.finished).first?.entry.modified == time)
    }

    @Test func `links have no data, whatever their size says`() throws {
        var tar = HandmadeTar()
        tar.file("f", "data")
        tar.header("hard", type: "1", size: 4, fields: [157: [102]])
        tar.header("soft", type: "2", size: 1 << 20, fields: [157: [102]])
        tar.header("dir", type: "5", size: 600)
        tar.file("g", "more")
        let members = try readTar(tar.finished)
        #expect(
            members.map(\.entry.kind) == [
                .file(size: 4), .hardLink(target: "f"), .symbolicLink(target: "f"), .directory,
                .file(size: 4),
            ])
    }

    @Test func `a slash at the end makes a directory only of what has no type`() throws {
        var tar = HandmadeTar()
        tar.header("d/", type: "\u{0}", magic: "")
        tar.header("f", type: "\u{0}", size: 1, magic: "")
        tar.data([120])
        tar.header("g", type: "7")
        tar.header("h", type: "9")
        let kinds = try readTar(tar.finished).map(\.entry.kind)
        #expect(kinds == [.directory, .file(size: 1), .file(size: 0), .file(size: 0)])
    }

    @Test(arguments: ["A", "E", "I", "M", "N", "Z"] as [Character])
    func `types of vendors are refused`(type: Character) {
        var tar = HandmadeTar()
        tar.file("f", "x")
        tar.header("v", type: type)
        let error = errorOfReading(tar.finished)
        #expect(error?.code == .unsupported)
        #expect(error?.offset == 1024)
    }

    @Test func `the old Go writer's prefix in a GNU header is found, times there are none`() throws
    {
        var tar = HandmadeTar()
        let magic = "ustar  \u{0}"
        tar.header("name", magic: magic, fields: [345: Array("a/long/prefix".utf8)])
        let time = Array("12345670123\u{0}".utf8)
        tar.header("name", magic: magic, fields: [345: time, 357: time])
        #expect(try readTar(tar.finished).map(\.entry.path) == ["a/long/prefix/name", "name"])
    }

    @Test func `a header of star has a shorter prefix`() throws {
        var tar = HandmadeTar()
        let prefix = [UInt8](repeating: 112, count: 131)
        tar.header(
            "n", fields: [345: prefix, 476: Array("12345670123 ".utf8), 508: Array("tar\0".utf8)])
        #expect(try readTar(tar.finished).first?.entry.path.count == 133)
    }

    @Test func `a checksum over signed characters is accepted`() throws {
        var tar = HandmadeTar()
        tar.header("caf\u{E9}")
        // Two bytes of UTF-8 above 127 make the sum 512 less; they are 0o1000.
        let digits = String(decoding: tar.bytes[148..<154], as: UTF8.self)
        let sum = (Int(digits, radix: 8) ?? 0) - 512
        let text = String(sum, radix: 8)
        let padded = String(repeating: "0", count: 6 - text.count) + text
        tar.bytes.replaceSubrange(148..<154, with: padded.utf8)
        #expect(try readTar(tar.finished).count == 1)
        tar.bytes[152] ^= 1
        #expect(errorOfReading(tar.finished)?.code == .malformed)
    }

    @Test func `the end is a marker, half a marker, or the end of the stream`() throws {
        var tar = HandmadeTar()
        tar.file("f", "x")
        let zeros = [UInt8](repeating: 0, count: 512)
        for ending in [[], zeros, zeros + zeros, zeros + zeros + [1, 2, 3]] {
            #expect(try readTar(tar.bytes + ending).count == 1)
        }
        #expect(try readTar(zeros + zeros).isEmpty)
        #expect(try readTar([]).isEmpty)
        #expect(errorOfReading(tar.bytes + zeros + tar.bytes)?.code == .malformed)
    }

    @Test(arguments: ["0000644", " 644  ", "644 ", "\u{0}644"])
    func `numbers may be padded in any way`(text: String) throws {
        var tar = HandmadeTar()
        tar.header("f", fields: [100: [UInt8](repeating: 0, count: 8)])
        tar = HandmadeTar()
        var field = Array(text.utf8)
        field += [UInt8](repeating: 0, count: 8 - field.count)
        tar.header("f", fields: [100: field])
        #expect(try readTar(tar.finished).first?.entry.permissions == 0o644)
    }
}
