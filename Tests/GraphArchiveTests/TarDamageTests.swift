// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import GraphTestSupport
import Testing

/// Archives that break the format, or the bounds.
struct TarDamageTests {
    /// A small archive of everything: long names, records, a sparse file of each format.
    private static var sample: (bytes: [UInt8], boundaries: Set<Int>) {
        var tar = HandmadeTar()
        var boundaries: Set<Int> = [0]
        // Nothing is missing of a member whose padding is.
        func whole(_ dataBytes: Int) {
            let padding = (512 - dataBytes % 512) % 512
            boundaries.formUnion((tar.bytes.count - padding)...tar.bytes.count)
        }
        tar.file("plain", String(repeating: "content ", count: 100))
        whole(800)
        tar.header("././@LongLink", type: "L", size: 151, magic: "ustar  \u{0}")
        tar.data([UInt8](repeating: 110, count: 150) + [0])
        tar.header("short", magic: "ustar  \u{0}")
        whole(0)
        tar.records([("path", "a name"), ("mtime", "1.5"), ("SCHILY.xattr.user.a", "value")])
        tar.file("short", "x")
        whole(1)
        tar.header(
            "sparse", type: "S", size: 4, magic: "ustar  \u{0}",
            fields: [
                386: Array("00000000010\u{0}00000000004\u{0}".utf8), 482: [1],
                483: Array("00000100000\u{0}".utf8),
            ])
        tar.bytes += [UInt8](repeating: 0, count: 512)
        tar.data(Array("data".utf8))
        whole(4)
        tar.records([
            ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"),
            ("GNU.sparse.realsize", "3000"),
        ])
        tar.header("GNUSparseFile.0/s", size: 516)
        tar.data(Array("2\n1000\n4\n3000\n0\n".utf8))
        tar.data(Array("more".utf8))
        whole(4)
        tar.records([("GNU.sparse.size", "3000"), ("GNU.sparse.map", "8,4")])
        tar.header("s2", size: 4)
        tar.data(Array("last".utf8))
        whole(4)
        boundaries.insert(tar.bytes.count + 512)
        return (tar.finished, boundaries)
    }

    @Test func `an archive cut off at any byte is truncated, or whole as far as it goes`() throws {
        let (bytes, boundaries) = Self.sample
        #expect(try readTar(bytes).count == 6)
        for length in 0..<bytes.count {
            let error = errorOfReading(Array(bytes[..<length]))
            if boundaries.contains(length) {
                #expect(error == nil, "\(length)")
            } else {
                #expect(error?.code == .truncated, "\(length)")
                #expect((error?.offset ?? .max) <= UInt64(length), "\(length)")
            }
        }
    }

