// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// What the name of a tar member means in a layer.
enum EntryName {
    /// The root itself.
    case root
    /// A name in a directory, both free of `.` and `..`.
    case entry(parent: [RawPath], name: RawPath)
    /// `.wh.NAME`: the name is deleted.
    case whiteout(parent: [RawPath], name: RawPath)
    /// `.wh..wh..opq`: everything that the parents have in the directory is deleted.
    case opaque(directory: [RawPath])
    /// `.wh..wh.*`: what AUFS kept for itself.
    case ignored

    private static let marker: RawPath = ".wh."

    /// Normalises and classifies a name: leading slashes, `./` and trailing slashes fall away.
    ///
    /// - Throws: ``ArchiveError/Code/malformed`` for an empty name, for `..` anywhere in it, and
    ///   for a deletion of nothing, `.` or `..`.
    init(_ path: RawPath) throws(ArchiveError) {
        if path.isEmpty { throw ArchiveError(.malformed, "a member has an empty name") }
        var parent = try Self.components(of: path)
        guard let name = parent.popLast() else {
            self = .root
            return
        }
        guard name.hasPrefix(Self.marker) else {
            if parent.contains(where: { $0.hasPrefix(Self.marker) }) {
                // Inside AUFS's own directories, or inside something deleted.
                self = .ignored
            } else {
                self = .entry(parent: parent, name: name)
            }
            return
        }
        if name == ".wh..wh..opq" {
            self = .opaque(directory: parent)
        } else if name.hasPrefix(".wh..wh.") {
            self = .ignored
        } else {
            let target = name.dropFirst(Self.marker.count)
            if target.isEmpty || target == "." || target == ".." {
                throw ArchiveError(.malformed, "the member \(path) deletes no possible name")
            }
            self = .whiteout(parent: parent, name: target)
        }
    }

    /// The names on a way, without empty ones and `.`.
    static func components(of path: RawPath) throws(ArchiveError) -> [RawPath] {
        let names = path.components.filter { $0 != "." }
        if names.contains("..") {
            throw ArchiveError(.malformed, "the name \(path) leads upwards")
        }
        return names
    }
}
