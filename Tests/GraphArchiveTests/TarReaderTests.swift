// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import Testing

/// Archives that real programs have made.
struct TarReaderTests {
    @Test(arguments: ["v7", "oldgnu", "gnu", "ustar", "posix"])
    func `archives of every format of GNU tar are read whole`(format: String) throws {
        try withScratch { scratch in
            try shell(
                """
                mkdir -p t/dir; printf x > t/dir/one; : > t/empty; head -c 512 /dev/zero > t/block
                head -c 300000 /dev/urandom > t/large; ln -s dir/one t/link; ln t/large t/same
                chown 1000:2000 t/dir/one; chmod 4755 t/dir/one; chmod 1777 t/dir
                find t -exec touch -h -d @1234567890 {} +
                tar --format=\(format) --sort=name --numeric-owner -cf t.tar t
                """, in: scratch)
            let archive = Array(try Data(contentsOf: scratch.appending(path: "t.tar")))
            let large = Array(try Data(contentsOf: scratch.appending(path: "t/large")))
            let members = try readTar(DribblingSource(archive))
            let paths = members.map(\.entry.path.description)
            #expect(
                paths == [
                    "t/", "t/block", "t/dir/", "t/dir/one", "t/empty", "t/large", "t/link",
                    "t/same",
                ])
            let byPath = Dictionary(uniqueKeysWithValues: zip(paths, members))
            #expect(members.allSatisfy { $0.entry.modified == Timestamp(seconds: 1_234_567_890) })
            #expect(byPath["t/dir/"]?.entry.kind == .directory)
            #expect(byPath["t/dir/"]?.entry.permissions == 0o1777)
            #expect(byPath["t/dir/one"]?.entry.kind == .file(size: 1))
            #expect(byPath["t/dir/one"]?.entry.permissions == 0o4755)
            #expect(byPath["t/dir/one"]?.entry.uid == 1000)
            #expect(byPath["t/dir/one"]?.entry.gid == 2000)
            #expect(byPath["t/dir/one"]?.content == Array("x".utf8))
            #expect(byPath["t/large"]?.content == large)
            #expect(byPath["t/link"]?.entry.kind == .symbolicLink(target: "dir/one"))
            #expect(byPath["t/same"]?.entry.kind == .hardLink(target: "t/large"))
            #expect(try readTar(archive) == members)
        }
    }

    @Test func `data that nobody reads are stepped over`() throws {
        var tar = HandmadeTar()
        for index in 0..<5 { tar.file("f\(index)", String(repeating: "x", count: index * 700)) }
        var reader = TarReader(DribblingSource(tar.finished))
        var names: [String] = []
        while let entry = try reader.next() { names.append(entry.path.description) }
        #expect(names == ["f0", "f1", "f2", "f3", "f4"])
        #expect(try reader.next() == nil)
        try reader.drain()
        #expect(reader.offset == UInt64(tar.finished.count))
    }

    @Test(arguments: ["oldgnu", "gnu", "posix"])
    func `long names and long targets come whole`(format: String) throws {
        try withScratch { scratch in
            try shell(
                """
                d=$(printf 'd%.0s' $(seq 200)); mkdir -p t/$d/$d; printf x > t/$d/$d/$d
                ln -s $d/$d/$d t/link; ln t/$d/$d/$d t/$d/hard
                tar --format=\(format) --sort=name -cf t.tar t
                """, in: scratch)
            let members = try readTar(
                Array(try Data(contentsOf: scratch.appending(path: "t.tar"))))
            let name = String(repeating: "d", count: 200)
            let file = RawPath("t/\(name)/\(name)/\(name)")
            #expect(members.contains { $0.entry.path == file && $0.content == [120] })
            let hard = RawPath("t/\(name)/hard")
            let link = members.first { $0.entry.path == hard }
            #expect(link?.entry.kind == .hardLink(target: file))
            let target = RawPath("\(name)/\(name)/\(name)")
            #expect(members.contains { $0.entry.kind == .symbolicLink(target: target) })
        }
    }

    @Test func `the prefix of ustar is part of the name`() throws {
        try withScratch { scratch in
            try shell(
                """
                d=$(printf 'd%.0s' $(seq 90)); mkdir -p t/$d; printf x > t/$d/$d
                tar --format=ustar -cf t.tar t/$d/$d
                """, in: scratch)
            let name = String(repeating: "d", count: 90)
            let members = try readTar(
                Array(try Data(contentsOf: scratch.appending(path: "t.tar"))))
            #expect(members.map(\.entry.path) == [RawPath("t/\(name)/\(name)")])
        }
    }

    @Test func `extended attributes of GNU tar are kept, in the order of their names`() throws {
        try withScratch { scratch in
            try shell(
                """
                printf x > f; setfattr -n user.zero -v '' f; setfattr -n user.a=b%c -v 0x00ff3d0a f
                setfattr -n user.long -v $(printf 'v%.0s' $(seq 2000)) f
                tar --format=posix --xattrs --xattrs-include='*' -cf t.tar f
                """, in: scratch)
            let members = try readTar(
                Array(try Data(contentsOf: scratch.appending(path: "t.tar"))))
            #expect(
                members.first?.entry.attributes == [
                    ExtendedAttribute(name: "user.a=b%c", value: [0, 255, 61, 10]),
                    ExtendedAttribute(
                        name: "user.long", value: [UInt8](repeating: 118, count: 2000)),
                    ExtendedAttribute(name: "user.zero", value: []),
                ])
        }
    }

    @Test func `attributes of libarchive are decoded`() throws {
        var tar = HandmadeTar()
        tar.records([
            ("LIBARCHIVE.xattr.user.a%3Db%20c", "AP89Cg"), ("LIBARCHIVE.xattr.user.p", "AP89Cg=="),
            ("SCHILY.xattr.user.p", "later"),
        ])
        tar.file("f", "")
        #expect(
            try readTar(tar.finished).first?.entry.attributes == [
                ExtendedAttribute(name: "user.a=b c", value: [0, 255, 61, 10]),
                ExtendedAttribute(name: "user.p", value: Array("later".utf8)),
            ])
    }

    @Test(arguments: [
        "--format=oldgnu", "--format=gnu", "--format=posix --sparse-version=0.0",
        "--format=posix --sparse-version=0.1", "--format=posix --sparse-version=1.0",
    ])
    func `sparse files of every format have their data in place`(options: String) throws {
        try withScratch { scratch in
            // More pieces than a header of the old format, and two that continue it, have room for.
            try shell(
                """
                for i in $(seq 0 60); do
                  printf "piece $i" | dd of=many bs=65536 seek=$i conv=notrunc status=none
                done
                truncate -s 5000001 many; truncate -s 1000000 hole
                printf x > tail; truncate -s 100000 tail; printf end >> tail; printf dense > dense
                tar \(options) --sparse -cf t.tar many hole tail dense
                """, in: scratch)
            let archive = Array(try Data(contentsOf: scratch.appending(path: "t.tar")))
            let members = try readTar(DribblingSource(archive))
            #expect(
                members.map(\.entry.path.description) == ["many", "hole", "tail", "dense"])
            for member in members {
                let file = scratch.appending(path: member.entry.path.description)
                let content = Array(try Data(contentsOf: file))
                #expect(member.entry.kind == .file(size: UInt64(content.count)))
                #expect(member.content == content)
            }
            #expect(members.prefix(3).allSatisfy { $0.storedBytes < $0.content.count / 2 })
        }
    }

    @Test func `times before 1970 and fractions of seconds are exact`() throws {
        try withScratch { scratch in
            try shell(
                """
                printf x > a; printf x > b; printf x > c
                touch -d '1960-01-02 03:04:05.25' a; touch -d '2020-01-01 00:00:00.123456789' b
                touch -d '1969-12-31 23:59:59.999999999' c
                tar --format=posix -cf p.tar a b c; tar --format=gnu -cf g.tar a b c
                """, in: scratch)
            let exact = try readTar(Array(try Data(contentsOf: scratch.appending(path: "p.tar"))))
            #expect(
                exact.map(\.entry.modified) == [
                    Timestamp(seconds: -315_521_755, nanoseconds: 250_000_000),
                    Timestamp(seconds: 1_577_836_800, nanoseconds: 123_456_789),
                    Timestamp(seconds: -1, nanoseconds: 999_999_999),
                ])
            let whole = try readTar(Array(try Data(contentsOf: scratch.appending(path: "g.tar"))))
            #expect(whole.map(\.entry.modified.seconds) == [-315_521_755, 1_577_836_800, -1])
        }
    }

    @Test func `devices and pipes keep their numbers`() throws {
        try withScratch { scratch in
            try run(
                [
                    "python3", "-c",
                    """
                    import tarfile
                    t = tarfile.open('t.tar', 'w', format=tarfile.PAX_FORMAT)
                    for name, kind, a, b in [('c', tarfile.CHRTYPE, 1, 3),
                                             ('b', tarfile.BLKTYPE, 259, 65537),
                                             ('p', tarfile.FIFOTYPE, 0, 0)]:
                        i = tarfile.TarInfo(name)
                        i.type, i.devmajor, i.devminor = kind, a, b
                        i.uid, i.gid = 4000000000, 3000000
                        t.addfile(i)
                    t.close()
                    """,
                ], in: scratch)
            let members = try readTar(
                Array(try Data(contentsOf: scratch.appending(path: "t.tar"))))
            #expect(
                members.map(\.entry.kind) == [
                    .characterDevice(DeviceNumber(major: 1, minor: 3)),
                    .blockDevice(DeviceNumber(major: 259, minor: 65_537)), .fifo,
                ])
            #expect(members.allSatisfy { $0.entry.uid == 4_000_000_000 })
            #expect(members.allSatisfy { $0.entry.gid == 3_000_000 })
        }
    }

    @Test(arguments: ["USTAR", "GNU", "PAX"])
    func `names that are no UTF-8 keep their bytes`(format: String) throws {
        try withScratch { scratch in
            try run(
                [
                    "python3", "-c",
                    """
                    import tarfile
                    t = tarfile.open('t.tar', 'w', format=tarfile.\(format)_FORMAT)
                    t.addfile(tarfile.TarInfo(b'caf\\xe9'.decode('utf-8', 'surrogateescape')))
                    t.addfile(tarfile.TarInfo('caf\\u00e9'))
                    t.close()
                    """,
                ], in: scratch)
            let members = try readTar(
                Array(try Data(contentsOf: scratch.appending(path: "t.tar"))))
            #expect(
                members.map { Array($0.entry.path.bytes) } == [
                    [99, 97, 102, 0xE9], [99, 97, 102, 0xC3, 0xA9],
                ])
        }
    }

    @Test func `a label is no member, a dumped directory is one, several volumes are refused`()
        throws
    {
        try withScratch { scratch in
            try shell(
                """
                mkdir d; printf x > d/a; head -c 100000 /dev/urandom > big
                tar --format=gnu -V Label -cf label.tar d/a
                tar --format=gnu --listed-incremental=snar -cf dump.tar d
                printf 'n vol2\\nn vol3\\n' |
                  tar --format=gnu -M -L 60 -cf vol1 big 2> /dev/null
                """, in: scratch)
            let label = try readTar(
                Array(try Data(contentsOf: scratch.appending(path: "label.tar"))))
            #expect(label.map(\.entry.path) == ["d/a"])
            let dump = try readTar(Array(try Data(contentsOf: scratch.appending(path: "dump.tar"))))
            #expect(dump.map(\.entry.kind) == [.directory, .file(size: 1)])
            let volume = Array(try Data(contentsOf: scratch.appending(path: "vol2")))
            #expect(errorOfReading(volume)?.code == .unsupported)
        }
    }

    @Test func `an archive may have no byte, or end where the data of its last member do`() throws {
        #expect(try readTar([]).isEmpty)
        let whole = try LayerTar.bytes(of: [
            LayerMember(
                ArchiveEntry(path: "a", kind: .file(size: 0), permissions: 0o644),
                content: Array("hello".utf8)),
            LayerMember(
                ArchiveEntry(path: "b", kind: .file(size: 0), permissions: 0o644),
                content: Array("world".utf8)),
        ])
        let end = try #require(whole.indices.last { whole[$0] == UInt8(ascii: "d") }) + 1
        for length in [end, end + 1, end + 500, whole.count] {
            let members = try readTar(Array(whole[..<length]))
            #expect(
                members.map { String(decoding: $0.content, as: UTF8.self) } == ["hello", "world"])
        }
        #expect(errorOfReading(Array(whole[..<(end - 1)]))?.code == .truncated)
    }
}
