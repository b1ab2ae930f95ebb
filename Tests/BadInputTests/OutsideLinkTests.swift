// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Links that lead out of the layer are followed inside it, and nothing outside is touched.
@Suite(.serialized) struct OutsideLinkTests {
    /// A directory outside the store that no archive may reach, and what it holds.
    private struct Canary {
        let directory: FilePath
        private let before: TreeSnapshot

        init(in store: BadInputStore) throws {
            directory = store.file("canary")
            try directory.makeDirectory(permissions: 0o711)
            try directory.appending("secret").write("secret", permissions: 0o600)
            try directory.appending("inner").makeDirectory()
            try directory.pushing("inner/deep").write("deep")
            before = try TreeSnapshot(of: directory)
        }

        /// What an archive did to it; empty when nothing.
        func harm() throws -> [String] { try TreeSnapshot(of: directory).differences(from: before) }
    }

    /// Ways to the canary from `/link` in a layer: absolute, and by climbing up.
    private func targets(_ canary: Canary) -> [String] {
        let path = canary.directory.string
        return [
            path, String(repeating: "../", count: 20) + path.dropFirst(), "/proc/1/root" + path,
        ]
    }

    /// Members that try to write, delete and change through `link`.
    private func attack(_ tar: RawTar) throws {
        try tar.add("link/evil", content: [1])
        try tar.add("link/secret", content: Array("overwritten".utf8))
        try tar.add("link/inner/evil", content: [1])
        try tar.add("link/new", type: "5", mode: 0o777)
        try tar.add("link/.wh.secret")
        try tar.add("link/inner/.wh..wh..opq")
        try tar.add("link/inner", type: "5", mode: 0o777)
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a link of the same layer is no way out`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let canary = try Canary(in: store)
            for target in targets(canary) {
                let tar = store.file("out.tar")
                try RawTar.write(tar) { tar in
                    try tar.addRecords([("linkpath", Array(target.utf8))])
                    try tar.add("link", type: "2", link: "x")
                    try attack(tar)
                }
                try store.withLayer(of: tar)
                #expect(try canary.harm() == [], "\(target)")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a link of a lower layer is no way out`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let canary = try Canary(in: store)
            for target in targets(canary) {
                let (base, tar) = (store.file("base.tar"), store.file("out.tar"))
                try RawTar.write(base) { tar in
                    try tar.addRecords([("linkpath", Array(target.utf8))])
                    try tar.add("link", type: "2", link: "x")
                    try tar.add("tmp", type: "5", mode: 0o755)
                }
                try RawTar.write(tar) { try attack($0) }
                try store.command.succeed("apply", "--id", "base", base.string)
                let layer = try store.command.run(["apply", "--parent", "base", tar.string])
                #expect(layer.status == 0, "\(layer.errors)")
                try store.command.succeed("rm", layer.text, "base")
                try store.expectNothingLeft(target)
                #expect(try canary.harm() == [], "\(target)")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a member in the place of a link replaces the link`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let canary = try Canary(in: store)
            let tar = store.file("replace.tar")
            let (secret, directory) = (
                canary.directory.appending("secret").string, canary.directory.string
            )
            try RawTar.write(tar) { tar in
                for (name, target) in [
                    ("a", secret), ("b", directory), ("c", secret), ("d", directory),
                ] {
                    try tar.addRecords([("linkpath", Array(target.utf8))])
                    try tar.add(name, type: "2", link: "x")
                }
                try tar.add("a", content: Array("mine".utf8), mode: 0o777)
                try tar.add("b", type: "5", mode: 0o777)
                // Another name for the link, and not for what it names.
                try tar.add("e", type: "1", link: "c")
                try tar.add("e", content: Array("mine".utf8), mode: 0o777)
                try tar.add("d", type: "6", mode: 0o777)
            }
            try store.withLayer(of: tar) { layer in
                try store.command.withView(of: layer) { (place: FilePath) throws in
                    #expect(try place.appending("a").readText() == "mine")
                    #expect(try place.appending("b").names == [])
                    #expect(try place.appending("e").readText() == "mine")
                    let tree = try TreeSnapshot(of: place)
                    #expect(tree.entries["c"]?.target == RawPath(secret))
                    #expect(tree.entries["d"]?.status.type == .fifo)
                }
            }
            #expect(try canary.harm() == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a hard link to something outside is refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let canary = try Canary(in: store)
            let path = canary.directory.string
            for target in [path + "/secret", "link/secret", "link/inner/deep"] {
                let tar = store.file("hard.tar")
                try RawTar.write(tar) { tar in
                    try tar.addRecords([("linkpath", Array(path.utf8))])
                    try tar.add("link", type: "2", link: "x")
                    try tar.addRecords([("linkpath", Array(target.utf8))])
                    try tar.add("stolen", type: "1", link: "x")
                }
                try store.expectRefusal(of: tar, target, saying: "stolen", "(at byte ")
                #expect(try canary.harm() == [])
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `links that go round in circles are refused`(_ subject: DriverUnderTest) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("circle.tar")
            try RawTar.write(tar) { tar in
                try tar.add("a", type: "2", link: "b")
                try tar.add("b", type: "2", link: "a")
                try tar.add("a/c", content: [1])
            }
            try store.expectRefusal(of: tar, "circle", saying: "symbolic links", "(at byte ")
        }
    }
}
