// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Members that ask for more than there is.
@Suite(.serialized) struct ExcessTests {
    @Test(arguments: DriverUnderTest.usable, ["0", "x", "g", "L", "S"] as [Character])
    func `a size of ten gigabytes in an archive of a kilobyte is refused`(
        _ subject: DriverUnderTest, type: Character
    ) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("big.tar")
            let file = try RawTar(tar)
            try file.add("a", type: type, size: 0o77777777777)
            try file.add([UInt8](repeating: 0, count: 512))
            try file.close()
            try store.expectRefusal(of: tar, "type \(type)", saying: "(at byte ")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `attributes and records of a megabyte and more are refused`(
        _ subject: DriverUnderTest
    ) throws {
        let large = [UInt8](repeating: UInt8(ascii: "1"), count: (1 << 20) - 100)
        try BadInputStore.with(subject) { store in
            let tar = store.file("bad.tar")
            for key in ["SCHILY.xattr.user.large", "path", "linkpath", "size", "mtime"] {
                try RawTar.write(tar) { tar in
                    try tar.addRecords([(key, large)])
                    try tar.add("a")
                }
                try store.expectRefusal(of: tar, key, saying: "(at byte ")
            }
            try RawTar.write(tar) { tar in
                for _ in 0..<3 { try tar.addRecords([("comment", large)]) }
                try tar.add("a")
            }
            try store.expectRefusal(of: tar, "three headers", saying: "(at byte ")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `attributes that add up over global headers are refused`(
        _ subject: DriverUnderTest
    ) throws {
        let value = [UInt8](repeating: 1, count: 60_000)
        try BadInputStore.with(subject) { store in
            let tar = store.file("bad.tar")
            try RawTar.write(tar) { tar in
                for index in 0..<2_000 {
                    try tar.addRecords([("SCHILY.xattr.user.\(index)", value)], type: "g")
                }
                try tar.add("a")
            }
            try store.expectRefusal(of: tar, "global attributes", saying: "(at byte ")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `names longer than Linux has them are refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("bad.tar")
            let name = Array(String(repeating: "n", count: 5_000).utf8)
            let path = Array(String(repeating: "d/", count: 2_500).utf8)
            for bytes in [name, path] {
                try RawTar.write(tar) { tar in
                    try tar.addRecords([("path", bytes)])
                    try tar.add("a")
                }
                try store.expectRefusal(of: tar, "a name of 5,000 bytes", saying: "(at byte ")
                try RawTar.write(tar) { tar in
                    try tar.addRecords([("linkpath", bytes)])
                    try tar.add("a", type: "2")
                }
                try store.expectRefusal(of: tar, "a target of 5,000 bytes", saying: "(at byte ")
            }
            // Short enough for a path, and too long for one name.
            try RawTar.write(tar) { tar in
                try tar.addRecords([("path", Array(name[..<300]))])
                try tar.add("a")
            }
            try store.expectRefusal(of: tar, "a name of 300 bytes", saying: "File name too long")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a path of two thousand directories is kept and merged`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let directories = String(repeating: "d/", count: 2_000)
            func write(_ name: String) throws -> FilePath {
                let tar = store.file("deep-\(name).tar")
                try RawTar.write(tar) { tar in
                    try tar.addRecords([("path", Array("\(directories)\(name)".utf8))])
                    try tar.add(name, type: "5", mode: 0o755)
                }
                return tar
            }
            let (below, above) = (try write("below"), try write("above"))
            try store.withLayer(of: below) { layer in
                let id = try store.command.succeed("apply", "--parent", layer, above.string).text
                let changes = try store.command.succeed("changes", id).lines
                #expect(changes.count == 2_001)
                #expect(changes.last == "A /\(directories)above")
                let diff = store.file("diff.tar")
                try store.command.succeed("diff", "--output", diff.string, id)
                let again = try store.command.succeed(
                    "apply", "--id", "again", "--parent", layer, diff.string
                ).text
                #expect(try store.command.succeed("changes", again).lines == changes)
                try store.command.succeed("rm", id, again)
            }
        }
    }

    @Test(arguments: DriverUnderTest.usableBelowTestBase)
    func `five gigabytes of zeros in five megabytes of gzip take no space`(
        _ subject: DriverUnderTest
    ) throws {
        // The store's filesystem is a hundredth of what the archive promises.
        try withLoopFilesystem(type: .tmpfs, size: 64 << 20) { root in
            try BadInputStore.with(subject, below: root) { store in
                try withScratchRoot { directory in
                    let (head, tar) = (
                        directory.appending("head"), directory.appending("zeros.tar.gz")
                    )
                    let file = try RawTar(head)
                    try file.add("zeros", size: 5 << 30)
                    // Not its content, only the header.
                    try file.close()
                    let script = #"{ cat "$0"; head -c 5368710144 /dev/zero; } | gzip -1 >"$1""#
                    try runCommand("bash", ["-c", script, head.string, tar.string])
                    try store.withLayer(of: tar) { layer in
                        try store.command.withView(of: layer) { (place: FilePath) throws in
                            let status = try Directory(opening: place).status(of: "zeros")
                            #expect(status.size == 5 << 30)
                            #expect(status.allocatedBytes == 0)
                        }
                    }
                }
            }
        }
    }
}
