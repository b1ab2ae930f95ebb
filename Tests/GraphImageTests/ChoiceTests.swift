// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import Testing

/// Which of several images is taken.
@Suite struct ChoiceTests {
    private static func layer(_ text: String) throws -> [UInt8] {
        try TestImage.layer("file", text)
    }

    private static func twoNames() throws -> TestImage {
        var image = TestImage()
        image.entries = [
            image.addImage([try layer("a")], more: TestImage.named("example/first:latest")),
            image.addImage([try layer("b")], more: TestImage.named("example/second:1.0")),
        ]
        return image
    }

    @Test(arguments: ["example/first:latest", "example/first", "first"])
    func `a name chooses, with or without what goes without saying`(_ name: String) throws {
        try ImportFixture.with { fixture in
            let top = try fixture.importLayout(try Self.twoNames(), name: name)
            #expect(try fixture.files(of: top) == ["file": "a"])
            #expect(try fixture.names(over: top) == [name])
        }
    }

    @Test(arguments: [nil, "second", "third"] as [String?])
    func `without the right name the images are listed`(_ name: String?) throws {
        try ImportFixture.with { fixture in
            try fixture.expectFailure(
                .invalidArgument, saying: "example/first:latest, example/second:1.0"
            ) { try fixture.importLayout(try Self.twoNames(), name: name) }
        }
    }

    @Test func `the digest of a manifest chooses, too`() throws {
        try ImportFixture.with { fixture in
            let image = try Self.twoNames()
            let digest = String(image.entries[1].split(separator: "\"")[7])
            let top = try fixture.importLayout(image, name: digest)
            #expect(try fixture.files(of: top) == ["file": "b"])
        }
    }

    @Test func `a name for the only image is just its name`() throws {
        try ImportFixture.with { fixture in
            var image = TestImage()
            image.entries = [image.addImage([try Self.layer("a")])]
            let top = try fixture.importLayout(image, name: "mine")
            #expect(try fixture.names(over: top) == ["mine"])
        }
    }

    private static func nested() throws -> TestImage {
        var image = TestImage()
        let host = Platform.host
        let parts = [
            image.addImage([try layer("other")], more: TestImage.platform("z80")),
            image.addImage(
                [try layer("host")],
                more: TestImage.platform(host.architecture, variant: host.variant)),
            image.addImage(
                [try layer("attestation")],
                more: #","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#),
        ]
        let index = #"{"schemaVersion":2,"manifests":[\#(parts.joined(separator: ","))]}"#
        image.entries = [
            image.add(Array(index.utf8), TestImage.indexType, more: TestImage.named("multi"))
        ]
        return image
    }

    @Test func `an index within the index is searched for this machine's platform`() throws {
        try ImportFixture.with { fixture in
            let top = try fixture.importLayout(try Self.nested())
            #expect(try fixture.files(of: top) == ["file": "host"])
            #expect(try fixture.names(over: top) == ["multi"])
        }
    }

    @Test func `a platform that is not there is answered with those that are`() throws {
        try ImportFixture.with { fixture in
            let path = try fixture.written(try Self.nested())
            try fixture.expectFailure(.unsupported, saying: "linux/z80") {
                let source = try ImageSource(opening: path, spoolingTo: fixture.directory)
                return try #require(
                    try importImage(
                        source, for: Platform(architecture: "pdp11"), into: fixture.store
                    ).top)
            }
        }
    }

    @Test func `an older variant serves a newer processor, and not the other way`() throws {
        var image = TestImage()
        image.entries = [
            image.addImage([try Self.layer("v5")], more: TestImage.platform("arm", variant: "v5")),
            image.addImage([try Self.layer("v6")], more: TestImage.platform("arm", variant: "v6")),
        ]
        let entries = image
        try ImportFixture.with { fixture in
            let source = try ImageSource(
                opening: try fixture.written(entries), spoolingTo: fixture.directory)
            let newest = try source.image(for: Platform(architecture: "arm", variant: "v7"))
            #expect(newest.layers[0].diffID == Digest.of(try Self.layer("v6")))
            let error = #expect(throws: DriverError.self) {
                _ = try source.image(for: Platform(architecture: "arm", variant: "v4"))
            }
            #expect(error?.code == .unsupported)
        }
    }

    @Test func `indexes that contain themselves end`() throws {
        try ImportFixture.with { fixture in
            var image = TestImage()
            var entry = image.addImage([try Self.layer("a")])
            for _ in 0..<10 {
                let index = #"{"schemaVersion":2,"manifests":[\#(entry)]}"#
                entry = image.add(Array(index.utf8), TestImage.indexType)
            }
            image.entries = [entry]
            let nested = image
            try fixture.expectFailure(.invalidArchive) { try fixture.importLayout(nested) }
        }
    }

    @Test(
        arguments: [
            ("linux/amd64", Platform(architecture: "amd64")),
            ("linux/arm/v7", Platform(architecture: "arm", variant: "v7")),
            ("linux", nil), ("linux/", nil), ("a/b/c/d", nil), ("", nil),
        ] as [(String, Platform?)])
    func `platforms are read as people write them`(_ text: String, _ platform: Platform?) {
        #expect(Platform(parsing: text) == platform)
    }
}
