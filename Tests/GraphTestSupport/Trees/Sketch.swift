// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
package import SystemPackage

/// A member of an archive, or a name in a tree, in one line.
///
/// `etc/` is a directory, `motd = text` a file, `motd` an empty one, `a -> b` a symbolic link to `b`,
/// `a == b` another name of the file `b`, `a |` a pipe. A mode other than 0755 of directories and 0644 of
/// all else stands before it in four digits: `0700 root/`.
package struct Sketch: Hashable, Sendable {
    private enum Kind: Hashable {
        case directory
        case file(String)
        case symbolicLink(String)
        case hardLink(String)
        case fifo
    }

    /// As it stands in the line.
    package let name: String
    private let kind: Kind
    private let permissions: Int

    /// Reads a line.
    package init(_ line: String) {
        var rest = line[...]
        var mode: Int?
        if line.count > 5, line.first == "0", line.dropFirst(4).first == " " {
            mode = Int(line.prefix(4), radix: 8)
            if mode != nil { rest = line.dropFirst(5) }
        }
        func split(at separator: String) -> (String, String)? {
            rest.firstRange(of: separator).map {
                (String(rest[..<$0.lowerBound]), String(rest[$0.upperBound...]))
            }
        }
        if let (name, target) = split(at: " -> ") {
            (self.name, kind) = (name, .symbolicLink(target))
        } else if let (name, target) = split(at: " == ") {
            (self.name, kind) = (name, .hardLink(target))
        } else if let (name, text) = split(at: " = ") {
            (self.name, kind) = (name, .file(text))
        } else if rest.hasSuffix(" |") {
            (name, kind) = (String(rest.dropLast(2)), .fifo)
        } else {
            (name, kind) = (String(rest), rest.hasSuffix("/") ? .directory : .file(""))
        }
        permissions = mode ?? (kind == .directory ? 0o755 : 0o644)
    }

    /// What the line says of a link's target; nil of all else.
    package var target: String? {
        switch kind {
        case .symbolicLink(let target), .hardLink(let target): target
        case .directory, .file, .fifo: nil
        }
    }

    /// Adds the member that the line describes.
    package func add(to tar: RawTar) throws {
        if name.utf8.count > 100 { try tar.addRecords([("path", Array(name.utf8))]) }
        if let target, target.utf8.count > 100 {
            try tar.addRecords([("linkpath", Array(target.utf8))])
        }
        let (type, content): (Character, String) =
            switch kind {
            case .directory: ("5", "")
            case .file(let text): ("0", text)
            case .symbolicLink: ("2", "")
            case .hardLink: ("1", "")
            case .fifo: ("6", "")
            }
        try tar.add(
            name, type: type, link: target ?? "", content: Array(content.utf8), mode: permissions)
    }
}

extension RawTar {
    /// Writes an archive of lines as ``Sketch`` reads them.
    package static func write(_ path: FilePath, _ lines: [String]) throws {
        try write(path) { tar in
            for line in lines { try Sketch(line).add(to: tar) }
        }
    }
}

extension TreeSnapshot {
    /// The tree at a place in lines as ``Sketch`` reads them, sorted.
    ///
    /// The root has none, nor have directories of mode 0755 with something in them. Of several names of a
    /// file all but the first are hard links to that.
    package static func sketch(of place: FilePath) throws -> [String] {
        let entries = try TreeSnapshot(of: place).entries
        let parents = Set(entries.keys.map { RawPath(joining: $0.components.dropLast()) })
        return try entries.keys.compactMap { path in
            guard path != ".", let entry = entries[path] else { return nil }
            let isDirectory = entry.status.type == .directory
            let mode = entry.status.permissions
            let isUsual = mode == (isDirectory ? 0o755 : 0o644)
            if isDirectory && isUsual && parents.contains(path) { return nil }
            let digits = String(mode, radix: 8)
            let shown =
                isUsual || entry.target != nil
                ? "\(path)" : String(repeating: "0", count: 4 - digits.count) + digits + " \(path)"
            if let first = entry.linkGroup, first != path { return "\(path) == \(first)" }
            if let target = entry.target { return "\(path) -> \(target)" }
            switch entry.status.type {
            case .directory: return shown + "/"
            case .fifo: return shown + " |"
            default:
                let text = try place.pushing(FilePath(path.description)).readText()
                return text.isEmpty ? shown : "\(shown) = \(text)"
            }
        }.sorted()
    }
}
