// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import GraphTestSupport
import SystemPackage
import Testing

/// What is promised of OCI layouts, as directories and as archives.
@Suite struct LayoutTests {
    private static func twoLayers() throws -> [[UInt8]] {
        [try TestImage.layer("one", "first"), try TestImage.layer("two", "second")]
    }

    private static func image(_ layers: [[UInt8]]) -> TestImage {
        var image = TestImage()
        image.entries = [image.addImage(layers, more: TestImage.named("small"))]
        return image
    }

    @Test func `a directory becomes a chain with the digests of the image`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            let top = try fixture.importLayout(Self.image(layers))
            let first = Digest.of(layers[0])
            #expect(top.diffID == Digest.of(layers[1]))
            #expect(top.chainID == Digest.chain(parent: first, diff: Digest.of(layers[1])))
            #expect(top.id == top.chainID?.hex)
            #expect(top.parent == first.hex)
            #expect(try fixture.files(of: top) == ["two": "second"])
        }
    }

    @Test func `blobs may be links that lead out of the directory, and are what their digests say`()
        throws
    {
        try ImportFixture.with { fixture in
            let layout = try fixture.written(Self.image(try Self.twoLayers()))
            let blobs = layout.appending("blobs/sha256")
            let outside = fixture.directory.appending("outside")
            try outside.makeDirectory()
            for name in try blobs.names {
                try runCommand(
                    "mv", [blobs.appending(name).string, outside.appending(name).string])
                try runCommand(
                    "ln", ["-s", outside.appending(name).string, blobs.appending(name).string])
            }
            #expect(try fixture.importFile(layout).depth == 2)
            try fixture.store.images.remove("small")
            // Nothing else than a blob is looked for outside, and no pipe is waited for.
            let layer = outside.appending(Digest.of(try Self.twoLayers()[0]).hex)
            try layer.remove()
            try fixture.expectFailure(.invalidArchive) { try fixture.importFile(layout) }
            try runCommand("mkfifo", [layer.string])
            try fixture.expectFailure(.invalidArchive) { try fixture.importFile(layout) }
            try layer.remove()
            try layer.write("something else")
            try fixture.expectFailure(.digestMismatch) { try fixture.importFile(layout) }
            let index = layout.appending("index.json")
            try runCommand("mv", [index.string, outside.appending("index.json").string])
            try runCommand("ln", ["-s", outside.appending("index.json").string, index.string])
            try fixture.expectFailure(.invalidArchive) { try fixture.importFile(layout) }
        }
    }

    @Test func `an image is recorded with its name, and its documents byte for byte`() throws {
        try ImportFixture.with { fixture in
            let image = Self.image(try Self.twoLayers())
            let top = try fixture.importLayout(image)
            let source = try ImageSource(
                opening: try fixture.written(image), spoolingTo: fixture.directory)
            let read = try source.image()
            #expect(source.format == .ociLayout)
            let stored = try #require(try fixture.store.images.over(top).first)
            #expect(stored.names == ["small"])
            #expect(stored.id.description == read.configurationDigest.description)
            let manifest = try #require(stored.manifests.first)
            #expect(manifest.digest == read.manifestDigest?.description)
            #expect(manifest.layers.map(\.diffID) == read.layers.map(\.diffID))
            #expect(manifest.layers.map(\.compression) == [Compression.none, Compression.none])
            for (digest, bytes) in [
                (stored.id.description, try fixture.store.images.configuration(of: stored)),
                (
                    manifest.digest,
                    try #require(try fixture.store.images.manifestDocument(manifest.digest))
                ),
            ] {
                #expect(image.files["blobs/sha256/" + digest.dropFirst(7)] == bytes)
            }
            #expect(top.labels.isEmpty)
        }
    }

    @Test(arguments: Compression.written)
    func `an archive is read whatever it is compressed with`(_ compression: Compression) throws {
        try ImportFixture.with { fixture in
            let image = Self.image(try Self.twoLayers())
            let directory = try fixture.importLayout(image)
            let archive = try TestImage.compress(try image.archive(), compression)
            let again = try fixture.importArchive(archive)
            #expect(again.id == directory.id)
        }
    }

    @Test(arguments: [Compression.gzip, .zstd])
    func `layers are read whatever they are compressed with`(_ compression: Compression) throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            var image = TestImage()
            let packed = try layers.map { try TestImage.compress($0, compression) }
            image.entries = [
                image.addImage(
                    packed, type: TestImage.layerType + "+\(compression)",
                    diffIDs: layers.map { Digest.of($0) })
            ]
            let top = try fixture.importLayout(image)
            #expect(top.diffID == Digest.of(layers[1]))
        }
    }

    @Test func `layers that the store has are not read`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            var image = Self.image(layers)
            let top = try fixture.importLayout(image)
            for layer in layers { image.files["blobs/sha256/\(Digest.of(layer).hex)"] = nil }
            #expect(try fixture.importLayout(image, name: "again").id == top.id)
            #expect(try fixture.names(over: top) == ["again", "small"])
        }
    }

    @Test func `a damaged blob is a digest mismatch, and nothing is left`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            var image = Self.image(layers)
            let name = "blobs/sha256/\(Digest.of(layers[1]).hex)"
            image.files[name]?[600] ^= 1
            try fixture.expectFailure(.digestMismatch) { try fixture.importLayout(image) }
        }
    }

    @Test func `a blob whose compression is damaged is a digest mismatch`() throws {
        try ImportFixture.with { fixture in
            let layer = try TestImage.layer("one", String(repeating: "text ", count: 5000))
            var image = TestImage()
            let packed = try TestImage.compress(layer, .gzip)
            image.entries = [image.addImage([packed], diffIDs: [Digest.of(layer)])]
            let name = "blobs/sha256/\(Digest.of(packed).hex)"
            image.files[name]?[30] ^= 0xFF
            try fixture.expectFailure(.digestMismatch, saying: "has the digest") {
                try fixture.importLayout(image)
            }
        }
    }

    @Test func `a blob of another size is a digest mismatch`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            var image = Self.image(layers)
            image.files["blobs/sha256/\(Digest.of(layers[1]).hex)"]?.append(0)
            try fixture.expectFailure(.digestMismatch, saying: "instead of") {
                try fixture.importLayout(image)
            }
        }
    }

    @Test func `a wrong diff id is a digest mismatch, and nothing is left`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            var image = TestImage()
            let wrong = [Digest.of(layers[0]), Digest.of([1])]
            image.entries = [image.addImage(layers, diffIDs: wrong)]
            try fixture.expectFailure(.digestMismatch) { try fixture.importLayout(image) }
        }
    }

    @Test func `a missing blob is named before anything is unpacked`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            var image = Self.image(layers)
            image.files["blobs/sha256/\(Digest.of(layers[1]).hex)"] = nil
            try fixture.expectFailure(.invalidArchive, saying: Digest.of(layers[1]).hex) {
                try fixture.importLayout(image)
            }
        }
    }

    @Test func `a layer that may not be distributed is told from a missing one`() throws {
        try ImportFixture.with { fixture in
            let layer = try TestImage.layer("one", "first")
            var image = TestImage()
            image.entries = [
                image.addImage(
                    [layer],
                    type: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")
            ]
            image.files["blobs/sha256/\(Digest.of(layer).hex)"] = nil
            try fixture.expectFailure(.unsupported, saying: "may not be distributed") {
                try fixture.importLayout(image)
            }
        }
    }

    @Test func `a manifest with other bytes is refused`() throws {
        try ImportFixture.with { fixture in
            var image = Self.image(try Self.twoLayers())
            let digest = try #require(
                image.entries[0].split(separator: "\"")[7].split(separator: ":").last)
            image.files["blobs/sha256/\(digest)"]?[1] ^= 1
            try fixture.expectFailure(.digestMismatch) { try fixture.importLayout(image) }
        }
    }

    @Test func `as many layers as diff ids are needed`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            var image = TestImage()
            image.entries = [image.addImage(layers, diffIDs: [Digest.of(layers[0])])]
            try fixture.expectFailure(.invalidArchive, saying: "2 layers") {
                try fixture.importLayout(image)
            }
        }
    }

    @Test func `a JSON file of more than 4 MiB is refused`() throws {
        try ImportFixture.with { fixture in
            var image = Self.image(try Self.twoLayers())
            image.files["index.json"] = [UInt8](repeating: 0x20, count: (4 << 20) + 1)
            try fixture.expectFailure(.invalidArchive, saying: "4194304") {
                try fixture.importLayout(image)
            }
        }
    }

    @Test(
        arguments: [
            "{", "[]", #"{"schemaVersion":2,"manifests":[{"digest":"sha256:00","size":-1}]}"#,
            #"{"schemaVersion":2,"manifests":[]}"#, #"{"schemaVersion":2,"manifests":7}"#,
            String(repeating: "[", count: 100_000), "",
            #"{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:../..","size":1}]}"#,
        ])
    func `nonsense in the index is refused`(_ text: String) throws {
        try ImportFixture.with { fixture in
            var image = Self.image(try Self.twoLayers())
            image.files["index.json"] = Array(text.utf8)
            try fixture.expectFailure(.invalidArchive) { try fixture.importLayout(image) }
        }
    }

    @Test func `a failed import leaves alone what was there before`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            let below = try fixture.importLayout(Self.image([layers[0]]))
            var image = TestImage()
            image.entries = [
                image.addImage(
                    layers + [layers[0]],
                    diffIDs: [Digest.of(layers[0]), Digest.of(layers[1]), Digest.of([1])])
            ]
            try fixture.expectFailure(.digestMismatch) { try fixture.importLayout(image) }
            #expect(try fixture.store.layers().map(\.id) == [below.id])
        }
    }

    @Test func `an import that is stopped leaves nothing`() throws {
        try ImportFixture.with { fixture in
            let image = Self.image(try Self.twoLayers())
            let path = try fixture.written(image)
            try fixture.expectFailure(.cancelled) {
                let source = try ImageSource(opening: path, spoolingTo: fixture.directory)
                return try #require(
                    try importImage(
                        source, into: fixture.store,
                        observer: WorkObserver(isCancelled: { true })
                    ).top)
            }
        }
    }

    @Test func `progress counts the bytes of the image's blobs`() throws {
        try ImportFixture.with { fixture in
            let layers = try Self.twoLayers()
            let path = try fixture.written(Self.image(layers))
            let reports = Reports()
            _ = try fixture.importFile(
                path, observer: WorkObserver(progressed: { reports.add($0) }))
            let total = UInt64(layers[0].count + layers[1].count)
            #expect(reports.last?.completedBytes == total)
            #expect(reports.last?.totalBytes == total)
        }
    }
}
