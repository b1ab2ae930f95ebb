// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
package import SystemPackage

extension FilePath {
    /// Writes a file with this text, replacing one that is there.
    package func write(_ text: String, permissions: UInt16 = 0o644) throws {
        let file = try OwnedDescriptor.open(
            self, [.create, .writeOnly, .truncate], permissions: permissions)
        try file.setPermissions(permissions)
        try file.write(text)
    }

    /// The file's text.
    package func readText() throws -> String {
        let file = try OwnedDescriptor.open(self, .readOnly)
        return String(decoding: try file.readAll(limit: 1 << 30), as: UTF8.self)
    }

    /// Makes a directory.
    package func makeDirectory(permissions: UInt16 = 0o755) throws {
        let parent = try Directory(opening: removingLastComponent())
        let name = RawPath(lastComponent?.string ?? "")
        try parent.makeDirectory(name, permissions: permissions)
        try parent.setPermissions(of: name, permissions)
    }

    /// Removes a file or a whole directory.
    package func remove() throws {
        let parent = try Directory(opening: removingLastComponent())
        try parent.removeTree(RawPath(lastComponent?.string ?? ""))
    }

    /// Whether there is something of this name, a symbolic link to nothing included.
    package var exists: Bool {
        get throws {
            try Directory(opening: removingLastComponent())
                .statusIfPresent(of: RawPath(lastComponent?.string ?? "")) != nil
        }
    }

    /// The names in a directory, in order.
    package var names: [String] {
        get throws { try Directory(opening: self).listing().map { $0.name.description } }
    }
}
