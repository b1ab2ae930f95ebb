// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// One name of a merged tree.
struct MergedEntry {
    let name: RawPath
    let status: FileStatus
    /// Where the topmost layer with this name has its directory.
    let part: MergedDirectory.Part
    /// The merged content, for a directory.
    let directory: MergedDirectory?
    /// The directory in which it was looked up, for a file of which the layer may lack the data.
    ///
    /// Overlayfs calls that `metacopy`. It takes more calls to know, and most files are never opened.
    let dataSearch: MergedDirectory?
    let whiteouts: WhiteoutFormat

    /// The attributes that belong to the layer's content.
    ///
    /// Left out are overlayfs's own, and SELinux labels, which belong to the host.
    func attributes() throws(ArchiveError) -> [ExtendedAttribute] {
        let place = try attempting("look at \(name)", try part.place(of: name))
        return try whiteouts.contentAttributes(
            of: place.path, in: place.directory, status.type, mayRefer: part.mayRefer)
    }

    func readLink() throws(SyscallError) -> RawPath {
        let place = try part.place(of: name)
        return try place.directory.readLink(place.path)
    }

    /// Opens the data of a regular file for reading; no link is followed.
    ///
    /// - Throws: ``SyscallError/isDamage`` when no layer has the data.
    func openFile() throws(SyscallError) -> OpenData {
        var source: (part: MergedDirectory.Part, name: RawPath) = (part, name)
        var isElsewhere = false
        if let dataSearch {
            var lookup = MergedLookup(name, in: dataSearch, seeksData: true)
            if let found = try lookup.dataPlace() { (source, isElsewhere) = (found, true) }
        }
        let place = try source.part.place(of: source.name)
        return OpenData(
            file: try place.directory.openBeneath(place.path, [.readOnly, .nonBlocking]),
            isElsewhere: isElsewhere)
    }
}

extension MergedEntry {
    /// Takes the immutable and append-only flags away; where a user namespace may not, they stay.
    func clearLocks() throws(SyscallError) {
        guard status.isLocked, status.type == .regular || status.type == .directory else { return }
        let place = try part.place(of: name)
        try InodeFlags.clearLocksIfAllowed(
            of: place.directory.openBeneath(place.path, [.readOnly, .nonBlocking]))
    }
}

/// The data of a file, open for reading.
struct OpenData: ~Copyable {
    let file: OwnedDescriptor
    /// Whether they lie in another layer than the rest of the file: then the open file has another
    /// owner, mode and time.
    let isElsewhere: Bool
}
