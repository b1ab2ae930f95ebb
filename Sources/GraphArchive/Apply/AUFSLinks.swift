// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

extension LayerUnpacker {
    /// Takes away the files of `.wh..wh.plnk`, once the archive's hard links have given them names.
    ///
    /// AUFS kept a file there whose names lie in several layers; docker and containers/storage unpack it
    /// beside the layer.
    mutating func removeAUFSLinks() throws(ArchiveError) {
        let name = EntryName.aufsLinks
        do throws(SyscallError) {
            guard try tree.root.handle.statusIfPresent(of: name)?.type == .directory else { return }
            let directory = try tree.root.handle.openDirectory(name)
            for entry in try directory.listing() {
                try observer.requireGoOnCalls()
                if try directory.status(of: entry.name).links == 1 {
                    warnings.add(.aufsMetadata, "/\(name.appending(entry.name))")
                }
            }
        } catch {
            throw ArchiveError(.system, "could not look at /\(name)", cause: error)
        }
        try clear(name, in: tree.root)
    }
}
