// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import SystemPackage

/// Where an image is, as people write it: a path, or one with the transport that skopeo, podman and buildah
/// know it by, such as `oci:DIRECTORY:NAME`.
public struct ImageLocation: Hashable, Sendable {
    /// How the image is stored; nil to find out by looking.
    public var format: ImageSource.Format?
    /// A file or directory; `-` for standard input.
    public var path: FilePath
    /// Which image, where the transport names it.
    public var name: String?

    /// Reads `PATH`, or `TRANSPORT:PATH[:NAME]` with the transports `oci`, `oci-archive`, `docker-archive` and,
    /// without a name, `dir`.
    ///
    /// As with these tools, a path behind a transport ends at its first colon. A file whose own name begins with a
    /// transport is `./oci:file`. Nil when a transport has no path.
    public init?(parsing text: String) {
        for format in ImageSource.Format.allCases {
            guard text.hasPrefix(format.transport + ":") else { continue }
            let rest = text.dropFirst(format.transport.count + 1)
            let parts =
                format == .directory
                ? [rest]
                : rest.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            if parts[0].isEmpty { return nil }
            self.format = format
            path = FilePath(String(parts[0]))
            name = parts.count > 1 && !parts[1].isEmpty ? String(parts[1]) : nil
            return
        }
        (format, path, name) = (nil, FilePath(text), nil)
    }
}

extension ImageSource.Format {
    /// What containers/image calls it before the colon.
    var transport: String { self == .ociLayout ? "oci" : rawValue }
}
