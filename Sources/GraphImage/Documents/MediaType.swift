// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What a blob of an image is: the media types of OCI and of docker's schema 2.
enum MediaType {
    case index
    case manifest
    case configuration
    case layer(isForeign: Bool)
    /// What old registries stored whatever they were given as; the content has to tell.
    case generic
    case unknown

    static let ociManifest = "application/vnd.oci.image.manifest.v1+json"
    static let ociConfiguration = "application/vnd.oci.image.config.v1+json"
    static let ociLayer = "application/vnd.oci.image.layer.v1.tar"
    static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

    /// What OCI calls the type of a layer; docker's types have one there.
    static func ociLayer(_ type: String) -> String {
        let names = [
            ("application/vnd.docker.image.rootfs.diff.tar", ociLayer),
            (
                "application/vnd.docker.image.rootfs.foreign.diff.tar",
                "application/vnd.oci.image.layer.nondistributable.v1.tar"
            ),
        ]
        for (docker, oci) in names where type.hasPrefix(docker) {
            let compression = type.dropFirst(docker.count)
            return oci + (compression.isEmpty ? "" : "+" + compression.dropFirst())
        }
        return type
    }

    /// Whether a blob of this type can be the configuration of an image.
    var mayBeConfiguration: Bool {
        if case .configuration = self { true } else { isGeneric }
    }

    /// Whether the type says nothing.
    var isGeneric: Bool { if case .generic = self { true } else { false } }

    /// Recognises a media type.
    init(_ name: String) {
        switch name {
        case "application/vnd.oci.image.index.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json":
            self = .index
        case "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json":
            self = .manifest
        case "application/vnd.oci.image.config.v1+json",
            "application/vnd.docker.container.image.v1+json":
            self = .configuration
        case "", "application/octet-stream", "application/json", "text/html", "text/plain":
            self = .generic
        default:
            self = Self.layer(name)
        }
    }

    private static func layer(_ name: String) -> MediaType {
        // The compression is found by looking, so any that can be read will do.
        var base = name
        for suffix in ["+gzip", "+zstd", "+xz", "+bzip2", ".gzip", ".zstd", ".xz", ".bzip2"]
        where base.hasSuffix(suffix) {
            base.removeLast(suffix.count)
            break
        }
        switch base {
        case "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.docker.image.rootfs.diff.tar":
            return .layer(isForeign: false)
        case "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar":
            return .layer(isForeign: true)
        default:
            return .unknown
        }
    }
}
