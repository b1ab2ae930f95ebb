// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem
import Testing
import graphctl

/// How values are read and shown.
@Suite struct TextTests {
    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"), (178_674_892, "170.4 MiB"), (5 << 40, "5.0 TiB"),
            (UInt64.max, "16.0 EiB"),
        ] as [(UInt64, String)])
    func `bytes get a unit`(_ bytes: UInt64, _ text: String) {
        #expect(humanBytes(bytes) == text)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"), (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"),
            (-11_644_473_600, "1601-01-01T00:00:00Z"),
        ] as [(Int64, String)])
    func `times are UTC in RFC 3339`(_ seconds: Int64, _ text: String) {
        #expect(rfc3339(Timestamp(seconds: seconds)) == text)
        let precise = rfc3339(Timestamp(seconds: seconds, nanoseconds: 1_020), nanoseconds: true)
        #expect(precise == text.dropLast() + ".000001020Z")
    }

    @Test(
        arguments: [
            ("0", 0), ("1048576", 1 << 20), ("1K", 1024), ("1k", 1024), ("1KiB", 1024),
            ("1kb", 1024), ("10G", 10 << 30), ("1.5M", 3 << 19), ("512B", 512), ("2T", 2 << 40),
            ("", nil), ("K", nil), ("1Q", nil), ("1iB", nil), ("-1", nil), ("+1", nil),
            ("1.5", nil), ("1e3", nil), ("18446744073709551616", nil), ("16777216T", nil),
            ("0x10", nil), ("1 K", nil), ("..M", nil), ("nanK", nil), ("infK", nil),
        ] as [(String, UInt64?)])
    func `numbers of bytes are read with units of 1024`(_ text: String, _ bytes: UInt64?) {
        #expect((try? ByteCount(parsing: text))?.bytes == bytes)
    }

    @Test(
        arguments: [
            ([], []),
            (["ls"], ["ls"]),
            (["--json", "ls", "-q"], ["ls", "--json", "-q"]),
            (["--root", "ls", "ls"], ["ls", "--root", "ls"]),
            (
                ["--root=x", "--storage-opt", "a=b", "rm", "--", "-x"],
                ["rm", "--root=x", "--storage-opt", "a=b", "--", "-x"]
            ),
            (["--json", "--version"], ["--version"]),
            (["--json", "help", "ls"], ["help", "ls"]),
            (["--json", "umount", "x"], ["umount", "--json", "x"]),
        ] as [([String], [String])])
    func `global options go behind the command`(_ given: [String], _ hoisted: [String]) {
        #expect(GlobalOptionPlace.hoisting(given) == hoisted)
    }

    @Test func `tables have columns, and no spaces at the ends of lines`() {
        var table = Table(["NAME", "SIZE", "NOTE"], right: [1])
        table.add("a", "1", "")
        table.add("long\nname", "1000", "x")
        var lines: [String] = []
        table.visitLines { lines.append(String(decoding: $0, as: UTF8.self)) }
        #expect(
            lines == [
                "NAME          SIZE  NOTE", "a                1", "long\\012name  1000  x",
            ])
    }

    @Test(arguments: [20, 40, 80, 200])
    func `the progress bar fits the terminal`(_ columns: Int) {
        let progress = WorkProgress(
            phase: "importing", completedBytes: 5 << 30, totalBytes: 10 << 30)
        let line = ProgressBar.line(progress, since: .seconds(10), columns: columns)
        #expect(line.count <= columns)
        #expect(line.hasPrefix("importing"))
        if columns >= 80 { #expect(line.contains("50 %") && line.contains("512.0 MiB/s")) }
        let unknown = WorkProgress(phase: "unpacking", completedBytes: 3)
        #expect(ProgressBar.line(unknown, since: .zero, columns: 80) == "unpacking 3 B")
    }
}
