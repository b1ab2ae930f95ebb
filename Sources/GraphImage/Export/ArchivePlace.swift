// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// A tar archive that appears under its name when it is whole.
final class ArchivePlace: ExportPlace {
    private let file: OutputFile
    private let path: FilePath
    private let time: Timestamp
    private var tar: TarWriter
    private var names: Set<String> = []

    init(_ path: FilePath, _ time: Timestamp?) throws(DriverError) {
        file = try OutputFile(path)
        (self.path, self.time) = (path, time ?? Timestamp(seconds: 0))
        tar = TarWriter(file)
    }

    /// Adds a file of so many bytes, which `write` writes.
    func put(
        _ name: String, _ bytes: UInt64, _ write: (any ByteSink) throws(DriverError) -> Void
    ) throws(DriverError) {
        names.insert(name)
        let entry = ArchiveEntry(
            path: RawPath(name), kind: .file(size: bytes), permissions: 0o644, modified: time)
        try attempting(archive: "write \(path)", try tar.begin(entry))
        try write(MemberSink(self))
        try attempting(archive: "write \(path)", try tar.finishEntry())
    }

    fileprivate func write(_ bytes: Span<UInt8>) throws(ArchiveError) { try tar.write(bytes) }

    func put(_ bytes: [UInt8], as name: String) throws(DriverError) {
        try put(name, UInt64(bytes.count)) { (sink) throws(DriverError) in
            try attempting(archive: "write \(path)", try sink.write(bytes.span))
        }
    }

    /// Adds a blob, whose size a tar wants to know before its bytes: it is kept in a file without a name
    /// meanwhile.
    func put(
        blob write: (any ByteSink) throws(DriverError) -> Void, expecting: BlobDigest?
    ) throws(DriverError) -> WrittenBlob {
        let directory = path.removingLastComponent()
        let place: FilePath = file.isSpecial ? "/var/tmp" : directory.isEmpty ? "." : directory
        let kept = try attempting(
            "make a temporary file in \(place)", try OwnedDescriptor.temporary(in: place))
        let sink = BlobSink(
            FileSink(try attempting("use a temporary file", try kept.duplicate())),
            expecting: expecting)
        try write(sink)
        let blob = sink.result
        if names.contains(blob.digest.layoutName) { return blob }
        let source = FileRangeSource(RandomAccessFile(kept, size: blob.bytes).range)
        try put(blob.digest.layoutName, blob.bytes) { (sink) throws(DriverError) in
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            while true {
                let count = try attempting(
                    archive: "write \(path)", try source.read(into: &buffer))
                if count == 0 { break }
                try attempting(
                    archive: "write \(path)",
                    try sink.write(buffer.span.extracting(0..<count)))
            }
        }
        return blob
    }

    func finish(_ entries: [IndexEntry]) throws(DriverError) {
        try put(OCILayout.mark, as: OCILayout.markName)
        try put(
            try OCILayout.index(entries.flatMap(\.descriptors)).document(), as: OCILayout.indexName)
        try finish()
    }

    /// Ends the archive, and gives it its name.
    func finish() throws(DriverError) {
        try attempting(archive: "write \(path)", try tar.finish())
        try file.keep()
    }
}

/// Writes into the member that an archive is at.
private final class MemberSink: ByteSink {
    private let place: ArchivePlace

    init(_ place: ArchivePlace) { self.place = place }

    func write(_ bytes: Span<UInt8>) throws(ArchiveError) { try place.write(bytes) }

    func finish() throws(ArchiveError) {}
}
