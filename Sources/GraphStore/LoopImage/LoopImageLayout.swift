// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// The filesystem that a new store shall bring along.
public struct NewLoopImage: Hashable, Sendable {
    /// How a loop image is made.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A sparse image of xfs, whose files can share blocks.
        case xfsImage = "xfs-image"
    }

    /// The filesystem to make.
    public let kind: Kind
    /// The size of the filesystem; it takes room only as it is filled, and can be made larger.
    public let bytes: UInt64

    /// What mkfs.xfs takes at least.
    public static let bytesMin: UInt64 = 300 << 20

    /// Describes a loop image of `bytes` bytes, of which whole blocks of 4,096 are used.
    public init(_ kind: Kind, bytes: UInt64) {
        (self.kind, self.bytes) = (kind, bytes / 4_096 * 4_096)
    }
}

/// What lies at the root of a store with a loop image; everything else of the store is inside the image.
enum LoopImageLayout {
    /// The image; whole as soon as it has this name.
    static let image: RawPath = "bed.image"
    /// The image while it is made.
    static let begun: RawPath = "bed.image.new"
    /// Where the image is mounted: the store itself.
    static let tree: RawPath = "bed"
    /// Locked by whoever makes, attaches, grows or detaches the loop image.
    static let lock: RawPath = "bed.lock"
    /// Space that a full filesystem leaves for removing layers.
    static let reserve: RawPath = "bed.reserve"

    /// What the store opens at the root by name, and what it is.
    static let names: [(name: RawPath, type: GraphSystem.FileType?)] = [
        (image, .regular), (begun, .regular), (tree, .directory), (lock, .regular),
        (reserve, .directory),
    ]

    static let filesystem = "xfs"
    /// What nobody shall do at ``tree`` itself, below which are the set-user-id programs and the
    /// device nodes of other systems.
    static let forbidden: MountAttributes = [.noSetID, .noDevices]
    /// Freed blocks are given back at once.
    static let mountOptions = [MountOption("discard")]

    /// Waits until nobody else makes, attaches, grows or detaches the loop image of a store.
    static func lock(in root: FilePath) throws(DriverError) -> RangeLock {
        let path = root.appending(lock.description)
        return try attempting("lock \(path)", try RangeLock(waitingFor: 0, in: path))
    }
}
