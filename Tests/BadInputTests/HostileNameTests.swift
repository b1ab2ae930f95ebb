// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Archives whose names and links lead where they should not.
@Suite(.serialized) struct HostileNameTests {
    @Test(arguments: DriverUnderTest.usable)
    func `names that lead upwards, and no names, are refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            for name in ["../x", "..", "a/../../x", "a/..", "/../x", ""] {
                let tar = store.file("bad.tar")
                try RawTar.write(tar) { tar in
                    try tar.add("before", content: [1])
                    try tar.add(name, content: [2])
                }
                try store.expectRefusal(of: tar, "name \"\(name)\"", saying: "(at byte ")
            }
            for target in ["../secret", "a/../../secret", ""] {
                let tar = store.file("bad.tar")
                try RawTar.write(tar) { try $0.add("link", type: "1", link: target) }
                try store.expectRefusal(of: tar, "hard link to \"\(target)\"", saying: "(at byte ")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `names that delete nothing possible are refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            for name in [".wh.", ".wh..", ".wh...", "a/.wh...", "./.wh."] {
                let tar = store.file("bad.tar")
                try RawTar.write(tar) { try $0.add(name) }
                try store.expectRefusal(of: tar, "name \"\(name)\"", saying: "(at byte ")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `absolute names stay inside`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("absolute.tar")
            let path = store.file("outside").string
            try RawTar.write(tar) { tar in
                try tar.add("/etc", type: "5", mode: 0o755)
                try tar.add("//etc//./motd", content: Array("in".utf8))
                try tar.add(path, content: Array("in".utf8))
            }
            try store.withLayer(of: tar) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    #expect(try place.pushing("etc/motd").readText() == "in")
                    #expect(try place.appending(path.dropFirst().description).readText() == "in")
                }
            }
            #expect(try !store.file("outside").exists)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `the device number that marks deletions is refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("bad.tar")
            try RawTar.write(tar) { try $0.add("device", type: "3") }
            try store.expectRefusal(of: tar, "0:0", saying: "0:0", "(at byte ")
        }
    }

    @Test(
        arguments: DriverUnderTest.usable,
        [
            "trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy",
            "user.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy",
            "user.overlay.whiteout", "trusted.overlay.overlay.opaque",
        ])
    func `attributes by which an archive would steer overlayfs are refused`(
        _ subject: DriverUnderTest, attribute: String
    ) throws {
        try BadInputStore.with(subject) { store in
            for type in ["0", "5"] as [Character] {
                let tar = store.file("bad.tar")
                try RawTar.write(tar) { tar in
                    try tar.addRecords([("SCHILY.xattr." + attribute, Array("y".utf8))])
                    try tar.add("a", type: type)
                }
                try store.expectRefusal(of: tar, attribute, saying: attribute, "(at byte ")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `the last of several members with one name holds`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("twice.tar")
            try RawTar.write(tar) { tar in
                try tar.add("a", content: Array("first".utf8))
                try tar.add("a", content: Array("second".utf8))
                try tar.add("b", type: "5", mode: 0o700)
                try tar.add("b/c", content: [1])
                try tar.add("b", content: Array("a file".utf8))
                try tar.add("d", content: [1])
                try tar.add("d", type: "5", mode: 0o755)
                try tar.add("d/e", content: Array("inside".utf8))
                try tar.add("f", type: "6")
                try tar.add("f", content: Array("no pipe".utf8))
            }
            try store.withLayer(of: tar) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    #expect(try place.names == ["a", "b", "d", "f"])
                    #expect(try place.appending("a").readText() == "second")
                    #expect(try place.appending("b").readText() == "a file")
                    #expect(try place.pushing("d/e").readText() == "inside")
                    #expect(try place.appending("f").readText() == "no pipe")
                }
            }
        }
    }
}
