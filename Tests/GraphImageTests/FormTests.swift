// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphImage
import GraphStore
import GraphTestSupport
import SystemPackage
import Testing

/// What is promised of the forms in which others store images.
@Suite struct FormTests {
    private static func layer() throws -> [UInt8] { try TestImage.layer("one", "first") }

    /// An image whose configuration is stored under a media type.
    private static func image(
        configuredAs type: String, content: String? = nil
    ) throws -> TestImage {
        let layer = try layer()
        var image = TestImage()
        let list = "\"\(Digest.of(layer))\""
        let text = content ?? #"{"rootfs":{"type":"layers","diff_ids":[\#(list)]}}"#
        let configuration = image.add(Array(text.utf8), type)
        let descriptor = image.add(layer, TestImage.layerType)
        image.entries = [
            image.add(
                Array(
                    #"{"schemaVersion":2,"config":\#(configuration),"layers":[\#(descriptor)]}"#
                        .utf8), TestImage.manifestType)
        ]
        return image
    }

    @Test(arguments: [
        "application/octet-stream", "application/json", "text/html", "text/plain", "",
    ])
    func `a configuration of a type that says nothing is one by its content`(
        _ type: String
    ) throws {
        try ImportFixture.with { fixture in
            let top = try fixture.importLayout(Self.image(configuredAs: type))
            #expect(try fixture.files(of: top) == ["one": "first"])
            for content in [#"{"name":"chart","version":"1.0.0"}"#, "a page", "[]"] {
                try fixture.expectFailure(.unsupported, saying: "by its content") {
                    try fixture.importLayout(Self.image(configuredAs: type, content: content))
                }
            }
        }
    }

    @Test func `an artifact is refused by its type`() throws {
        try ImportFixture.with { fixture in
            let type = "application/vnd.cncf.helm.config.v1+json"
            try fixture.expectFailure(.unsupported, saying: type) {
                try fixture.importLayout(Self.image(configuredAs: type))
            }
        }
    }

    @Test func `one image under two names is one`() throws {
        try ImportFixture.with { fixture in
            var image = try Self.image(configuredAs: "application/json")
            let entry = image.entries[0].dropLast()
            image.entries = ["app:1.2", "app:latest"].map {
                entry + TestImage.named($0) + "}"
            }
            let top = try fixture.importLayout(image)
            #expect(try fixture.names(over: top) == ["app:1.2", "app:latest"])
            try fixture.store.images.remove("app:1.2")
            try fixture.store.images.remove("app:latest")
            let named = try fixture.importLayout(image, name: "app:latest")
            #expect(try fixture.names(over: named) == ["app:latest"])
        }
    }

