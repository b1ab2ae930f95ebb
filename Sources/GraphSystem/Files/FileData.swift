// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

extension OwnedDescriptor {
    /// Reads the next bytes of a file that are not in a hole, into the front of `buffer`, which has a
    /// multiple of ``holeBytes``; `lseek(2)` with `SEEK_DATA`, `pread(2)`.
    ///
    /// No aligned block of ``holeBytes`` is cut in two but at the ends of the range and of the file. The
    /// file's position is changed.
    ///
    /// - Returns: Where they are, and how many; nil when there are none in `range`. They may be zeros.
    package func readData(
        in range: Range<UInt64>, buffer: inout [UInt8]
    ) throws(SyscallError) -> (offset: UInt64, count: Int)? {
        let block = UInt64(Self.holeBytes)
        if range.isEmpty || range.lowerBound >= UInt64(Int64.max) { return nil }
        let data = lseek(rawValue, off_t(range.lowerBound), CGRAPH_SEEK_DATA)
        if data == -1 {
            if Glibc.errno == ENXIO { return nil }  // a hole up to the end, or the end
            throw SyscallError(call: "lseek(SEEK_DATA)", errno: Errno(rawValue: Glibc.errno))
        }
        let start = max(range.lowerBound, UInt64(data) / block * block)
        if start >= range.upperBound { return nil }
        let want = min(UInt64(buffer.count) - start % block, range.upperBound - start)
        let count = try read(into: &buffer, count: Int(want), at: start)
        return count == 0 ? nil : (start, count)
    }
}
