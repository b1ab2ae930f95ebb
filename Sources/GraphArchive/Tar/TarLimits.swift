// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// What one member may ask for at most, so that memory stays bounded whatever the archive says.
enum TarLimits {
    /// Bytes of a path or link target: `PATH_MAX` without its NUL, the most that the kernel
    /// takes.
    ///
    /// Nothing is unpacked under a longer path, whatever links its name leads over, and nothing
    /// longer is written: what one of the two takes, the other does.
    static let pathBytes = 4095
    /// Bytes of a member's name: a path's, with the marker of a deletion in it and a slash behind it.
    static let nameBytes = pathBytes + 5
    /// Bytes of all extension headers before one member.
    ///
    /// Go's archive/tar, which wrote and reads nearly all layers, has the same limit.
    static let extensionBytes = 1 << 20
    /// Bytes of an extended attribute's name: `XATTR_NAME_MAX`.
    static let attributeNameBytes = 255
    /// Bytes of the names of all attributes of a file, each with a NUL: `XATTR_LIST_MAX`.
    static let attributeNamesBytes = 65_536
    /// Bytes of an extended attribute's value: `XATTR_SIZE_MAX`.
    static let attributeValueBytes = 65_536
    /// Pieces of data in a sparse file: 8 MiB of memory, and a file of 4 GiB in which every
    /// second block of 4 KiB is a hole.
    static let sparseExtents = 1 << 19
    /// The largest major number that Linux has: twelve bits.
    static let deviceMajor: Int64 = 0xFFF
    /// The largest minor number that Linux has: twenty bits.
    static let deviceMinor: Int64 = 0xF_FFFF
    /// Bytes pulled from the source, and pushed to the sink, at once.
    static let bufferBytes = 256 * 1024
}
