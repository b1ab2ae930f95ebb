// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
public import GraphSystem
public import SystemPackage

/// Images in a file or directory: an OCI image layout, a tar archive of one, what `docker save` writes, or skopeo's
/// `dir:`.
///
/// The format is recognised by looking. Archives may be compressed with anything that ``Decompressor`` reads;
/// they are never unpacked as a whole.
public struct ImageSource: Sendable {
    /// How images are stored.
    public enum Format: String, Hashable, Sendable, CaseIterable {
        /// A directory with `oci-layout` and `index.json`.
        case ociLayout = "oci-layout"
        /// A tar archive of such a directory.
        case ociArchive = "oci-archive"
        /// A tar archive with `manifest.json`, as `docker save` writes it, or a directory with its files.
        case dockerArchive = "docker-archive"
        /// A directory with `version` and one manifest, as `skopeo copy … dir:` writes it.
        case directory = "dir"
    }

    /// What was found at the path.
    public let format: Format
    let files: ImageFiles

    /// Opens a file or directory.
    ///
    /// - Parameters:
    ///   - path: A directory, or a file; also one that can only be read once, such as a FIFO.
    ///   - format: The only format to take; nil for whatever it is.
    ///   - directory: Where a temporary file takes its space if one is needed: for compressed archives
    ///     and for those that can only be read once. Such a file has no name.
    ///   - observer: Hears how far such a file has been written, and may stop it.
    /// - Throws: ``DriverError/Code/invalidArchive`` when it is none of the formats.
    public init(
        opening path: FilePath, as format: Format? = nil, spoolingTo directory: FilePath,
        observer: WorkObserver = .none
    ) throws(DriverError) {
        let file = try attempting(
            "open the image", try OwnedDescriptor.open(path, .readOnly))
        let status = try attempting("look at the image", try file.status())
        if status.type == .directory {
            try self.init(.directory(Directory(owning: file)), format)
        } else {
            try self.init(reading: file, as: format, spoolingTo: directory, observer: observer)
        }
    }

    /// Reads an archive from an open file, which may be a pipe.
    ///
    /// - Parameters:
    ///   - file: Open for reading; a regular file is read from its start.
    ///   - format: As in ``init(opening:as:spoolingTo:observer:)``.
    ///   - directory: As in ``init(opening:as:spoolingTo:observer:)``.
    ///   - observer: As there.
    /// - Throws: ``DriverError/Code/invalidArchive`` when it is none of the formats.
    public init(
        reading file: consuming OwnedDescriptor, as format: Format? = nil,
        spoolingTo directory: FilePath, observer: WorkObserver = .none
    ) throws(DriverError) {
        let status = try attempting("look at the image", try file.status())
        guard status.type == .regular else {
            try self.init(
                reading: FileSource(file), as: format, spoolingTo: directory, observer: observer)
            return
        }
        let whole = RandomAccessFile(file, size: status.size)
        let stream = try attempting(
            archive: "read the image", try Decompressor(FileRangeSource(whole.range)))
        if stream.compression == .none {
            try self.init(archive: whole, format, observer)
        } else {
            let plain = try Spool.file(holding: stream, in: directory, observer: observer)
            try self.init(archive: plain, format, observer)
        }
    }

    /// Reads an archive from a stream, which is kept in a temporary file.
    ///
    /// - Parameters:
    ///   - stream: The archive.
    ///   - format: As there.
    ///   - directory: As in ``init(opening:as:spoolingTo:observer:)``.
    ///   - observer: As there.
    /// - Throws: ``DriverError/Code/invalidArchive`` when it is none of the formats.
    public init(
        reading stream: any ByteSource, as format: Format? = nil, spoolingTo directory: FilePath,
        observer: WorkObserver = .none
    ) throws(DriverError) {
        let stream = try attempting(archive: "read the image", try Decompressor(stream))
        let plain = try Spool.file(holding: stream, in: directory, observer: observer)
        try self.init(archive: plain, format, observer)
    }

    private init(
        archive: RandomAccessFile, _ format: Format?, _ observer: WorkObserver
    ) throws(DriverError) {
        let index = try attempting(
            archive: "read the image", try ArchiveIndex(archive, observer: observer))
        try self.init(.archive(index), format)
    }

