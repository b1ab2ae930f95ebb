// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
package import SystemPackage

/// A file or device that is read as it is on the disk, past the page cache; `open(2)` with `O_DIRECT`.
package final class DirectFile: Sendable {
    private let descriptor: OwnedDescriptor

    /// Opens a path for reading.
    package init(opening path: FilePath) throws(SyscallError) {
        descriptor = try OwnedDescriptor.open(path, Self.flags)
    }

    /// Opens an open device once more.
    package init(reopening device: borrowing BlockDevice) throws(SyscallError) {
        descriptor = try device.descriptor.reopened(Self.flags)
    }

    private static let flags = OpenFlags(rawValue: CInt(CGRAPH_O_DIRECT)).union(.readOnly)

    /// Reads the 4,096 bytes at an offset.
    package func block(at offset: UInt64) throws(SyscallError) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 4_096)
        try checked("pread(O_DIRECT)") { cgraph_read_direct(descriptor.rawValue, offset, &block) }
        return block
    }
}
