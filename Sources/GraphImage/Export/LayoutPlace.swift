// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// An OCI layout in a directory: a new one, which appears under its name when it is whole, or one that is there,
/// whose index names the new images when all their blobs are on disk.
final class LayoutPlace: ExportPlace {
    private let path: FilePath
    private let directory: Directory
    /// Where a new layout is to appear, and what it is called until then.
    private var unnamed: (parent: Directory, name: RawPath, temporary: RawPath)?
    private var added: [(directory: Directory, name: RawPath)] = []
    /// Held from the first look at a layout that is there: who finds a blob must not lose it to another
    /// export that fails and takes its own back, and each adds to the index that the last one wrote.
    private var lock: RangeLock?
    private var directories: [String: Directory] = [:]

    init(_ path: FilePath) throws(DriverError) {
        self.path = path
        guard let last = path.lastComponent, path.lastComponent?.kind == .regular else {
            throw DriverError(.invalidArgument, "\(path) is not the name of a directory")
        }
        let above = path.removingLastComponent()
        let parent = try attempting(
            "open the directory of \(path)", try Directory(opening: above.isEmpty ? "." : above))
        do throws(SyscallError) {
            let found = try Directory(opening: path)
            let names = try found.listing().map(\.name.description)
            guard names.isEmpty || names.contains(OCILayout.markName) else {
                throw SyscallError(
                    call: "open(\(path))", errno: .fileExists,
                    detail: "it holds something else than an OCI layout")
            }
            if !names.isEmpty {
                lock = try RangeLock(waitingFor: 0, in: path.appending(OCILayout.markName))
                directory = found
                return
            }
        } catch  where error.errno == .noSuchFileOrDirectory {
            // A new one.
        } catch {
            throw error.errno == .fileExists || error.errno == .notDirectory
                ? DriverError(.invalidArgument, "\(path) is not an OCI layout", cause: error)
                : DriverError("open \(path)", error)
        }
        let partial = try attempting(
            "make \(path)",
            try PartialEntry.makeDirectory(of: RawPath(last), in: parent, permissions: 0o755))
        unnamed = (parent, RawPath(last), partial.name)
        directory = partial.directory()
    }

    deinit {
        // Something failed, and that is what gets told.
        if let unnamed { _ = try? unnamed.parent.removeTree(unnamed.temporary) }
        for (directory, name) in added { try? directory.removeFile(name) }
    }

    func put(_ bytes: [UInt8], as name: String) throws(DriverError) {
        try attempting(
            "write \(path)",
            try { () throws(SyscallError) in
                // Nobody else writes here, so what is there was left by a killed process.
                let temporary = RawPath(".\(name).partial")
                let file = try directory.open(
                    temporary, [.writeOnly, .create, .truncate], permissions: 0o644)
                try file.write(bytes.span)
                try file.sync()
                try directory.rename(temporary, to: RawPath(name), in: directory)
            }())
    }

    func put(
        blob write: (any ByteSink) throws(DriverError) -> Void, expecting: BlobDigest?
    ) throws(DriverError) -> WrittenBlob {
        let blobs = try blobDirectory((expecting?.algorithm ?? .sha256).rawValue)
        let temporary: RawPath = ".blob.partial"
        let file = try attempting(
            "write \(path)",
            try blobs.open(
                temporary, [.writeOnly, .create, .truncate], permissions: 0o644))
        do throws(DriverError) {
            let sink = BlobSink(
                FileSink(try attempting("use \(path)", try file.duplicate())),
                expecting: expecting)
            try write(sink)
            let blob = sink.result
            let target = try blobDirectory(blob.digest.algorithm.rawValue)
            let name = RawPath(blob.digest.hex)
            do throws(SyscallError) {
                if try target.statusIfPresent(of: name)?.size == blob.bytes {
                    try blobs.removeFile(temporary)
                    return blob
                }
                try file.sync()
                try blobs.rename(temporary, to: name, in: target)
            } catch {
                throw DriverError("write \(path)", error)
            }
            added.append((target, name))
            return blob
        } catch {
            try? blobs.removeFile(temporary)
            throw error
        }
    }

    private func blobDirectory(_ algorithm: String) throws(DriverError) -> Directory {
        if let known = directories[algorithm] { return known }
        let made = try attempting(
            "write \(path)",
            try directory.makeOrOpenDirectory("blobs", permissions: 0o755)
                .makeOrOpenDirectory(RawPath(algorithm), permissions: 0o755))
        directories[algorithm] = made
        return made
    }

    func finish(_ entries: [IndexEntry]) throws(DriverError) {
        let descriptors = entries.flatMap(\.descriptors)
        for (_, blobs) in directories {
            try attempting("write \(path)", try blobs.sync())
        }
        if let (parent, name, temporary) = unnamed {
            try put(OCILayout.mark, as: OCILayout.markName)
            try put(try OCILayout.index(descriptors).document(), as: OCILayout.indexName)
            do throws(SyscallError) {
                try directory.openDirectory("blobs").sync()
                try directory.sync()
                try parent.rename(temporary, to: name, in: parent)
                (unnamed, added) = (nil, [])
                try parent.sync()
            } catch {
                throw DriverError("write \(path)", error)
            }
            return
        }
        try put(
            try OCILayout.index(of: directory, path, adding: descriptors), as: OCILayout.indexName)
        added = []
        try attempting("write \(path)", try directory.sync())
    }
}

extension OCILayout {
    static let nameKey = "org.opencontainers.image.ref.name"
    /// What `oci-layout` says.
    static let mark = Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)

    /// An index with these entries.
    static func index(_ descriptors: [JSONValue]) -> JSONValue {
        [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": .array(descriptors),
        ]
    }

    /// The index of a layout with entries more, which take their names from others.
    static func index(
        of directory: Directory, _ path: FilePath, adding descriptors: [JSONValue]
    ) throws(DriverError) -> [UInt8] {
        let bytes = try ImageFiles.directory(directory).document(named: indexName)
        guard let bytes, var index = JSONValue(document: bytes)?.members,
            let old = index["manifests"]?.elements
        else { throw DriverError(.invalidArchive, "\(path) has no index that can be added to") }
        func name(_ entry: JSONValue) -> String? { entry["annotations"]?[nameKey]?.text }
        let kept = old.filter { entry in
            !descriptors.contains { new in
                name(new) == name(entry)
                    && (name(new) != nil || new["digest"]?.text == entry["digest"]?.text)
            }
        }
        index["manifests"] = .array(kept + descriptors)
        return try JSONValue.object(index).document()
    }
}
