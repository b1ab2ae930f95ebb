// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem

/// One member of a layer tar, whatever dialect of tar it was written in.
public struct ArchiveEntry: Hashable, Sendable {
    /// What the member is.
    public enum Kind: Hashable, Sendable {
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
    public var path: RawPath
    public var kind: Kind
    /// The low twelve bits of the mode.
    public var permissions: UInt16
    public var uid: UInt32
    public var gid: UInt32
    public var modified: Timestamp
    /// Sorted by name.
    public var attributes: [ExtendedAttribute]

    /// Makes an entry.
    public init(
        path: RawPath, kind: Kind, permissions: UInt16, uid: UInt32 = 0, gid: UInt32 = 0,
        modified: Timestamp = Timestamp(seconds: 0), attributes: [ExtendedAttribute] = []
    ) {
        (self.path, self.kind, self.permissions) = (path, kind, permissions)
        (self.uid, self.gid, self.modified, self.attributes) = (uid, gid, modified, attributes)
    }
}
