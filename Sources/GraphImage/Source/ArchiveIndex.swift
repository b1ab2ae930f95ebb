// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSystem

/// Where each file of a tar archive lies, so that nothing has to be unpacked.
///
/// Links are resolved inside the archive, as old versions of `docker save` need: they store a
/// layer that occurs twice as a symbolic link to `../ID/layer.tar`.
struct ArchiveIndex: Sendable {
    private enum Member {
        case file(offset: UInt64, size: UInt64)
        case link(to: String)
    }

    private var members: [String: Member] = [:]
    private let file: RandomAccessFile

    /// Members of an image archive at most, so that memory stays bounded.
    private static let memberLimit = 100_000
    /// Bytes of their names and of what links lead to at most, for the same reason.
    private static let nameBytesLimit = 8 << 20
    /// Links followed in a row at most.
    private static let linkLimit = 16

    /// Reads the headers of an uncompressed archive, and not the data between them.
    init(_ file: RandomAccessFile, observer: WorkObserver) throws(ArchiveError) {
        self.file = file
        let source = HeaderSource(file)
        var reader = TarReader(source, observer: observer)
        var nameBytes = 0
        while let entry = try reader.next() {
            try observer.report(
                WorkProgress(
                    phase: "looking", completedBytes: reader.offset, totalBytes: file.size))
            nameBytes += entry.path.count
            if case .hardLink(let target) = entry.kind { nameBytes += target.count }
            if case .symbolicLink(let target) = entry.kind { nameBytes += target.count }
            if nameBytes > Self.nameBytesLimit {
                throw ArchiveError(
                    .unsupported,
                    "the archive's names have more than \(Self.nameBytesLimit) bytes",
                    offset: reader.offset)
            }
            let name = Self.normalise(entry.path.description)
            switch entry.kind {
            case .file(let size):
                guard size <= file.size, reader.offset <= file.size - size else {
                    throw ArchiveError(
                        .truncated, "the archive ends inside \(name)", offset: file.size)
                }
                members[name] = .file(offset: reader.offset, size: size)
                source.stepOver(reader.offset..<(reader.offset + size))
            case .hardLink(let target):
                members[name] = .link(to: Self.normalise(target.description))
            case .symbolicLink(let target):
                let directory = name.split(separator: "/").dropLast().joined(separator: "/")
                let text = target.description
                members[name] = .link(
                    to: Self.normalise(text.hasPrefix("/") ? text : directory + "/" + text))
            default:
                members[name] = nil
            }
            if members.count > Self.memberLimit {
                throw ArchiveError(
                    .unsupported, "the archive has more than \(Self.memberLimit) members",
                    offset: reader.offset)
            }
        }
    }

    /// The bytes of a file, or nil when there is no such file.
    func file(named name: String) -> FileRange? {
        var name = Self.normalise(name)
        for _ in 0..<Self.linkLimit {
            switch members[name] {
            case .file(let offset, let size):
                return FileRange(file: file, offset: offset, count: size)
            case .link(let target): name = target
            case nil: return nil
            }
        }
        return nil
    }

    /// The name without empty, `.` and `..` components; `..` does not lead out of the archive.
    private static func normalise(_ name: String) -> String {
        var components: [Substring] = []
        for component in name.split(separator: "/") where component != "." {
            if component == ".." {
                _ = components.popLast()
            } else {
                components.append(component)
            }
        }
        return components.joined(separator: "/")
    }
}

/// The bytes of an archive for a reader that only wants the headers: what it is told to step over
/// is not read from the file.
private final class HeaderSource: ByteSource {
    private let file: RandomAccessFile
    private var position: UInt64 = 0
    private var unwanted: Range<UInt64> = 0..<0
    /// Bytes at the front of the reader's buffer that stand for what is stepped over.
    private var filledBytes = 0

    init(_ file: RandomAccessFile) { self.file = file }

    func stepOver(_ range: Range<UInt64>) { unwanted = range }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        if unwanted.contains(position) {
            let count = min(UInt64(buffer.count), unwanted.upperBound - position)
            // A reader that takes these bytes for a header, as in a sparse member, must fail.
            if filledBytes < Int(count) {
                let filling = repeatElement(UInt8.max, count: Int(count))
                buffer.replaceSubrange(0..<Int(count), with: filling)
                filledBytes = Int(count)
            }
            position += count
            return Int(count)
        }
        filledBytes = 0
        do {
            let count = try file.descriptor.read(into: &buffer, count: buffer.count, at: position)
            position += UInt64(count)
            return count
        } catch {
            throw ArchiveError(.system, "could not read the archive", cause: error)
        }
    }
}
