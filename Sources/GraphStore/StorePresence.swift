// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Whether there is a store at a root.
enum StorePresence {
    /// Looks; the root's loop image stays attached where there is a store.
    static func isStore(at root: FilePath) throws(DriverError) -> Bool {
        let place = try TrustedDirectory(root)
        var loopImage = try LoopImage.open(place)
        do throws(DriverError) {
            let found = try isStore(loopImage?.tree ?? place.opened, root)
            if !found { LoopImage.withdraw(&loopImage) }
            return found
        } catch {
            LoopImage.withdraw(&loopImage)
            throw error
        }
    }

    private static func isStore(
        _ folder: Directory?, _ root: FilePath
    ) throws(DriverError) -> Bool {
        guard let folder else { return false }
        try Trust.require(StorePaths.rootNames, in: folder, root)
        do throws(SyscallError) {
            // Either may still be empty in a store that is being made.
            for name in ["graph.db", "graph.db-wal"] as [RawPath] {
                if let file = try folder.statusIfPresent(of: name), file.size > 0 { return true }
            }
            return false
        } catch {
            throw DriverError("open the store at \(root)", error)
        }
    }
}
