// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Archives whose names and links lead where they should not.
@Suite(.serialized) struct HostileNameTests {
    @Test(arguments: DriverUnderTest.usable)
    func `names and hard links that lead upwards are taken as text and stay inside`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("up.tar")
            try RawTar.write(tar) { tar in
                try tar.add("app/_main/../_pip/x.py", content: [1])
                try tar.add("app/y.py", type: "1", link: "./app/nowhere/../_pip/x.py")
                try tar.add("../../above", content: [2])
                try tar.add("../above too", type: "1", link: "/../above")
                // The link is no part of the way, since the name after it takes it away.
                try tar.add("link", type: "2", link: "/app/_pip")
                try tar.add("link/../beside", content: [3])
                try tar.add("link/../.wh.nothing")
                try tar.add("link/through", content: [4])
            }
            try store.withLayer(of: tar) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    #expect(
                        try TreeSnapshot(of: place).paths == [
                            "above", "above too", "app", "app/_pip", "app/_pip/through",
                            "app/_pip/x.py", "app/y.py", "beside", "link",
                        ])
                    let tree = try TreeSnapshot(of: place).entries
                    #expect(tree["app/y.py"]?.linkGroup == "app/_pip/x.py")
                    #expect(tree["above too"]?.linkGroup == "above")
                }
            }
            #expect(try !store.file("above").exists)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `hard links to what is not there are refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            for target in ["../secret", "a/../../secret", "..", ".wh..wh.plnk/1.2", ""] {
                let tar = store.file("bad.tar")
                try RawTar.write(tar) { try $0.add("link", type: "1", link: target) }
                try store.expectRefusal(of: tar, "hard link to \"\(target)\"", saying: "(at byte ")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `members that are the root by their name and no directory are left out, with a warning`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("root.tar")
            try RawTar.write(tar) { tar in
                try tar.add("./", type: "5", mode: 0o711)
                try tar.add("", content: [1])
                try tar.add("a/..", type: "2", link: "etc")
                try tar.add("..", type: "6")
                try tar.add("file")
            }
            let words = ["no directory: 3, first /"]
            try store.withLayer(of: tar, warnings: [words]) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    let tree = try TreeSnapshot(of: place)
                    #expect(tree.paths == ["file"])
                    #expect(tree.entries["."]?.status.permissions == 0o711)
                }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what lies in a directory named as a deletion is kept, and the deletion carried out`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let base = store.file("base.tar")
            try RawTar.write(base) { tar in
                for name in ["etc", "deep", "deep/etc"] {
                    try tar.add(name, type: "5", mode: 0o755)
                }
                for name in ["etc/old", "deep/etc/old"] { try tar.add(name, content: [1]) }
            }
            let tar = store.file("marked.tar")
            try RawTar.write(tar) { tar in
                for above in ["", "deep/"] {
                    try tar.add(above + ".wh.etc", type: "5", mode: 0o755)
                    try tar.add(above + ".wh.etc/somefile", content: [2])
                }
            }
            try store.withLayer(of: base) { base in
                try store.command.succeed("apply", "--parent", base, "--id", "top", tar.string)
                try store.command.withView(of: "top") { (place: FilePath) throws in
                    #expect(
                        try TreeSnapshot(of: place).paths == [
                            ".wh.etc", ".wh.etc/somefile", "deep", "deep/.wh.etc",
                            "deep/.wh.etc/somefile",
                        ])
                }
                try store.command.succeed("rm", "top")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `hard links of AUFS are files with several names, and what else it kept is left out`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("aufs.tar")
            try RawTar.write(tar) { tar in
                try tar.add(".wh..wh.aufs")
                try tar.add(".wh..wh.orph", type: "5", mode: 0o700)
                try tar.add("./.wh..wh.plnk", type: "5", mode: 0o700)
                try tar.add(".wh..wh.plnk/12.34", content: Array("shared".utf8))
                try tar.add(".wh..wh.plnk/56.78", content: Array("of nobody".utf8))
                try tar.add("a", type: "1", link: ".wh..wh.plnk/12.34")
                try tar.add("b/c", type: "1", link: "/.wh..wh.plnk/12.34")
            }
            let words = ["AUFS", ": 4, first /.wh..wh.aufs"]
            try store.withLayer(of: tar, warnings: [words]) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    let tree = try TreeSnapshot(of: place)
                    #expect(tree.paths == ["a", "b", "b/c"])
                    #expect(tree.entries["b/c"]?.linkGroup == "a")
                    #expect(try place.pushing("b/c").readText() == "shared")
                    let root = tree.entries["."]?.status.modified.seconds
                    #expect(root == 1_700_000_000)
                }
                let back = store.file("back.tar")
                try store.command.succeed("diff", layer, "-o", back.string)
                #expect(try back.readText() == tar.readText())
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
