// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// One name of a merged tree.
struct MergedEntry {
    /// Where the data of a file lie.
    struct DataPlace {
        let part: MergedDirectory.Part
        let name: RawPath
    }

    let name: RawPath
    let status: FileStatus
    /// Where the topmost layer with this name has its directory.
    let part: MergedDirectory.Part
    /// The merged content, for a directory.
    let directory: MergedDirectory?
    /// Where the data are, for a file of which the topmost layer has only the rest (overlayfs's
    /// `metacopy`).
    let dataElsewhere: DataPlace?
    let encoding: LayerEncoding

    /// The attributes that belong to the layer's content.
    ///
    /// Left out are overlayfs's own, and SELinux labels, which belong to the host.
    func attributes() throws(ArchiveError) -> [ExtendedAttribute] {
        let place = try attempting("look at \(name)", try part.place(of: name))
        return try encoding.contentAttributes(
            of: place.path, in: place.directory, status.type, mayRefer: part.mayRefer)
    }

    func readLink() throws(SyscallError) -> RawPath {
        let place = try part.place(of: name)
        return try place.directory.readLink(place.path)
    }

    /// Opens the data of a regular file for reading; no link is followed.
    ///
    /// Where they lie elsewhere, the open file has another owner, mode and time than this entry.
    func openFile() throws(SyscallError) -> OwnedDescriptor {
        let place =
            if let dataElsewhere {
                try dataElsewhere.part.place(of: dataElsewhere.name)
            } else {
                try part.place(of: name)
            }
        return try place.directory.openBeneath(place.path, [.readOnly, .nonBlocking])
    }
}
