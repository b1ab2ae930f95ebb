// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphSQLite
import GraphSystem

/// The libraries that do the work below a store.
public enum LibraryVersions {
    /// Their names and versions; nil for one that is not on this machine.
    ///
    /// Those that are loaded on first use are loaded.
    public static func all() -> [(name: String, version: String?)] {
        [("sqlite", Database.libraryVersion)]
            + CodecLibraries.versions.map { ($0.name, $0.version) }
            + [
                ("libbtrfsutil", try? BtrfsUtility.libraryVersion()),
                ("libdevmapper", try? DeviceMapper.libraryVersion()),
            ]
    }
}
