// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// The bytes in a range of a file that are not in a hole, read one after the other.
package struct FileData {
    private var rest: Range<UInt64>

    /// Begins at the start of a range.
    package init(in range: Range<UInt64>) { rest = range }

    /// Reads the next bytes into the front of `buffer`, which has a multiple of
    /// ``SparseContent/holeBytes``; `lseek(2)` with `SEEK_DATA`, `pread(2)`.
    ///
    /// No aligned block of ``SparseContent/holeBytes`` is cut in two but at the ends of the range and of
    /// the file. The file's position is changed.
    ///
    /// - Returns: Where they are, and how many; nil when there are no more. They may be zeros.
    package mutating func next(
        of file: borrowing OwnedDescriptor, buffer: inout [UInt8]
    ) throws(SyscallError) -> (offset: UInt64, count: Int)? {
        let block = UInt64(SparseContent.holeBytes)
        if rest.isEmpty || rest.lowerBound >= UInt64(Int64.max) { return nil }
        let data = lseek(file.rawValue, off_t(rest.lowerBound), CGRAPH_SEEK_DATA)
        if data == -1 {
            if Glibc.errno == ENXIO { return nil }  // a hole up to the end, or the end
            throw SyscallError(call: "lseek(SEEK_DATA)", errno: Errno(rawValue: Glibc.errno))
        }
        let start = max(rest.lowerBound, UInt64(data) / block * block)
        if start >= rest.upperBound { return nil }
        let want = min(UInt64(buffer.count) - start % block, rest.upperBound - start)
        let count = try file.read(into: &buffer, count: Int(want), at: start)
        if count == 0 { return nil }
        rest = (start + UInt64(count))..<rest.upperBound
        return (start, count)
    }
}
