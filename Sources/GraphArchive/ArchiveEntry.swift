// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// One member of a layer tar, whatever dialect of tar it was written in.
package struct ArchiveEntry: Hashable, Sendable {
    /// What the member is.
    package enum Kind: Hashable, Sendable {
        /// A file of `size` bytes. Its data follow in the stream, in pieces when it is sparse.
        case file(size: UInt64)
        case directory
        case symbolicLink(target: RawPath)
        /// A further name of an earlier member.
        case hardLink(target: RawPath)
        case characterDevice(DeviceNumber)
        case blockDevice(DeviceNumber)
        case fifo
    }

    /// The name as the archive spells it, not yet checked or normalised.
    package var path: RawPath
    package var kind: Kind
    /// The low twelve bits of the mode.
    package var permissions: UInt16
    package var uid: UInt32
    package var gid: UInt32
    package var modified: Timestamp
    /// Sorted by name.
    package var attributes: [ExtendedAttribute]

    /// Makes an entry.
    package init(
        path: RawPath, kind: Kind, permissions: UInt16, uid: UInt32 = 0, gid: UInt32 = 0,
        modified: Timestamp = Timestamp(seconds: 0), attributes: [ExtendedAttribute] = []
    ) {
        (self.path, self.kind, self.permissions) = (path, kind, permissions)
        (self.uid, self.gid, self.modified, self.attributes) = (uid, gid, modified, attributes)
    }
}
