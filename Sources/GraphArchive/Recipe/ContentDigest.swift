// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

extension Digest {
    /// Of what a file holds, told by its blocks of 4 KiB that are not all zeros: the sha256 of the offset
    /// (64 bits, the lowest byte first) and the bytes of each, in their order.
    ///
    /// So a large file that is mostly holes is read fast, and how its blocks lie on disk does not matter.
    /// The length is not a part of it.
    init(
        contentOf file: borrowing OwnedDescriptor, _ path: RawPath, buffer: inout [UInt8],
        observer: WorkObserver
    ) throws(ArchiveError) {
        var hasher = DigestHasher()
        var position: UInt64 = 0
        var rest = FileData(in: 0..<UInt64(Int64.max))
        while let data = try attempting(
            "read /\(path)", try rest.next(of: file, buffer: &buffer))
        {
            try observer.report(WorkProgress(phase: "hashing", completedBytes: position))
            var start = 0
            while start < data.count {
                let end = min(start + SparseContent.holeBytes, data.count)
                let block = buffer.span.extracting(start..<end)
                if !block.isZero(0..<block.count) {
                    let place = data.offset + UInt64(start)
                    let number = (0..<8).map { UInt8(truncatingIfNeeded: place >> ($0 * 8)) }
                    hasher.update(number.span)
                    hasher.update(block)
                }
                start = end
            }
            position = data.offset + UInt64(data.count)
        }
        self = hasher.digest
    }
}
