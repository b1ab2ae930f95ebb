// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem

/// A file open for reading at any place, shared by whoever reads from it.
final class RandomAccessFile: Sendable {
    let descriptor: OwnedDescriptor
    /// Bytes, as they were when the file was opened.
    let size: UInt64

    init(_ descriptor: consuming OwnedDescriptor, size: UInt64) {
        self.descriptor = descriptor
        self.size = size
    }

    /// The whole file.
    var range: FileRange { FileRange(file: self, offset: 0, count: size) }
}

/// Some bytes that follow each other in an open file.
struct FileRange: Sendable {
    let file: RandomAccessFile
    let offset: UInt64
    let count: UInt64

    /// Reads all bytes, of which the caller knows that they are few.
    func bytes() throws(ArchiveError) -> [UInt8] {
        var content = [UInt8](repeating: 0, count: Int(count))
        do {
            let got = try file.descriptor.read(into: &content, count: content.count, at: offset)
            if got == content.count { return content }
        } catch {
            throw ArchiveError(.system, "could not read the image", cause: error)
        }
        throw FileRangeSource.truncated(at: offset + count)
    }
}

/// The bytes of a range from the first to the last.
final class FileRangeSource: ByteSource {
    private let range: FileRange
    private var done: UInt64 = 0

    init(_ range: FileRange) { self.range = range }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        let count = Int(min(UInt64(buffer.count), range.count - done))
        if count == 0 { return 0 }
        let got: Int
        do {
            got = try range.file.descriptor.read(
                into: &buffer, count: count, at: range.offset + done)
        } catch {
            throw ArchiveError(.system, "could not read the image", cause: error)
        }
        done += UInt64(got)
        if got < count { throw Self.truncated(at: range.offset + done) }
        return got
    }

    static func truncated(at offset: UInt64) -> ArchiveError {
        ArchiveError(.truncated, "the file became shorter while it was read", offset: offset)
    }
}
