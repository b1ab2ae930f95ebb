// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Archives with attributes, devices and times that cannot be kept as they are.
@Suite(.serialized) struct OddMemberTests {
    @Test(arguments: DriverUnderTest.usable)
    func `a device 0 0 is kept, or deletes its name in an overlay with a warning`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let base = store.file("base.tar")
            try RawTar.write(base) { tar in
                try tar.add("gone", content: [1])
                try tar.add("linked", content: [1])
            }
            let tar = store.file("device.tar")
            try RawTar.write(tar) { tar in
                try tar.add("gone", type: "3")
                try tar.add("new", type: "3")
                try tar.add("kept")
                // Other names of the devices are as they are, and again names of those names.
                try tar.add("linked", type: "1", link: "gone")
                try tar.add("again", type: "1", link: "linked")
            }
            try store.withLayer(of: base) { base in
                let isOverlay = subject.name == "overlay"
                let result = try store.command.run(["apply", "--parent", base, tar.string])
                #expect(result.status == 0)
                #expect(result.errors.contains("0:0") == isOverlay)
                try store.command.withView(of: result.text) { (place: FilePath) throws in
                    let tree = try TreeSnapshot(of: place)
                    #expect(
                        tree.paths
                            == (isOverlay ? ["kept"] : ["again", "gone", "kept", "linked", "new"]))
                    for name in ["gone", "linked", "again"] as [RawPath] {
                        #expect(
                            tree.entries[name]?.status.isWhiteoutDevice
                                == (isOverlay ? nil : true))
                    }
                }
                try store.command.succeed("rm", result.text)
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `attributes by which an archive would steer overlayfs are left out`(
        _ subject: DriverUnderTest
    ) throws {
        let names = [
            "trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy",
            "user.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy",
            "user.overlay.whiteout", "trusted.graph-stage.opaque", "user.graph-stage.whiteout",
            "security.selinux", "security.evm",
        ]
        try BadInputStore.with(subject) { store in
            let tar = store.file("marks.tar")
            try RawTar.write(tar) { tar in
                for type in ["0", "5"] as [Character] {
                    try tar.addRecords(names.map { ("SCHILY.xattr." + $0, Array("y".utf8)) })
                    try tar.add("a\(type)", type: type, mode: 0)
                }
            }
            let warnings = [
                ["this host's", ": 8, first security.evm of /a0"],
                ["overlayfs", ": 14, first trusted.overlay.metacopy of /a0"],
            ]
            try store.withLayer(of: tar, warnings: warnings) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    let tree = try TreeSnapshot(of: place)
                    #expect(tree.paths == ["a0", "a5"])
                    #expect(tree.entries.values.allSatisfy { $0.attributes.isEmpty })
                }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `attributes that nothing here has a place for are left out`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("foreign.tar")
            try RawTar.write(tar) { tar in
                for type in ["0", "5", "6", "2"] as [Character] {
                    try tar.addRecords([
                        ("SCHILY.xattr.com.apple.provenance", [1]),
                        ("LIBARCHIVE.xattr.com.apple.quarantine", Array("AQIA".utf8)),
                        ("SCHILY.xattr.system.nfs4_acl", [0, 0, 0, 0]),
                        ("SCHILY.xattr.user.kept", [1]),
                    ])
                    try tar.add("a\(type)", type: type, link: type == "2" ? "x" : "", mode: 0o700)
                }
            }
            let warnings = [
                ["this host's", ": 4, first system.nfs4_acl of /a0"],
                ["no place for: 8, first com.apple.provenance of /a0"],
                ["links, devices and the like: 2, first user.kept of /a6"],
            ]
            try store.withLayer(of: tar, warnings: warnings) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    let tree = try TreeSnapshot(of: place)
                    #expect(tree.entries["a0"]?.attributes.map(\.name) == ["user.kept"])
                    #expect(tree.entries["a2"]?.attributes == [])
                    #expect(tree.entries["a5"]?.attributes.map(\.name) == ["user.kept"])
                    #expect(tree.entries["a6"]?.attributes == [])
                }
                let json = try store.command.run(["--json", "apply", "--id", "again", tar.string])
                let text = String(decoding: json.output, as: UTF8.self)
                #expect(text.contains(#""kind": "unknown_attribute""#))
                #expect(text.contains(#""count": 8"#))
                try store.command.succeed("rm", "again")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a warning obeys no terminal that an archive writes to`(_ subject: DriverUnderTest) throws
    {
        try BadInputStore.with(subject) { store in
            let tar = store.file("terminal.tar")
            try RawTar.write(tar) { tar in
                try tar.addRecords([("SCHILY.xattr.com.\u{1B}[2J\n", [1])])
                try tar.add("a\u{1B}[31m\nb")
            }
            try store.withLayer(of: tar, warnings: [[#"first com.\033[2J\012 of /a\033[31m\012b"#]])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `attributes larger than the filesystem takes are no full disk`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("large.tar")
            try RawTar.write(tar) { tar in
                for index in 0..<12 {
                    let value = [UInt8](repeating: 120, count: 60_000)
                    try tar.addRecords([("SCHILY.xattr.user.\(index)", value)])
                }
                try tar.add("file")
            }
            let result = try store.command.run(["--json", "apply", tar.string])
            // xfs takes them.
            if result.status == 0 { return }
            let text = String(decoding: result.output, as: UTF8.self)
            #expect(text.contains(#""code": "unsupported""#), "\(text)")
            #expect(result.errors.contains("takes less than its 60000 bytes"), "\(result.errors)")
            try store.expectNothingLeft("after a large attribute")
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `times that not every filesystem holds are 1970 everywhere, with a warning`(
        _ subject: DriverUnderTest
    ) throws {
        let times: [(String, Int64)] = [
            ("-62135596800", 0), ("-2147483649", 0), ("-2147483648", -2_147_483_648),
            ("-1", -1), ("4294967296.5", 4_294_967_296), ("15032385535", 15_032_385_535),
            ("15032385536", 0), ("253402300799", 0),
        ]
        try BadInputStore.with(subject) { store in
            let tar = store.file("times.tar")
            try RawTar.write(tar) { tar in
                for (index, type) in (["0", "5", "6", "2"] as [Character]).enumerated() {
                    for (number, time) in times.enumerated() {
                        try tar.addRecords([("mtime", Array(time.0.utf8))])
                        let link = type == "2" ? "x" : ""
                        try tar.add("\(index)-\(number)", type: type, link: link)
                    }
                }
            }
            try store.withLayer(of: tar, warnings: [["1970-01-01", ": 16, first /0-0"]]) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    let tree = try TreeSnapshot(of: place)
                    for index in 0..<4 {
                        for (number, time) in times.enumerated() {
                            let entry = tree.entries[RawPath("\(index)-\(number)")]
                            #expect(entry?.status.modified.seconds == time.1, "\(index)-\(number)")
                        }
                    }
                }
            }
        }
    }
}
