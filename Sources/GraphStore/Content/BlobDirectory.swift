// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// Compressed layers as they came, where somebody wanted them kept: `ROOT/blobs/ALGORITHM-DIGITS`.
///
/// A file that no manifest names is nobody's; one that is not there is made again by compressing.
struct BlobDirectory: Sendable {
    static let name: RawPath = "blobs"

    let path: FilePath

    /// The file of a blob; nil where it is not kept.
    func open(_ digest: String) throws(DriverError) -> OwnedDescriptor? {
        do throws(SyscallError) {
            return try Directory(opening: path).open(Self.name(digest), .readOnly)
        } catch  where [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) {
            return nil
        } catch {
            throw DriverError("open the blob \(digest)", error)
        }
    }

    /// Has a blob written, which gets its name when it is whole and on disk.
    ///
    /// `owner` tells, should the process die, that nobody writes it any more.
    func keep(
        _ digest: String, owner: Int64,
        _ write: (any ByteSink) throws(DriverError) -> Void
    ) throws(DriverError) {
        let directory = try attempting(
            "make the directory \(path)",
            try Directory(opening: path.removingLastComponent())
                .makeOrOpenDirectory(Self.name, permissions: 0o700))
        let temporary = RawPath("\(Self.name(digest)).\(owner)")
        do throws(DriverError) {
            let file = try attempting(
                "keep the blob \(digest)",
                try directory.open(temporary, [.writeOnly, .create, .truncate], permissions: 0o600))
            try write(
                FileSink(try attempting("keep the blob \(digest)", try file.duplicate())))
            try attempting("keep the blob \(digest)", try file.sync())
            try attempting(
                "keep the blob \(digest)",
                try directory.rename(temporary, to: Self.name(digest), in: directory))
            try attempting("keep the blob \(digest)", try directory.sync())
        } catch {
            try? directory.removeFile(temporary)
            throw error
        }
    }

    /// Removes a blob, if it is there.
    func remove(_ name: RawPath) throws(DriverError) {
        do throws(SyscallError) {
            try Directory(opening: path).removeFile(name)
        } catch  where [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) {
            return
        } catch {
            throw DriverError("remove the blob \(name)", error)
        }
    }

    /// What lies in the directory.
    enum Item {
        /// A whole blob, by its digest.
        case blob(String)
        /// One that is being written by an owner, or was.
        case unfinished(owner: Int64)
        case foreign
    }

    /// Everything in the directory, by its names.
    func inventory() throws(DriverError) -> [(name: RawPath, item: Item)] {
        let names: [RawPath]
        do throws(SyscallError) {
            names = try Directory(opening: path).listing().map(\.name)
        } catch  where [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) {
            return []
        } catch {
            throw DriverError("list the blobs", error)
        }
        return names.map { ($0, Self.item($0.description)) }
    }

    private static func item(_ name: String) -> Item {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        let digest = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        let digits = ["sha256": 64, "sha512": 128][digest.first ?? ""]
        guard digest.count == 2, digest[1].utf8.count == digits,
            digest[1].allSatisfy(\.isHexDigit)
        else { return .foreign }
        if parts.count == 1 { return .blob("\(digest[0]):\(digest[1])") }
        guard parts.count == 2, let owner = Int64(parts[1]) else { return .foreign }
        return .unfinished(owner: owner)
    }

    /// The name of a blob's file.
    static func name(_ digest: String) -> RawPath {
        RawPath(String(digest.map { $0 == ":" ? "-" : $0 }))
    }
}