    private init(_ files: ImageFiles, _ wanted: Format?) throws(DriverError) {
        self.files = files
        let found = try Self.formats(of: files)
        if let wanted {
            guard found.contains(wanted) else {
                throw DriverError(
                    .invalidArchive,
                    "the image is not \(wanted.rawValue)"
                        + (found.first.map { ", but \($0.rawValue)" } ?? ""))
            }
            format = wanted
            return
        }
        if let first = found.first {
            format = first
            return
        }
        if files.isArchive, try files.file(named: "repositories") != nil {
            throw DriverError(
                .unsupported,
                "the archive was saved by docker before version 1.10, which has no digests")
        }
        throw DriverError(
            .invalidArchive,
            files.isArchive
                ? "the file is neither an OCI archive nor a docker archive"
                : "the directory holds neither an OCI image layout, nor the files of a docker archive, nor "
                    + "an image of skopeo's dir:")
    }

    /// What the files can be read as, the best first.
    private static func formats(of files: ImageFiles) throws(DriverError) -> [Format] {
        var formats: [Format] = []
        // Newer versions of docker write both kinds of index; the OCI one has all digests.
        if try files.file(named: OCILayout.markName) != nil,
            try files.file(named: OCILayout.indexName) != nil
        {
            formats.append(files.isArchive ? .ociArchive : .ociLayout)
        }
        if !files.isArchive, try SkopeoDirectory.isPresent(in: files) {
            formats.append(.directory)
        } else if try files.file(named: DockerArchive.manifestName) != nil {
            formats.append(.dockerArchive)
        }
        return formats
    }

    /// The names of all images, sorted; an image without a name does not appear.
    public func names() throws(DriverError) -> [String] {
        let names: [String]
        switch format {
        case .ociLayout, .ociArchive: names = try OCILayout(files).names
        case .dockerArchive: names = try DockerArchive(files).names
        case .directory: names = []
        }
        return Set(names).sorted()
    }

    /// Reads what one image consists of, and verifies the digests of its manifest and
    /// configuration.
    ///
    /// - Parameters:
    ///   - name: Chooses the image, where there are several: a whole name, one without its registry
    ///     or without `:latest`, or in an OCI layout the digest of its manifest.
    ///   - platform: Chooses among images of one name for several platforms.
    /// - Returns: The image; the bytes of its layers have not been read.
    /// - Throws: ``DriverError/Code/invalidArgument``, naming the images, when `name` is needed
    ///   and missing or wrong, ``DriverError/Code/unsupported`` when there is none for the platform,
    ///   ``DriverError/Code/digestMismatch``, ``DriverError/Code/invalidArchive``.
    public func image(
        named name: String? = nil, for platform: Platform = .host
    ) throws(DriverError) -> Image {
        switch format {
        case .ociLayout, .ociArchive: try OCILayout(files).image(named: name, for: platform)
        case .dockerArchive: try DockerArchive(files).image(named: name)
        // There is one image, so that a name can only be given to it.
        case .directory: try SkopeoDirectory(files).image(for: platform)
        }
    }

    /// Whether somebody who says `name` means the image called `full`.
    static func matches(_ full: String, _ name: String) -> Bool {
        [name, name + ":latest"].contains { full == $0 || full.hasSuffix("/" + $0) }
    }

    /// The error for a choice that has to be made and was not, or not well.
    static func choiceError(_ name: String?, among names: [String]) -> DriverError {
        let all = Set(names).sorted()
        // A source may have any number, of any length.
        let shown = all.prefix(20).map { name in
            let start = String(String.UnicodeScalarView(name.unicodeScalars.prefix(200)))
            return start == name ? name : start + "…"
        }
        let list = shown.joined(separator: ", ") + (all.count > 20 ? ", and others" : "")
        if let name {
            return DriverError(
                .invalidArgument, "the source does not hold exactly one image \(name), but: \(list)"
            )
        }
        return DriverError(
            .invalidArgument, "the source holds several images, choose one by its name: \(list)")
    }
}
