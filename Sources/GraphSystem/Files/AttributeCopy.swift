// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

extension OwnedDescriptor {
    /// Gives this new file the owner, mode, attributes and modification time of another.
    ///
    /// In this order, because a change of owner clears set-user-id and capabilities, and setting an
    /// attribute may change the mode. `isCopied` tells by its name whether an attribute is taken
    /// along. What the filesystem refuses is an error, and not passed over.
    package func takeMetadata(
        from source: borrowing OwnedDescriptor, _ status: FileStatus,
        isCopied: (String) -> Bool = { _ in true }
    ) throws(SyscallError) {
        try setOwner(uid: status.uid, gid: status.gid)
        try setPermissions(status.permissions)
        for attribute in try source.attributes() where isCopied(attribute.name) {
            try setAttribute(attribute)
        }
        try setTimes(status.modified)
    }
}
