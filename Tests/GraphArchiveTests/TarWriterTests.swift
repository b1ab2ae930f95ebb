// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import Testing

/// Writes entries, the files among them with content.
private func writeTar(_ members: [(ArchiveEntry, [UInt8])]) throws -> [UInt8] {
    let sink = MemorySink()
    var writer = TarWriter(sink)
    for (entry, content) in members {
        try writer.begin(entry)
        try writer.write(content.span)
        try writer.finishEntry()
    }
    try writer.finish()
    return sink.bytes
}

struct TarWriterTests {
    /// Entries at and behind every limit of the plain header.
    private static var sample: [(ArchiveEntry, [UInt8])] {
        let long = String(repeating: "n", count: 100)
        let time = Timestamp(seconds: 1_700_000_000)
        var members: [(ArchiveEntry, [UInt8])] = []
        func add(
            _ path: RawPath, _ kind: ArchiveEntry.Kind, _ content: [UInt8] = [],
            _ change: (inout ArchiveEntry) -> Void = { _ in }
        ) {
            var entry = ArchiveEntry(path: path, kind: kind, permissions: 0o644, modified: time)
            change(&entry)
            members.append((entry, content))
        }
        add("dir/", .directory) { $0.permissions = 0o1777 }
        for (name, count) in [("empty", 0), ("one", 1), ("block", 512), ("more", 300_001)] {
            add("dir/\(name)".asPath, .file(size: UInt64(count)), noise(count, seed: 3))
        }
        add("dir/suid", .file(size: 0)) { $0.permissions = 0o6755 }
        add("dir/hard", .hardLink(target: "dir/one"))
        add("dir/soft", .symbolicLink(target: "../nowhere")) { $0.permissions = 0o777 }
        add("dir/null", .characterDevice(DeviceNumber(major: 1, minor: 3)))
        add("dir/disk", .blockDevice(DeviceNumber(major: 259, minor: 65_537)))
        add("dir/pipe", .fifo)
        add("\(long.dropLast())m".asPath, .file(size: 0))
        add("\(long)n".asPath, .file(size: 0))
        add("\(long)/\(long.dropLast())m".asPath, .file(size: 0))
        add("\(long)/\(long)/".asPath, .directory)
        add("\(long)\(long)/\(long)".asPath, .file(size: 2), [1, 2])
        add("dir/softlong", .symbolicLink(target: "\(long)x".asPath)) { $0.permissions = 0o777 }
        add("dir/hardlong", .hardLink(target: "\(long)\(long)/\(long)".asPath))
        add("dir/owner", .file(size: 0)) { ($0.uid, $0.gid) = (0o7777777, 0o7777777) }
        add("dir/owner+", .file(size: 0)) { ($0.uid, $0.gid) = (0o10000000, 4_294_967_294) }
        add("dir/early", .file(size: 0)) { $0.modified = Timestamp(seconds: -100) }
        add("dir/earlier", .file(size: 0)) {
            $0.modified = Timestamp(seconds: -2, nanoseconds: 500_000_000)
        }
        add("dir/fraction", .file(size: 0)) {
            $0.modified = Timestamp(seconds: 5, nanoseconds: 10)
        }
        add("dir/late", .file(size: 0)) { $0.modified = Timestamp(seconds: 1 << 33) }
        add("dir/attributes", .file(size: 3), [1, 2, 3]) {
            $0.attributes = [
                ExtendedAttribute(name: "user.a=b%25", value: [0, 10, 61, 255]),
                ExtendedAttribute(name: "user.empty", value: []),
                ExtendedAttribute(name: "user.long", value: noise(3000, seed: 4)),
            ]
        }
        if let name = RawPath(validating: [100, 105, 114, 47, 0xE9, 0xFF]) {
            add(name, .file(size: 0))
        }
        return members
    }

    @Test func `what is written is read again, entry by entry`() throws {
        let members = try readTar(DribblingSource(try writeTar(Self.sample)))
        #expect(members.count == Self.sample.count)
        for (member, (entry, content)) in zip(members, Self.sample) {
            #expect(member.entry == entry)
            #expect(member.content == content)
        }
    }

