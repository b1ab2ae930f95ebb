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

/// Where images made by umoci and skopeo are.
enum RealImages {
    /// The directory with the images: beside GRAPH_TEST_IMAGE, or the newest in the cache.
    static let directory: FilePath? = {
        let environment = ProcessInfo.processInfo.environment
        if let image = environment["GRAPH_TEST_IMAGE"], !image.isEmpty {
            return FilePath(image).removingLastComponent()
        }
        let home = environment["HOME"] ?? "/root"
        let cache =
            environment["GRAPH_TEST_CACHE"]
            ?? (environment["XDG_CACHE_HOME"] ?? home + "/.cache") + "/graph-test-images"
        let names = (try? FilePath(cache).names) ?? []
        return names.map { FilePath(cache).appending($0) }
            .filter { (try? $0.appending("image.oci.tar").exists) == true }.last
    }()

    /// Whether the images are there and may be read: umoci's files belong to root alone.
    static var areReadable: Bool {
        guard let directory else { return false }
        return (try? directory.appending("busybox/index.json").readText()) != nil
    }
}

/// Images made by umoci and skopeo; see Tests/scripts/make-image.sh.
@Suite struct RealImageTests {
    @Test(.enabled(if: RealImages.areReadable, "the images cannot be read"))
    func `a layout made by umoci has the layers that its manifest says`() throws {
        let path = try #require(RealImages.directory).appending("busybox")
        try ImportFixture.with { fixture in
            let top = try fixture.importFile(path)
            #expect(top.depth == 2)
            #expect(try fixture.names(over: top) == ["busybox"])
            #expect(try fixture.files(of: top)["etc/hostname"] == "small\n")
            let source = try ImageSource(opening: path, spoolingTo: fixture.directory)
            #expect(try source.names() == ["busybox"])
        }
    }

    @Test(.enabled(if: RealImages.areReadable, "the images cannot be read"))
    func `one image has one identity in all three formats`() throws {
        let directory = try #require(RealImages.directory)
        try withScratchRoot { scratch in
            var chains: [[Digest]] = []
            var formats: [ImageSource.Format] = []
            for name in ["oci", "image.oci.tar", "image.docker.tar"] {
                let source = try ImageSource(
                    opening: directory.appending(name), spoolingTo: scratch)
                let image = try source.image()
                formats.append(source.format)
                chains.append(image.layers.map(\.diffID))
            }
            #expect(formats == [.ociLayout, .ociArchive, .dockerArchive])
            #expect(Set(chains).count == 1)
            #expect(chains[0].count == 3)
        }
    }
}
