// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
package import SystemPackage
package import Testing

/// The real images, which `Tests/scripts/make-image.sh` makes once a machine.
package struct TestImage: Sendable {
    /// An OCI layout.
    package let layout: FilePath
    /// The name of the image in it.
    package let tag: String

    /// Debian in three layers: `GRAPH_TEST_IMAGE`, else the last one made; nil where there is none.
    package static let debian: TestImage? = {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["GRAPH_TEST_IMAGE"] {
            return TestImage(layout: FilePath(path), tag: "debian")
        }
        let caches = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
        let cache = FilePath(
            environment["GRAPH_TEST_CACHE"] ?? caches + "/graph-test-images")
        let files = FileManager.default
        let made = ((try? cache.names) ?? []).map { cache.appending($0).appending("oci") }
            .compactMap { layout in
                (try? files.attributesOfItem(atPath: layout.string)[.modificationDate] as? Date)
                    .map { (layout, $0) }
            }
        return made.max { $0.1 < $1.1 }.map { TestImage(layout: $0.0, tag: "debian") }
    }()

    /// The directory of all images that were made together.
    package var directory: FilePath { layout.removingLastComponent() }
    /// The same image as an oci-archive.
    package var archive: FilePath { directory.appending("image.oci.tar") }
    /// The same image as a docker-archive.
    package var dockerArchive: FilePath { directory.appending("image.docker.tar") }
    /// A small one in two layers, with the programs of busybox.
    package var busybox: TestImage {
        TestImage(layout: directory.appending("busybox"), tag: "busybox")
    }
}

extension Trait where Self == ConditionTrait {
    /// Runs tests only as root of the machine and where the real image is.
    package static var realImage: Self {
        let environment = ProcessInfo.processInfo.environment
        let isReady = environment["GRAPH_IN_USERNS"] == nil && TestImage.debian != nil
        return .enabled(
            if: isReady, "needs the machine's root, and the image of Tests/scripts/make-image.sh")
    }
}
