// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import GraphTestSupport
import SystemPackage
import Testing

/// What is promised of archives that `docker save` wrote.
@Suite struct DockerArchiveTests {
    /// The files of an archive with one image.
    private static func files(
        _ layers: [(name: String, tar: [UInt8])], diffIDs: [Digest]? = nil,
        tags: [String] = ["example:1"], names: [String]? = nil
    ) -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for layer in layers { files[layer.name] = layer.tar }
        let digests = (diffIDs ?? layers.map { Digest.of($0.tar) }).map { "\"\($0)\"" }
        let configuration = Array(
            #"{"rootfs":{"type":"layers","diff_ids":[\#(digests.joined(separator: ","))]}}"#.utf8)
        let name = Digest.of(configuration).hex + ".json"
        files[name] = configuration
        let quoted = (names ?? layers.map(\.name)).map { "\"\($0)\"" }.joined(separator: ",")
        let tagList = tags.map { "\"\($0)\"" }.joined(separator: ",")
        files["manifest.json"] = Array(
            #"[{"Config":"\#(name)","RepoTags":[\#(tagList)],"Layers":[\#(quoted)]}]"#.utf8)
        return files
    }

    @Test func `an archive becomes a chain, named by its tag`() throws {
        try ImportFixture.with { fixture in
            let tars = [try TestImage.layer("one", "1"), try TestImage.layer("two", "2")]
            let files = Self.files([("a/layer.tar", tars[0]), ("b/layer.tar", tars[1])])
            let top = try fixture.importArchive(try TestImage.archive(files))
            #expect(top.diffID == Digest.of(tars[1]))
            #expect(top.labels.isEmpty)
            let image = try #require(try fixture.store.images.over(top).first)
            #expect(image.names == ["example:1"])
            #expect(image.manifests.isEmpty)
            #expect(
                files[image.id.hex + ".json"] == (try fixture.store.images.configuration(of: image))
            )
        }
    }

    @Test(arguments: ["../a/layer.tar", "../b/../a/./layer.tar", "/a/layer.tar"])
    func `a layer may be a link to another`(_ target: String) throws {
        try ImportFixture.with { fixture in
            let tar = try TestImage.layer("one", "1")
            let files = Self.files(
                [("a/layer.tar", tar)], diffIDs: [Digest.of(tar), Digest.of(tar)],
                names: ["a/layer.tar", "c/layer.tar"])
            let archive = try TestImage.archive(files, links: ["c/layer.tar": target])
            let top = try fixture.importArchive(archive)
            #expect(top.depth == 2)
            #expect(top.diffID == Digest.of(tar))
        }
    }

    @Test(arguments: ["c/layer.tar", "../../../../../../../../etc/hostname", "../b"])
    func `a link that leads nowhere is a missing file`(_ target: String) throws {
        try ImportFixture.with { fixture in
            let tar = try TestImage.layer("one", "1")
            let files = Self.files(
                [("a/layer.tar", tar)], names: ["c/layer.tar"])
            let archive = try TestImage.archive(files, links: ["c/layer.tar": target])
            try fixture.expectFailure(.invalidArchive, saying: "no file c/layer.tar") {
                try fixture.importArchive(archive)
            }
        }
    }

    @Test func `layers may be compressed`() throws {
        try ImportFixture.with { fixture in
            let tar = try TestImage.layer("one", "1")
            let files = Self.files(
                [("a.tar.gz", try TestImage.compress(tar, .gzip))], diffIDs: [Digest.of(tar)])
            let top = try fixture.importArchive(try TestImage.archive(files))
            #expect(top.diffID == Digest.of(tar))
        }
    }

    @Test func `names in front of which stands a dot are the same names`() throws {
        try ImportFixture.with { fixture in
            let tar = try TestImage.layer("one", "1")
            var files = Self.files([("a/layer.tar", tar)])
            for (name, bytes) in files {
                files[name] = nil
                files["./" + name] = bytes
            }
            let top = try fixture.importArchive(try TestImage.archive(files))
            #expect(top.diffID == Digest.of(tar))
        }
    }

    @Test func `a configuration with another digest than its name is refused`() throws {
        try ImportFixture.with { fixture in
            var files = Self.files([("a.tar", try TestImage.layer("one", "1"))])
            let name = try #require(files.keys.first { $0.hasSuffix(".json") && $0.count > 60 })
            files[name]?.append(0x20)
            let archive = try TestImage.archive(files)
            try fixture.expectFailure(.digestMismatch) { try fixture.importArchive(archive) }
        }
    }

    @Test func `a layer with other bytes is refused, and nothing is left`() throws {
        try ImportFixture.with { fixture in
            let tars = [try TestImage.layer("one", "1"), try TestImage.layer("two", "2")]
            var files = Self.files([("a.tar", tars[0]), ("b.tar", tars[1])])
            files["b.tar"]?[600] ^= 1
            let archive = try TestImage.archive(files)
            try fixture.expectFailure(.digestMismatch) { try fixture.importArchive(archive) }
        }
    }

    @Test func `an archive cut off is refused`() throws {
        try ImportFixture.with { fixture in
            let tar = try TestImage.layer("one", String(repeating: "x", count: 100_000))
            let archive = try TestImage.archive(Self.files([("z.tar", tar)]))
            let cut = Array(archive.prefix(archive.count - 50_000))
            try fixture.expectFailure(.invalidArchive) { try fixture.importArchive(cut) }
        }
    }

    @Test func `of several images one is chosen by its tag`() throws {
        try ImportFixture.with { fixture in
            let first = Self.files(
                [("a.tar", try TestImage.layer("one", "1"))], tags: ["example/one:latest"])
            let second = Self.files(
                [("b.tar", try TestImage.layer("two", "2"))], tags: ["example/two:7", "two:seven"])
            var files = first.merging(second) { own, _ in own }
            let lists = [first, second].compactMap { $0["manifest.json"] }
                .map { String(decoding: $0, as: UTF8.self).dropFirst().dropLast() }
            files["manifest.json"] = Array("[\(lists.joined(separator: ","))]".utf8)
            let archive = try TestImage.archive(files)
            let top = try fixture.importArchive(archive, name: "two:7")
            #expect(try fixture.files(of: top) == ["two": "2"])
            try fixture.expectFailure(
                .invalidArgument, saying: "example/one:latest, example/two:7, two:seven"
            ) { try fixture.importArchive(archive) }
        }
    }

    @Test(arguments: ["text", ""])
    func `other files are none of the formats`(_ text: String) throws {
        try ImportFixture.with { fixture in
            let archive = try TestImage.archive(["notes": Array(text.utf8)])
            try fixture.expectFailure(.invalidArchive, saying: "neither") {
                try fixture.importArchive(archive)
            }
            try fixture.expectFailure(.invalidArchive) {
                try fixture.importArchive(Array(text.utf8))
            }
        }
    }

    @Test func `an archive of before digests is refused by what it is`() throws {
        try ImportFixture.with { fixture in
            let archive = try TestImage.archive(["repositories": Array("{}".utf8)])
            try fixture.expectFailure(.unsupported, saying: "1.10") {
                try fixture.importArchive(archive)
            }
        }
    }
}