    @Test func `no damaged byte is ever a crash, and in a header it is always noticed`() {
        let (bytes, _) = Self.sample
        let seed = SeededGenerator.runSeed
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<(SeededGenerator.isSoak ? 400_000 : 4000) {
            var damaged = bytes
            // Not in the checksum itself, whose padding has several spellings.
            let place = Int.random(in: 0..<504, using: &generator) + 8
            let isBefore = place < 156
            damaged[isBefore ? place - 8 : place] ^= UInt8.random(in: 1...255, using: &generator)
            #expect(errorOfReading(damaged) != nil, "seed \(seed), byte \(place)")
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let other = Int.random(in: 0..<bytes.count, using: &generator)
                damaged[other] = UInt8.random(in: 0...255, using: &generator)
            }
            _ = errorOfReading(damaged)
        }
    }

    @Test func `damage behind a right checksum is no crash either`() {
        let seed = SeededGenerator.runSeed
        var generator = SeededGenerator(seed: seed)
        let types = Array("01234567\u{0}xgLKSDVX5")
        for _ in 0..<(SeededGenerator.isSoak ? 400_000 : 4000) {
            var tar = HandmadeTar()
            var fields: [Int: [UInt8]] = [:]
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                let starts = [0, 100, 108, 116, 124, 136, 157, 329, 345, 386, 398, 482, 483]
                let start = starts[Int.random(in: 0..<starts.count, using: &generator)]
                let digits = Bool.random(using: &generator)
                fields[start] = (0..<11).map { _ in
                    digits
                        ? UInt8.random(in: 47...56, using: &generator)
                        : UInt8.random(in: 0...255, using: &generator)
                }
            }
            let type = types[Int.random(in: 0..<types.count, using: &generator)]
            let magic = Bool.random(using: &generator) ? "ustar  \u{0}" : "ustar\u{0}00"
            tar.header("n", type: type, size: 30, magic: magic, fields: fields)
            tar.data(Array("30 path=some name of a file xy\n".utf8))
            tar.file("f", "")
            _ = errorOfReading(tar.finished)
        }
    }

    @Test(arguments: [10_000_000_000, 0o77777777777])
    func `a size that the stream does not have is truncated at once`(size: Int) {
        var tar = HandmadeTar()
        tar.header("f", size: size)
        tar.bytes += [UInt8](repeating: 1, count: 512)
        #expect(errorOfReading(tar.bytes)?.code == .truncated)
        var records = HandmadeTar()
        records.records([("size", String(Int64.max))])
        records.header("f")
        #expect(errorOfReading(records.bytes)?.code == .truncated)
    }

    @Test(arguments: [
        (124, "12a", "size"), (124, "-1", "size"), (136, "9", "mtime"), (100, "x", "mode"),
        (108, "1 2", "uid"), (116, "8", "gid"),
    ])
    func `a field that is no number is named`(place: Int, text: String, name: String) {
        var tar = HandmadeTar()
        tar.file("f", "x")
        var field = Array(text.utf8)
        field += [UInt8](repeating: 0, count: 8 - field.count)
        tar.header("g", fields: [place: field])
        let error = errorOfReading(tar.finished)
        #expect(error?.code == .malformed)
        #expect(error?.offset == 1024)
        #expect(error?.message.contains(name) == true)
    }

    @Test func `numbers that do not fit are refused`() {
        let huge: [UInt8] = [0x80] + [UInt8](repeating: 0xFF, count: 11)
        let negative = [UInt8](repeating: 0xFF, count: 12)
        for (place, value, code) in [
            (124, huge, ArchiveError.Code.malformed), (124, negative, .malformed),
            (136, huge, .malformed), (108, Array(negative.prefix(8)), .malformed),
            (108, [0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF], .unsupported),
            (108, [0x80, 0, 0, 1, 0, 0, 0, 0], .unsupported),
        ] {
            var tar = HandmadeTar()
            tar.header("f", fields: [place: value])
            #expect(errorOfReading(tar.finished)?.code == code, "\(place) \(value)")
        }
    }

    @Test(arguments: [
        [("path", "a\u{0}b")], [("linkpath", "a\u{0}")], [("SCHILY.xattr.a\u{0}b", "v")],
        [("SCHILY.xattr.", "v")], [("mtime", "1e5")], [("mtime", "-")], [("mtime", "1.-5")],
        [("size", "-1")], [("uid", "0x1")], [("size", "9223372036854775808")],
        [("LIBARCHIVE.xattr.user.a", "*")], [("LIBARCHIVE.xattr.user.a%4", "QQ")],
        [("GNU.sparse.size", "10"), ("GNU.sparse.map", "0,x")],
        [("GNU.sparse.size", "10"), ("GNU.sparse.map", "0,0,5")],
        [("GNU.sparse.size", "10"), ("GNU.sparse.map", "5,3,2,2")],
        [("GNU.sparse.size", "10"), ("GNU.sparse.map", "8,5")],
        [("GNU.sparse.size", "10"), ("GNU.sparse.map", "9223372036854775807,5")],
        [("GNU.sparse.size", "10"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", "0,5")],
        [("GNU.sparse.size", "10"), ("GNU.sparse.numbytes", "1"), ("GNU.sparse.offset", "0")],
        [("GNU.sparse.map", "0,5")], [("GNU.sparse.size", "10"), ("GNU.sparse.map", "0,4")],
        [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "99999999")],
    ])
    func `records with nonsense in them are malformed`(records: [(String, String)]) {
        var tar = HandmadeTar()
        tar.records(records)
        tar.file("f", "12345")
        let error = errorOfReading(tar.finished)
        #expect(error?.code == .malformed)
        #expect((error?.offset ?? 0) >= 512)
    }

    @Test(arguments: [
        "5 a=b\n", "7 a=b\n", "6 ab\n\n", "6 =bc\n", "x a=b\n", "6", "99999999999999 a=b\n",
        "6 a=bc", "0 a=b\n", "-6 a=b\n", "6a=b\n",
    ])
    func `bodies that are no records are malformed`(body: String) {
        var tar = HandmadeTar()
        tar.header("x", type: "x", size: body.utf8.count)
        tar.data(Array(body.utf8))
        tar.file("f", "")
        let error = errorOfReading(tar.finished)
        #expect(error?.code == .malformed)
        #expect(error?.offset == 512)
    }

    @Test func `names are not longer than the kernel takes, and targets not empty`() throws {
        // A deletion has a marker and a slash more than what it deletes.
        for (count, code) in [(4_100, nil as ArchiveError.Code?), (4_101, .unsupported)] {
            var tar = HandmadeTar()
            tar.records([("path", String(repeating: "n", count: count))])
            tar.file("f", "")
            #expect(errorOfReading(tar.finished)?.code == code)
        }
        for (count, code) in [(4_095, nil as ArchiveError.Code?), (4_096, .unsupported)] {
            let path = String(repeating: "n", count: count)
            var tar = HandmadeTar()
            tar.header("././@LongLink", type: "K", size: path.utf8.count + 1)
            tar.data(Array(path.utf8) + [0])
            tar.header("l", type: "2")
            #expect(errorOfReading(tar.finished)?.code == code)
        }
        var tar = HandmadeTar()
        tar.file("", "")
        // It means the root.
        #expect(errorOfReading(tar.finished) == nil)
        tar = HandmadeTar()
        tar.header("l", type: "2")
        #expect(errorOfReading(tar.finished)?.code == .malformed)
    }

    @Test func `attributes larger than Linux has them are refused clearly`() throws {
        for (count, code) in [
            (65_536, nil as ArchiveError.Code?), (65_537, .unsupported), (1 << 20, .unsupported),
            (1 << 30, .unsupported),
        ] {
            var tar = HandmadeTar()
            if count <= 1 << 20 {
                tar.records([("SCHILY.xattr.user.a", [UInt8](repeating: 1, count: count))])
            } else {
                tar.header("x", type: "x", size: count)
            }
            tar.file("f", "")
            #expect(errorOfReading(tar.finished)?.code == code)
        }
        var tar = HandmadeTar()
        for index in 0..<20 {
            tar.records([("SCHILY.xattr.user.\(index)", [UInt8](repeating: 1, count: 60_000))])
        }
        tar.file("f", "")
        #expect(errorOfReading(tar.finished)?.code == .unsupported)
        tar = HandmadeTar()
        for index in 0..<20 {
            tar.records(
                [("SCHILY.xattr.user.\(index)", [UInt8](repeating: 1, count: 60_000))], type: "g")
        }
        tar.file("f", "")
        #expect(errorOfReading(tar.finished)?.code == .unsupported)
    }

    @Test func `a sparse map is bounded`() {
        var tar = HandmadeTar()
        tar.records([
            ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "3000"),
        ])
        tar.header("f", size: 1 << 30)
        tar.data(Array("99999999\n".utf8))
        #expect(errorOfReading(tar.finished)?.code == .unsupported)
    }

    @Test func `an extension header without a member is an error`() {
        var tar = HandmadeTar()
        tar.records([("path", "p")])
        #expect(errorOfReading(tar.finished)?.code == .malformed)
        #expect(errorOfReading(tar.bytes)?.code == .truncated)
    }
}
