// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The contents of files that an archive replaced by others of the same name, one behind the other
/// in one file.
final class KeptContents {
    /// One replacement.
    private struct Entry {
        /// Stands for the path, of which there may be a million.
        let pathHash: Int
        /// References older than the replacement mean this content, unless an older one has them.
        let referencesBefore: UInt64
        let offset: UInt64
    }

    private let file: OwnedDescriptor
    private var written = SparseContent()
    private var entries: [Entry] = []
    private var isSorted = false
    private var end: UInt64 = 0
    private var buffer = [UInt8](repeating: 0, count: TarLimits.bufferBytes)

    init(_ file: consuming OwnedDescriptor) { self.file = file }

    func add(
        _ path: RawPath, _ content: borrowing OwnedDescriptor, size: UInt64,
        referencesBefore: UInt64, observer: WorkObserver
    ) throws(SyscallError) {
        entries.append(
            Entry(pathHash: path.hashValue, referencesBefore: referencesBefore, offset: end))
        isSorted = false
        // A file of some bytes in an archive may be one of terabytes, all hole.
        var (done, dataEnd): (UInt64, UInt64) = (0, 0)
        while done < size {
            try observer.requireGoOnCalls()
            if done >= dataEnd {
                guard let data = try content.nextData(from: done) else { break }
                (done, dataEnd) = (data.lowerBound, min(data.upperBound, size))
                if done >= size { break }
            }
            let want = Int(min(UInt64(buffer.count), dataEnd - done))
            let count = try content.read(into: &buffer, count: want, at: done)
            if count == 0 { break }
            // A class's property cannot be lent itself; an array that shares its storage can.
            let filled = buffer
            try written.write(filled.span.extracting(0..<count), at: end + done, to: file)
            done += UInt64(count)
        }
        end += size
        try file.truncate(to: end)
    }

    /// Where the content is kept that the reference with a number means; nil when that is still in
    /// the layer.
    func place(of path: RawPath, reference number: UInt64) -> UInt64? {
        if !isSorted {
            entries.sort {
                ($0.pathHash, $0.referencesBefore) < ($1.pathHash, $1.referencesBefore)
            }
            isSorted = true
        }
        // The first replacement that came after the reference.
        let wanted = (path.hashValue, number + 1)
        var range = entries.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let entry = entries[middle]
            if (entry.pathHash, entry.referencesBefore) < wanted {
                range = (middle + 1)..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        guard range.lowerBound < entries.count, entries[range.lowerBound].pathHash == wanted.0
        else { return nil }
        return entries[range.lowerBound].offset
    }
}
