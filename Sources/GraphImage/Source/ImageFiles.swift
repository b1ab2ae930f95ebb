// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// The files of an image, by the names that the image's format gives them.
enum ImageFiles: Sendable {
    case directory(Directory)
    case archive(ArchiveIndex)

    /// Whether they lie in an archive.
    var isArchive: Bool { if case .archive = self { true } else { false } }

    /// The bytes of a file, or nil when there is no such file.
    ///
    /// In a directory, links are followed and stay inside it. Those of a layout's blobs may lead out, as build
    /// tools make them: what a blob is its digest says, wherever it lies.
    func file(named name: String) throws(DriverError) -> FileRange? {
        switch self {
        case .archive(let index): return index.file(named: name)
        case .directory(let directory):
            guard let path = RawPath(validating: name.utf8) else { return nil }
            do throws(SyscallError) {
                guard let file = try Self.open(path, in: directory) else { return nil }
                let size = try file.status().size
                return RandomAccessFile(file, size: size).range
            } catch {
                if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
                    return nil
                }
                throw DriverError("open \(name) of the image", error)
            }
        }
    }

    private static func open(
        _ path: RawPath, in directory: Directory
    ) throws(SyscallError) -> OwnedDescriptor? {
        do throws(SyscallError) {
            // A FIFO in the directory must not make this wait.
            let file = try directory.resolve(path, [.readOnly, .nonBlocking])
            if try file.status().type != .regular { return nil }
            return file
        } catch {
            guard error.errno == .noSuchFileOrDirectory, path.hasPrefix("blobs/") else {
                throw error
            }
            return try directory.openRegularFile(following: path)
        }
    }

    /// Bytes of a JSON file at most.
    private static let documentBytes: UInt64 = 4 << 20

    /// The bytes of a file that is known to be small.
    ///
    /// - Returns: nil when there is no such file.
    func document(named name: String) throws(DriverError) -> [UInt8]? {
        guard let range = try file(named: name) else { return nil }
        if range.count > Self.documentBytes {
            throw DriverError(
                .invalidArchive,
                "\(name) has \(range.count) bytes, and \(Self.documentBytes) are the most")
        }
        return try attempting(archive: "read \(name)", try range.bytes())
    }
}