    @Test func `lengths of records around a new digit are right`() throws {
        for count in 75...110 {
            var entry = ArchiveEntry(path: "f", kind: .file(size: 0), permissions: 0o644)
            for count in [count, count + 890, count + 9880] {
                entry.attributes = [
                    ExtendedAttribute(name: "user.a", value: noise(count, seed: 1))
                ]
                #expect(try readTar(try writeTar([(entry, [])])).first?.entry == entry)
            }
        }
    }

    @Test func `every length of a name is kept, with and without directories`() throws {
        for count in 1...300 {
            let names = [
                String(repeating: "n", count: count),
                String(repeating: "ab/", count: count) + "n",
                "a/" + String(repeating: "n", count: count),
                String(repeating: "n", count: count) + "/a",
                String(repeating: "n", count: count) + "/" + String(repeating: "n", count: 100),
            ]
            for name in names {
                let file = ArchiveEntry(
                    path: name.asPath, kind: .file(size: 0), permissions: 0o644)
                let directory = ArchiveEntry(
                    path: "\(name)/".asPath, kind: .directory, permissions: 0o755)
                let read = try readTar(try writeTar([(file, []), (directory, [])]))
                #expect(read.map(\.entry) == [file, directory])
            }
        }
    }

    @Test func `python reads the same`() throws {
        try withScratch { scratch in
            try Data(try writeTar(Self.sample)).write(to: scratch.appending(path: "t.tar"))
            let listing = try run(
                [
                    "python3", "-c",
                    """
                    import tarfile
                    for i in tarfile.open('t.tar', 'r:', errorlevel=2):
                        kind = {b'0': 'f', b'1': 'h', b'2': 'l', b'3': 'c', b'4': 'b', b'5': 'd',
                                b'6': 'p'}[i.type]
                        time = i.pax_headers.get('mtime', str(int(i.mtime)))
                        print(i.name.encode('utf-8', 'surrogateescape').hex(), kind, '%o' % i.mode,
                              i.uid, i.gid, i.size, time, i.linkname, i.devmajor, i.devminor,
                              i.uname + i.gname, len(i.pax_headers))
                    """,
                ], in: scratch)
            let lines = String(decoding: listing, as: UTF8.self).split(separator: "\n")
            #expect(lines.count == Self.sample.count)
            for (line, (entry, _)) in zip(lines, Self.sample) {
                let fields = line.split(separator: " ", omittingEmptySubsequences: false)
                // Python drops the slash at the end of directories.
                let bytes = entry.path.bytes
                let name = bytes.last == 47 ? bytes.dropLast() : bytes
                #expect(fields[0] == name.map { String(format: "%02x", $0) }.joined())
                #expect(fields[2] == String(entry.permissions, radix: 8))
                #expect(fields[3] == "\(entry.uid)" && fields[4] == "\(entry.gid)")
                switch entry.kind {
                case .file(let size): #expect(fields[1] == "f" && fields[5] == "\(size)")
                case .directory: #expect(fields[1] == "d")
                case .symbolicLink(let target):
                    #expect(fields[1] == "l" && fields[7] == target.description)
                case .hardLink(let target):
                    #expect(fields[1] == "h" && fields[7] == target.description)
                case .characterDevice(let device):
                    #expect(fields[1] == "c" && fields[9] == "\(device.minor)")
                case .blockDevice(let device):
                    #expect(fields[1] == "b" && fields[8] == "\(device.major)")
                case .fifo: #expect(fields[1] == "p")
                }
                #expect(fields[10].isEmpty)
                if entry.path == "dir/earlier" { #expect(fields[6] == "-1.5") }
                if entry.path == "dir/fraction" { #expect(fields[6] == "5.00000001") }
            }
        }
    }

    @Test func `GNU tar unpacks it, and what it packs again is the same`() throws {
        try withScratch { scratch in
            try Data(try writeTar(Self.sample)).write(to: scratch.appending(path: "t.tar"))
            try shell(
                """
                mkdir out; tar -C out --numeric-owner --xattrs --xattrs-include='*' -xpf t.tar
                cd out; tar --format=posix --sort=name --numeric-owner --xattrs \\
                  --xattrs-include='*' -cf ../again.tar *
                """, in: scratch)
            let again = try readTar(
                Array(try Data(contentsOf: scratch.appending(path: "again.tar"))))
            let byPath = Dictionary(
                uniqueKeysWithValues: again.map { ($0.entry.path, $0) })
            let links = again.count { if case .hardLink = $0.entry.kind { true } else { false } }
            #expect(links == 2)
            for (entry, content) in Self.sample {
                guard let member = byPath[entry.path] else {
                    Issue.record("\(entry.path) is missing")
                    continue
                }
                if case .hardLink = entry.kind { continue }
                // Which of two names is the link depends on their order.
                if case .hardLink = member.entry.kind { continue }
                var unpacked = member.entry
                if entry.kind == .directory { unpacked.modified = entry.modified }
                #expect(unpacked == entry)
                #expect(member.content == content)
            }
        }
    }

    @Test func `a file needs exactly the bytes that were announced`() throws {
        var writer = TarWriter(MemorySink())
        let entry = ArchiveEntry(path: "f", kind: .file(size: 3), permissions: 0o644)
        try writer.begin(entry)
        let bytes: [UInt8] = [1, 2]
        try writer.write(bytes.span)
        #expect(throws: ArchiveError.self) { try writer.finishEntry() }
        #expect(throws: ArchiveError.self) { try writer.write(bytes.span) }
    }

    @Test func `the bytes do not depend on how data are written`() throws {
        let content = noise(700_000, seed: 9)
        let entry = ArchiveEntry(path: "f", kind: .file(size: 700_000), permissions: 0o644)
        let whole = try writeTar([(entry, content)])
        let sink = MemorySink()
        var writer = TarWriter(sink)
        try writer.begin(entry)
        for start in stride(from: 0, to: content.count, by: 999) {
            let portion = Array(content[start..<min(start + 999, content.count)])
            try writer.write(portion.span)
        }
        try writer.finishEntry()
        try writer.finish()
        #expect(sink.bytes == whole)
        #expect(whole.count == 512 + (700_000 + 511) / 512 * 512 + 1024)
    }

    @Test func `what cannot be read again is not written`() {
        let entries: [ArchiveEntry] = [
            ArchiveEntry(path: "", kind: .directory, permissions: 0),
            ArchiveEntry(path: "l", kind: .symbolicLink(target: ""), permissions: 0),
            ArchiveEntry(
                path: String(repeating: "n", count: 4101).asPath, kind: .fifo, permissions: 0),
            ArchiveEntry(path: "f", kind: .file(size: .max), permissions: 0),
            ArchiveEntry(
                path: "x", kind: .fifo, permissions: 0,
                attributes: [ExtendedAttribute(name: "user.a", value: noise(65_537, seed: 1))]),
            ArchiveEntry(
                path: "y", kind: .fifo, permissions: 0,
                attributes: (0..<20).map {
                    ExtendedAttribute(name: "user.\($0)", value: noise(60_000, seed: 1))
                }),
        ]
        for entry in entries {
            #expect(throws: ArchiveError.self, "\(entry.path)") { try writeTar([(entry, [])]) }
        }
    }

    @Test func `a file of more than 8 GiB is announced in a record`() throws {
        let sink = MemorySink()
        var writer = TarWriter(sink)
        try writer.begin(
            ArchiveEntry(path: "f", kind: .file(size: 1 << 33), permissions: 0o644))
        // The writer holds back what is small.
        let block = [UInt8](repeating: 0, count: 1 << 20)
        try writer.write(block.span)
        var reader = TarReader(MemorySource(sink.bytes))
        #expect(try reader.next()?.kind == .file(size: 1 << 33))
    }
}

extension String {
    fileprivate var asPath: RawPath { RawPath(self) }
}