    @Test func `blobs may be named by sha512, and are verified by it`() throws {
        try withScratchRoot { scratch in
            try ImportFixture.with { fixture in
                let layer = try Self.layer()
                var image = TestImage()
                func add(_ bytes: [UInt8], _ type: String) throws -> String {
                    let digits = try shaSum(bytes, in: scratch)
                    image.files["blobs/sha512/\(digits)"] = bytes
                    return
                        #"{"mediaType":"\#(type)","digest":"sha512:\#(digits)","size":\#(bytes.count)}"#
                }
                let configuration = try add(
                    Array(
                        #"{"rootfs":{"type":"layers","diff_ids":["\#(Digest.of(layer))"]}}"#.utf8),
                    "application/vnd.oci.image.config.v1+json")
                let blob = try add(layer, TestImage.layerType)
                image.entries = [
                    try add(
                        Array(
                            #"{"schemaVersion":2,"config":\#(configuration),"layers":[\#(blob)]}"#
                                .utf8), TestImage.manifestType)
                ]
                let name = "blobs/sha512/\(try shaSum(layer, in: scratch))"
                var damaged = image
                damaged.files[name]?[600] ^= 1
                try fixture.expectFailure(.digestMismatch) { try fixture.importLayout(damaged) }
                let top = try fixture.importLayout(image)
                #expect(try fixture.files(of: top) == ["one": "first"])
                let stored = try #require(try fixture.store.images.over(top).first)
                let manifest = try #require(stored.manifests.first)
                #expect(manifest.digest.hasPrefix("sha512:"))
                #expect(manifest.layers.map { $0.digest.hasPrefix("sha512:") } == [true])
            }
        }
    }

    @Test(arguments: ["md5:d41d8cd98f00b204e9800998ecf8427e", "sha999:00"])
    func `another algorithm is refused by its name`(_ digest: String) throws {
        try ImportFixture.with { fixture in
            var image = TestImage()
            image.entries = [
                #"{"mediaType":"\#(TestImage.manifestType)","digest":"\#(digest)","size":2}"#
            ]
            let name = String(digest.prefix { $0 != ":" })
            try fixture.expectFailure(.unsupported, saying: name) {
                try fixture.importLayout(image)
            }
        }
    }

    @Test func `the files of a docker archive are read where they lie`() throws {
        try ImportFixture.with { fixture in
            let layer = try Self.layer()
            let configuration = Array(
                #"{"rootfs":{"type":"layers","diff_ids":["\#(Digest.of(layer))"]}}"#.utf8)
            let name = Digest.of(configuration).hex + ".json"
            let directory = fixture.directory.appending("unpacked")
            var files = TestImage()
            files.files = [
                name: configuration, "a/layer.tar": layer,
                "manifest.json": Array(
                    #"[{"Config":"\#(name)","RepoTags":["app:1"],"Layers":["a/layer.tar"]}]"#.utf8),
            ]
            try files.writeFiles(to: directory)
            let source = try ImageSource(opening: directory, spoolingTo: fixture.directory)
            #expect(source.format == .dockerArchive)
            #expect(try fixture.names(over: fixture.importFile(directory)) == ["app:1"])
        }
    }

    @Test func `skopeo's dir is read, and its blobs are verified`() throws {
        try ImportFixture.with { fixture in
            let layout = try Self.image(configuredAs: "application/vnd.oci.image.config.v1+json")
            let manifest = String(layout.entries[0].split(separator: "\"")[7].dropFirst(7))
            var files = TestImage()
            files.files = ["version": Array("Directory Transport Version: 1.1\n".utf8)]
            for (name, bytes) in layout.files where name.hasPrefix("blobs/sha256/") {
                let digits = String(name.dropFirst("blobs/sha256/".count))
                files.files[digits == manifest ? "manifest.json" : digits] = bytes
            }
            let directory = fixture.directory.appending("dir")
            try files.writeFiles(to: directory)
            let source = try ImageSource(opening: directory, spoolingTo: fixture.directory)
            #expect(source.format == .directory)
            #expect(try source.names().isEmpty)
            let top = try fixture.importFile(directory, name: "app:1")
            #expect(try fixture.names(over: top) == ["app:1"])
            #expect(try fixture.files(of: top) == ["one": "first"])
            try fixture.store.images.remove("app:1")
            let layer = Digest.of(try Self.layer()).hex
            files.files[layer]?[600] ^= 1
            let other = fixture.directory.appending("damaged")
            try files.writeFiles(to: other)
            try fixture.expectFailure(.digestMismatch) { try fixture.importFile(other) }
        }
    }

    @Test func `a format that was named is the only one that is taken`() throws {
        try ImportFixture.with { fixture in
            let path = fixture.directory.appending("layout")
            try path.makeDirectory()
            try Self.image(configuredAs: "").write(to: path)
            _ = try ImageSource(opening: path, as: .ociLayout, spoolingTo: fixture.directory)
            let error = #expect(throws: DriverError.self) {
                _ = try ImageSource(opening: path, as: .directory, spoolingTo: fixture.directory)
            }
            #expect(error?.code == .invalidArchive)
            #expect(error?.message == "the image is not dir, but oci-layout")
        }
    }

    @Test func `a location is a path, or a transport with one`() {
        func location(
            _ format: ImageSource.Format?, _ path: FilePath, _ name: String? = nil
        ) -> ImageLocation? {
            var location = ImageLocation(parsing: "x")
            location?.format = format
            location?.path = path
            location?.name = name
            return location
        }
        let cases: [(String, ImageLocation?)] = [
            ("image.tar", location(nil, "image.tar")), ("-", location(nil, "-")),
            ("./oci:x", location(nil, "./oci:x")), ("/a:b", location(nil, "/a:b")),
            ("oci:/a/b:app:1", location(.ociLayout, "/a/b", "app:1")),
            ("oci:/a/b", location(.ociLayout, "/a/b")), ("oci:/a/b:", location(.ociLayout, "/a/b")),
            ("oci-archive:a.tar:x", location(.ociArchive, "a.tar", "x")),
            ("docker-archive:a.tar:app:1", location(.dockerArchive, "a.tar", "app:1")),
            ("dir:/a:b", location(.directory, "/a:b")), ("dir:", nil), ("oci::x", nil),
        ]
        for (text, wanted) in cases {
            #expect(ImageLocation(parsing: text) == wanted, "\(text)")
        }
    }

    @Test(arguments: [
        ("linux/arm", "v7", "v6"), ("linux/arm/v7", "v7", "v5"), ("linux/arm/v6", "v6", "v5"),
        ("linux/armhf", "v7", "v6"), ("linux/arm/7", "v7", "v6"),
    ])
    func `arm without a variant is v7`(_ wanted: String, _ best: String, _ next: String) throws {
        try ImportFixture.with { fixture in
            var image = TestImage()
            image.entries = [next, best, "v8"].compactMap { variant in
                guard let layer = try? TestImage.layer("file", variant) else { return nil }
                return image.addImage(
                    [layer], more: TestImage.platform("arm", variant: variant))
            }
            let path = fixture.directory.appending("layout")
            try path.makeDirectory()
            try image.write(to: path)
            let source = try ImageSource(opening: path, spoolingTo: fixture.directory)
            let platform = try #require(Platform(parsing: wanted))
            let found = try source.image(for: platform).layers[0].diffID
            #expect(found == Digest.of(try TestImage.layer("file", best)))
        }
    }
}

/// The sha512 of bytes, as coreutils has it.
private func shaSum(_ bytes: [UInt8], in scratch: FilePath) throws -> String {
    let file = scratch.appending(UUID().uuidString)
    try Data(bytes).write(to: URL(fileURLWithPath: file.string))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/sha512sum")
    process.arguments = [file.string]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self).split(separator: " ").first.map(String.init)
        ?? ""
}
