// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// One command of a send stream, as far as it says which paths it touches.
package struct SendCommand: Hashable, Sendable {
    /// What is done: the numbers of `enum btrfs_send_cmd`.
    package enum Kind: UInt16, Hashable, Sendable, CaseIterable {
        case subvolume = 1
        case snapshot, makeFile, makeDirectory, makeNode, makeFIFO, makeSocket, makeSymbolicLink
        case rename, link, unlink, removeDirectory, setAttribute, removeAttribute, write, clone
        case truncate, setPermissions, setOwner, setTimes, end, updateExtent
        // Of version 2.
        case allocate, setFlags, encodedWrite, enableVerity
    }

    package let kind: Kind
    /// What it is done to, from the subvolume's root; empty for the root, and for an `end`.
    package let path: RawPath
    /// The new name of a `rename`, or the name that a `link` is made of.
    package let otherPath: RawPath?

    /// Describes a command.
    package init(_ kind: Kind, _ path: RawPath, _ otherPath: RawPath? = nil) {
        (self.kind, self.path, self.otherPath) = (kind, path, otherPath)
    }
}

/// The numbers of `enum btrfs_send_attr` that matter for paths.
enum SendAttribute {
    static let path: UInt16 = 15
    static let pathTo: UInt16 = 16
    static let pathLink: UInt16 = 17
    static let data: UInt16 = 19
    /// The last one of version 2 and of the commands that came soon after it.
    static let last: UInt16 = 35
}
