// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// The files of an image, by the names that the image's format gives them.
enum ImageFiles: Sendable {
    case folder(Directory)
    case archive(ArchiveIndex)

    /// Whether they lie in an archive.
    var isArchive: Bool { if case .archive = self { true } else { false } }

    /// The bytes of a file, or nil when there is no such file.
    ///
    /// In a folder, links are followed and stay inside it.
    func file(named name: String) throws(DriverError) -> FileRange? {
        switch self {
        case .archive(let index): return index.file(named: name)
        case .folder(let directory):
            guard let path = RawPath(validating: name.utf8) else { return nil }
            do throws(SyscallError) {
                // A FIFO in the folder must not make this wait.
                let file = try directory.resolve(path, [.readOnly, .nonBlocking])
                let status = try file.status()
                guard status.type == .regular else { return nil }
                return RandomAccessFile(file, size: status.size).range
            } catch {
                if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory {
                    return nil
                }
                throw DriverError("open \(name) of the image", error)
            }
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
