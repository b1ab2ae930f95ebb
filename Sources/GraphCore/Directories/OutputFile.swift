// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
import GraphSystem
package import SystemPackage

/// A file that appears under its name whole, or not at all.
package final class OutputFile: ByteSink {
    private let path: FilePath
    private let descriptor: OwnedDescriptor
    private let directory: Directory
    private let name: RawPath
    /// The name while it is written; nil for what is no regular file, such as `/dev/null`.
    private var temporaryName: RawPath?

    /// Makes a file beside the place where it is to be.
    package init(_ path: FilePath) throws(DriverError) {
        guard let last = path.lastComponent else {
            throw DriverError(.invalidArgument, "\(path) is not the name of a file")
        }
        let parent = path.removingLastComponent()
        self.path = path
        name = RawPath(last)
        let directory = try attempting(
            "open the directory of \(path)", try Directory(opening: parent.isEmpty ? "." : parent))
        self.directory = directory
        // Follows a link: what it leads to decides, and a link to a file is replaced like one.
        let isSpecial: Bool
        do throws(SyscallError) {
            let type = try OwnedDescriptor.open(path, .path).status().type
            if type == .directory {
                throw SyscallError(call: "open(\(path))", errno: .isDirectory)
            }
            isSpecial = type != .regular
        } catch  where error.errno == .noSuchFileOrDirectory {
            isSpecial = false
        } catch {
            throw DriverError("write \(path)", error)
        }
        if isSpecial {
            descriptor = try attempting(
                "open \(path)", try OwnedDescriptor.open(path, .writeOnly))
        } else {
            let partial = try attempting(
                "make \(path)",
                try PartialEntry.makeFile(of: RawPath(last), in: directory, permissions: 0o666))
            temporaryName = partial.name
            descriptor = partial.file()
        }
    }

    /// Whether it is no regular file, which nothing can be put beside.
    package var isSpecial: Bool { temporaryName == nil }

    deinit {
        // Not kept: something failed, and that is what gets told.
        if let temporaryName { try? directory.removeFile(temporaryName) }
    }

    package func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        do {
            try descriptor.write(bytes)
        } catch {
            throw ArchiveError(.system, "could not write \(path)", cause: error)
        }
    }

    package func finish() throws(ArchiveError) {}

    /// Gives the whole file its name, once its bytes are on disk.
    package func keep() throws(DriverError) {
        guard let temporary = temporaryName else { return }
        do throws(SyscallError) {
            try descriptor.sync()
            try directory.rename(temporary, to: name, in: directory)
            temporaryName = nil
            try directory.sync()
        } catch {
            throw DriverError("write \(path)", error)
        }
    }
}
