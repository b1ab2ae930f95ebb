// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The files of a layer whose contents its recipe vouches for.
package struct VouchedFiles: Sendable {
    /// On the layer's filesystem: all names of a file are one.
    let inodes: Set<UInt64>

    /// None at all.
    package static let none = VouchedFiles(inodes: [])

    /// Whether a file of the layer has bytes, and nothing says which they must be.
    func leaveOut(_ status: FileStatus) -> Bool {
        status.type == .regular && status.size > 0 && !inodes.contains(status.inode)
    }
}

/// A file of the layer that a recipe refers to, open for reading.
final class RecipeFile {
    let path: RawPath
    let descriptor: OwnedDescriptor
    /// Up to where the tar has told what the file holds.
    var end: UInt64 = 0

    init(_ path: RawPath, in layer: Directory) throws(ArchiveError) {
        self.path = path
        descriptor = try attempting(
            "open /\(path)", try layer.openBeneath(path, [.readOnly, .nonBlocking]))
    }
}

/// What is made sure of beside the bytes of the tar.
final class RecipeVerification {
    private(set) var inodes: Set<UInt64> = []
    private var size: UInt64 = 0
    private var buffer = [UInt8](repeating: 0, count: TarLimits.bufferBytes)
    private let observer: WorkObserver

    init(_ observer: WorkObserver) { self.observer = observer }

    /// Takes note of a file to which the next pieces refer.
    func begin(_ file: RecipeFile?) throws(ArchiveError) {
        guard let file else { return }
        let status = try attempting("look at /\(file.path)", try file.descriptor.status())
        inodes.insert(status.inode)
        size = status.size
    }

    /// Makes sure that the rest of a file is one hole.
    func finish(_ file: RecipeFile?) throws(ArchiveError) {
        if let file { try requireZeros(in: file, upTo: size) }
    }

    /// Makes sure that a file holds zeros from where it has been read to, up to an offset.
    func requireZeros(in file: RecipeFile, upTo offset: UInt64) throws(ArchiveError) {
        if file.end >= offset { return }
        var rest = FileData(in: file.end..<offset)
        while let data = try attempting(
            "read /\(file.path)", try rest.next(of: file.descriptor, buffer: &buffer))
        {
            try observer.report(WorkProgress(phase: "verifying", completedBytes: file.end))
            if !buffer.span.isZero(0..<data.count) {
                throw ArchiveError(
                    .digestMismatch, "/\(file.path) has bytes where the layer's tar has none")
            }
            file.end = data.offset + UInt64(data.count)
        }
    }

    /// Makes sure of a file that no member names.
    func require(_ digest: Digest, size: UInt64, of file: RecipeFile) throws(ArchiveError) {
        let status = try attempting("look at /\(file.path)", try file.descriptor.status())
        let found = try Digest(
            contentOf: file.descriptor, file.path, buffer: &buffer, observer: observer)
        if status.size != size || found != digest {
            throw ArchiveError(.digestMismatch, "the content of /\(file.path) has changed")
        }
        inodes.insert(status.inode)
    }
}

/// Forgets what it is given.
final class EmptySink: ByteSink {
    func write(_ bytes: Span<UInt8>) throws(ArchiveError) {}
    func finish() throws(ArchiveError) {}
}
