// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphTestSupport
import SystemPackage
import Testing

/// What `export` writes, as other programs read it.
@Suite struct ExportTests {
    private static let formats = [
        "oci:out:app", "oci-archive:out.tar:app", "docker-archive:d.tar:app",
    ]

    private static func has(_ tool: String) -> Bool {
        (try? runCommand("sh", ["-c", "command -v \(tool)"])) != nil
    }

    /// Lends a store with an image, and where the image came from.
    private func withImage(
        _ subject: DriverUnderTest,
        _ body: (GraphctlCommand, TestImage, _ id: String) throws -> Void
    ) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            let image = RecordTests.image(
                try RecordTests.layers(), called: ["app:1"], saying: "app")
            try directory.appending("layout").makeDirectory()
            try image.write(to: directory.appending("layout"))
            let id = try command.succeed("import", directory.appending("layout").string).text
            try body(command, image, id)
        }
    }

    /// A destination in a store's directory.
    private static func place(_ text: String, _ command: GraphctlCommand) -> String {
        let parts = text.split(separator: ":", maxSplits: 1)
        return "\(parts[0]):\(command.directory.string)/\(parts[1])"
    }

    private static func digest(_ path: FilePath) throws -> String {
        String(try runCommand("sha256sum", [path.string]).prefix(64))
    }

    /// All names in a directory, and the digests of its files.
    private static func contents(of directory: FilePath) throws -> String {
        let script = #"cd "$0" && find . | sort && find . -type f -exec sha256sum {} + | sort"#
        return try runCommand("bash", ["-ec", script, directory.string])
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what was imported comes out with the digests that it had`(
        _ subject: DriverUnderTest
    ) throws {
        try withImage(subject) { command, image, id in
            let manifest = try #require(image.entries.first?.split(separator: "\"")[7])
            for format in Self.formats {
                // No warning: plain layers have the bytes that came.
                let printed = try command.succeed("export", "app:1", Self.place(format, command))
                let isDocker = format.hasPrefix("docker")
                #expect(printed.text == (isDocker ? "sha256:" + id : String(manifest)))
            }
            for (name, bytes) in image.files {
                let file = command.directory.appending("out").string + "/" + name
                #expect(try [UInt8](Data(contentsOf: URL(fileURLWithPath: file))) == bytes)
            }
            // Into another store, of whatever was written.
            for format in Self.formats {
                let other = GraphctlCommand(
                    driver: subject.name, directory: command.directory.appending("other"))
                try other.directory.makeDirectory()
                let again = try other.succeed("import", Self.place(format, command)).text
                #expect(again == id)
                #expect(try other.succeed("check", "--deep").text == "")
                try other.succeed("rmi", again)
                #expect(try other.succeed("ls", "-q").text == "")
                try other.directory.remove()
            }
        }
    }

    @Test(
        .enabled(if: ExportTests.has("skopeo"), "needs skopeo"),
        arguments: DriverUnderTest.usableBelowTestBase)
    func `skopeo reads it, with the same configuration and layers`(
        _ subject: DriverUnderTest
    ) throws {
        try withImage(subject) { command, image, id in
            let diffIDs = try RecordTests.layers().map { Digest.of($0).hex }
            for (index, format) in Self.formats.enumerated() {
                let place = Self.place(format, command)
                try command.succeed("export", "app:1", place)
                // A docker-archive has names as registries write them.
                let source = format.hasPrefix("docker") ? String(place.dropLast(4)) : place
                let copy = command.directory.appending("dir\(index)")
                _ = try runCommand("skopeo", ["copy", "-q", source, "dir:" + copy.string])
                #expect(try Self.digest(copy.appending(id)) == id)
                for diffID in diffIDs { #expect(try copy.appending(diffID).exists) }
                // And back; of a docker-archive's image skopeo writes another configuration into a layout.
                var back = "dir:" + copy.string
                if !format.hasPrefix("docker") {
                    back = "oci:\(command.directory.string)/back\(index):app"
                    _ = try runCommand("skopeo", ["copy", "-q", "dir:" + copy.string, back])
                }
                #expect(try command.succeed("import", back).text == id)
            }
            let raw = try runCommand(
                "skopeo", ["inspect", "--raw", Self.place(Self.formats[0], command)])
            let manifest = try #require(image.entries.first?.split(separator: "\"")[7])
            #expect(Digest.of(Array(raw.utf8)).description == manifest)
        }
    }

    @Test(.enabled(if: RealImages.areReadable, "the images cannot be read"))
    func `layers that another program compressed get a new manifest, and stay what they are`()
        throws
    {
        let source = try #require(RealImages.directory).appending("busybox")
        try DriverUnderTest.usableBelowTestBase[0].withDirectory { directory in
            let command = GraphctlCommand(
                driver: DriverUnderTest.usableBelowTestBase[0].name, directory: directory)
            let id = try command.succeed("import", source.string).text
            let out = "oci-archive:\(directory.string)/out.tar:busybox"
            let first = try command.run(["export", "busybox", out, "--json"])
            #expect(first.status == 0)
            #expect(first.errors.contains("were compressed by another program"))
            let report = try JSONSerialization.jsonObject(with: Data(first.output))
            let written = try #require((report as? [[String: Any]])?.first)
            #expect(written["id"] as? String == "sha256:" + id)
            let manifest = try #require(written["manifest"] as? String)
            #expect(written["replaced_manifest"] as? String != manifest)
            // What was written by this program comes back as it is.
            #expect(try command.succeed("import", out).text == id)
            try command.succeed("export", manifest, "oci:\(directory.string)/again:busybox")
            let blob = directory.appending("again").appending("blobs").appending("sha256")
                .appending(String(manifest.dropFirst(7)))
            #expect("sha256:" + (try Self.digest(blob)) == manifest)
            if Self.has("umoci") {
                _ = try runCommand(
                    "umoci",
                    [
                        "unpack", "--rootless", "--image", "\(directory.string)/again:busybox",
                        "\(directory.string)/bundle",
                    ])
                let text = try directory.appending("bundle/rootfs/etc/hostname").readText()
                #expect(text == "small\n")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `docker's manifest becomes OCI's in a layout, where others look for no other`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            let layer = try TestImage.layer("one", "first")
            var image = TestImage()
            let configuration = image.add(
                Array(#"{"rootfs":{"type":"layers","diff_ids":["\#(Digest.of(layer))"]}}"#.utf8),
                "application/vnd.docker.container.image.v1+json")
            // Of a foreign program's compression, which is kept.
            var packed = try TestImage.compress(layer, .gzip)
            packed[9] ^= 3
            let blob = image.add(
                packed, "application/vnd.docker.image.rootfs.diff.tar.gzip")
            let type = "application/vnd.docker.distribution.manifest.v2+json"
            let document =
                #"{"schemaVersion":2,"mediaType":"\#(type)","config":\#(configuration),"layers":[\#(blob)]}"#
            image.entries = [image.add(Array(document.utf8), type, more: TestImage.named("app:1"))]
            try directory.appending("layout").makeDirectory()
            try image.write(to: directory.appending("layout"))
            let source = directory.appending("layout").string
            let id = try command.succeed("import", "--keep-blobs", source)
            let out = directory.appending("out")
            let result = try command.run(["export", "app:1", "oci:\(out.string):app", "--json"])
            #expect(result.errors.contains("docker's"), "\(result.errors)")
            let report = try JSONSerialization.jsonObject(with: Data(result.output))
            let written = try #require((report as? [[String: Any]])?.first)
            #expect(
                written["replaced_manifest"] as? String
                    == Digest.of(Array(document.utf8)).description)
            let manifest = try #require(written["manifest"] as? String)
            let text = try out.appending("blobs").appending("sha256")
                .appending(String(manifest.dropFirst(7))).readText()
            for wanted in [
                TestImage.manifestType, TestImage.layerType + "+gzip",
                "application/vnd.oci.image.config.v1+json",
                // The layer's blob and the configuration are those that came.
                Digest.of(packed).description, id.text,
            ] {
                #expect(text.contains(wanted), "\(text)")
            }
            #expect(!text.contains("docker"))
            #expect(try command.succeed("import", "oci:\(out.string):app").text == id.text)
        }
    }

    @Test(.enabled(if: RealImages.areReadable, "the images cannot be read"))
    func `blobs that were kept come out as they came, and go with their image`() throws {
        let source = try #require(RealImages.directory).appending("busybox")
        for subject in DriverUnderTest.usableBelowTestBase {
            try subject.withDirectory { directory in
                let command = GraphctlCommand(driver: subject.name, directory: directory)
                let blobs = command.root.appending("blobs")
                // Also of an image that is there already.
                try command.succeed("import", source.string)
                #expect(try !blobs.exists)
                try command.succeed("import", "--keep-blobs", source.string)
                #expect(try blobs.names.count == 2)
                let out = directory.appending("out")
                let manifest = try command.succeed("export", "busybox", "oci:" + out.string).text
                #expect(
                    try source.appending("index.json").readText().contains(manifest))
                for name in try blobs.names {
                    let digits = String(name.dropFirst(7))
                    let blob = out.appending("blobs").appending("sha256").appending(digits)
                    #expect(try Self.digest(blob) == digits)
                }
                #expect(try command.succeed("check", "--deep").text == "")
                // One that was damaged is noticed, and nothing is written.
                let kept = blobs.appending(try #require(try blobs.names.first))
                try kept.write("something else")
                let bad = try command.run(
                    ["export", "busybox", "oci-archive:\(directory.string)/bad.tar", "--json"])
                #expect(bad.text.contains("digestMismatch"))
                #expect(try !directory.appending("bad.tar").exists)
                let found = try command.run(["check", "--deep"])
                #expect(found.status == 2)
                #expect(found.text.contains("content_changed"))
                try command.succeed("rmi", "busybox")
                #expect(try blobs.names.isEmpty)
                #expect(try command.succeed("check", "--deep").text == "")
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `an export that fails leaves what was there`(_ subject: DriverUnderTest) throws {
        try withImage(subject) { command, _, _ in
            try command.succeed("export", "app:1", Self.place("oci:out:app", command))
            let before = try Self.contents(of: command.directory.appending("out"))
            let names = try command.directory.names
            // A layer whose recipe is gone gives no bytes that are known.
            for name in try command.root.appending("recipes").names {
                try command.root.appending("recipes").appending(name).remove()
            }
            for format in Self.formats + ["oci:new"] {
                let result = try command.run(["export", "app:1", Self.place(format, command)])
                #expect(result.status == 1, "\(format)")
            }
            #expect(try command.directory.names == names)
            #expect(try Self.contents(of: command.directory.appending("out")) == before)
            // Neither is a directory with other things taken for a layout.
            let other = try command.run(["export", "app:1", "oci:" + command.directory.string])
            #expect(other.status == 1)
            #expect(try command.directory.names == names)
        }
    }

    @Test func `a container's layer is written over its image, the same bytes on every driver`()
        throws
    {
        var manifests: Set<String> = []
        for subject in DriverUnderTest.usable {
            try withImage(subject) { command, _, id in
                let change = command.directory.appending("change.tar")
                try Data(TestImage.layer("hello", "hi")).write(
                    to: URL(fileURLWithPath: change.string))
                try command.succeed("apply", "--id", "web", "--parent", "app:1", change.string)
                let place = Self.place("oci:out:web", command)
                let result = try command.run(
                    ["export", "--layer", "web", place],
                    wrapper: ["env", "SOURCE_DATE_EPOCH=1700000000"])
                #expect(result.status == 0, "\(result.errors)")
                manifests.insert(result.text)
                #expect(try command.run(["export", "--layer", "nothing", place]).status == 1)
                let imported = try command.succeed("import", place).text
                #expect(imported != id)
                let text = try command.succeed("inspect", imported).text
                #expect(text.contains("2023-11-14T22:13:20Z"))
                // What its base says of itself stays.
                #expect(text.contains(#""author": "app""#))
                #expect(text.contains(#""layer_count": 3"#))
            }
        }
        #expect(manifests.count == 1)
    }

    @Test func `several images go into one archive, and layouts grow`() throws {
        try withImage(DriverUnderTest.usableBelowTestBase[0]) { command, _, id in
            let directory = command.directory
            let other = RecordTests.image(
                try RecordTests.layers(), called: ["other:1"], saying: "other")
            try directory.appending("second").makeDirectory()
            try other.write(to: directory.appending("second"))
            let otherID = try command.succeed("import", directory.appending("second").string).text
            let tar = directory.appending("both.tar").string
            try command.succeed("export", "app:1", "other:1", "docker-archive:" + tar)
            let layout = directory.appending("out").string
            try command.succeed("export", "app:1", "oci:" + layout)
            try command.succeed("export", "other:1", "oci:" + layout)
            // The name goes to the image that was written last.
            try command.succeed("export", "other:1", "oci:\(layout):app:1")
            for (name, wanted) in [("app:1", otherID), ("other:1", otherID)] {
                #expect(try command.succeed("import", "oci:\(layout):\(name)").text == wanted)
            }
            try command.succeed("rmi", "app:1", "other:1")
            #expect(try command.succeed("images", "-q").lines == [id])
            for (name, wanted) in [("app:1", id), ("other:1", otherID)] {
                let line = "docker-archive:\(tar):\(name)"
                #expect(try command.succeed("import", line).text == wanted)
            }
        }
    }
}
