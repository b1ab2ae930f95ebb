// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import SystemPackage

/// A run of a file's blocks.
struct FileExtent {
    /// Where the blocks are on the filesystem's devices; nil while they are nowhere.
    let address: UInt64?
    let length: UInt64
    /// Whether other files have them, too, or this one a second time.
    let isShared: Bool

    /// Visits the blocks of a file, without those that lie in metadata; `FS_IOC_FIEMAP`.
    ///
    /// - Throws: `EOPNOTSUPP` where the filesystem does not tell.
    static func visit(
        of file: borrowing OwnedDescriptor, _ body: (FileExtent) -> Void
    ) throws(SyscallError) {
        let raw = file.rawValue
        var extents = [cgraph_extent](repeating: cgraph_extent(), count: 64)
        var offset: UInt64 = 0
        while true {
            let count = try checked("ioctl(FS_IOC_FIEMAP)") {
                cgraph_extents(raw, offset, &extents, UInt32(extents.count))
            }
            for extent in extents[..<Int(count)] where extent.is_inline == 0 {
                let isPlaced = extent.is_delayed == 0
                body(
                    FileExtent(
                        address: isPlaced ? extent.address : nil, length: extent.length,
                        isShared: isPlaced && extent.is_shared != 0))
            }
            guard count > 0, extents[Int(count) - 1].is_last == 0 else { return }
            let last = extents[Int(count) - 1]
            if last.length == 0 { return }
            offset = last.offset + last.length
        }
    }
}

/// Runs of blocks by their addresses, each once.
struct BlockRanges {
    /// Sorted, and none touches another, once ``merge()`` was called.
    private(set) var ranges: [Range<UInt64>] = []

    var isEmpty: Bool { ranges.isEmpty }
    var bytes: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

    mutating func add(_ range: Range<UInt64>) { if !range.isEmpty { ranges.append(range) } }

    mutating func add(_ other: BlockRanges) { ranges += other.ranges }

    /// Brings what was added into order.
    mutating func merge() {
        ranges.sort { $0.lowerBound < $1.lowerBound }
        var merged: [Range<UInt64>] = []
        for range in ranges {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        ranges = merged
    }

    /// Takes away what others have, which are in no order; these are.
    mutating func subtract(_ others: [Range<UInt64>]) {
        for other in others {
            // The first that ends behind the other's start.
            var (low, high) = (0, ranges.count)
            while low < high {
                let middle = (low + high) / 2
                if ranges[middle].upperBound <= other.lowerBound {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            var end = low
            var rest: [Range<UInt64>] = []
            while end < ranges.count, ranges[end].lowerBound < other.upperBound {
                let range = ranges[end]
                if range.lowerBound < other.lowerBound {
                    rest.append(range.lowerBound..<other.lowerBound)
                }
                if other.upperBound < range.upperBound {
                    rest.append(other.upperBound..<range.upperBound)
                }
                end += 1
            }
            if end > low { ranges.replaceSubrange(low..<end, with: rest) }
        }
    }
}
