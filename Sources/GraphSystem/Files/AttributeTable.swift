// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Whose an extended attribute is.
///
/// That decides what unpacking, copying, comparing and diffing do with it.
package enum AttributeOwner: Hashable, Sendable {
    /// The layer's: unpacked, copied, compared and written into diffs.
    case layer
    /// The layer's too, but under a name that an overlayfs reads. Where one lies over the layer, and in
    /// archives, it has another name: ``OverlayNamespace/escaped(_:)``.
    case overlay
    /// The host's: none of all that.
    case host
    /// Another attribute shown once more: not even listed.
    case alias
}

/// What is done with which attribute: the one list of it.
///
/// The first row that fits holds. What a filesystem has no place for is not in it: that the kernel tells (`EOPNOTSUPP`).
package enum AttributeTable {
    package struct Row: Sendable {
        /// A whole name, or the beginning of one where it ends with a full stop or an underscore.
        package let name: String
        package let owner: AttributeOwner
        /// Why, as docs/formats/archives.md has it.
        package let reason: String

        fileprivate func fits(_ other: String) -> Bool {
            let isBeginning = name.isEmpty || name.hasSuffix(".") || name.hasSuffix("_")
            return isBeginning ? other.hasPrefix(name) : other == name
        }
    }

    package static let rows = [
        Row(
            name: "security.selinux", owner: .host,
            reason: "the label is given by the policy of the host that a file lies on"),
        Row(
            name: "security.evm", owner: .host,
            reason: "a signature with the host's key, bound to the inode's number"),
        Row(
            name: "system.nfs4_acl", owner: .host,
            reason: "an access list of the file server that a file lay on"),
        Row(
            name: "trusted.SGI_ACL_", owner: .alias,
            reason: "xfs shows root an access list under this name once more"),
        Row(
            name: stageMarks[0], owner: .host,
            reason: "it marks deletions until they are carried out on a whole tree"),
        Row(name: stageMarks[1], owner: .host, reason: "the same in a user namespace"),
        Row(
            name: "trusted.overlay.", owner: .overlay,
            reason: "an overlay that lies over the layer would obey it"),
        Row(name: "user.overlay.", owner: .overlay, reason: "the same in a user namespace"),
        Row(
            name: "", owner: .layer,
            reason: "capabilities, access lists, signatures of IMA, and whatever users set"),
    ]

    /// Beginnings of the names of marks in directories that are merged into whole trees.
    package static let stageMarks = ["trusted.graph-stage.", "user.graph-stage."]

    /// Whose the attribute of a name is.
    package static func owner(of name: String) -> AttributeOwner {
        rows.first { $0.fits(name) }?.owner ?? .layer
    }

    /// Whether an attribute goes with a file that is copied, and counts where two are compared.
    package static func isContent(_ name: String) -> Bool {
        switch owner(of: name) {
        case .layer, .overlay: true
        case .host, .alias: false
        }
    }

    /// Whether the kernel keeps an attribute on files and directories alone (xattr(7)).
    package static func isForFilesOnly(_ name: String) -> Bool { name.hasPrefix("user.") }
}
