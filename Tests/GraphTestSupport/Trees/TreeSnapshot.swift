// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphSystem
package import SystemPackage

/// All that is to be known about a tree of files, for comparing two.
package struct TreeSnapshot: Hashable, Sendable {
    /// One name in a tree.
    package struct Entry: Hashable, Sendable {
        package var status: FileStatus
        /// Of a regular file's content.
        package var digest: Digest?
        /// Of a symbolic link.
        package var target: RawPath?
        package var attributes: [ExtendedAttribute]
        /// The first by bytes of all paths in the tree that are this file; nil when there is one.
        package var linkGroup: RawPath?
    }

    /// What a comparison looks at.
    package struct Aspects: OptionSet, Sendable {
        package let rawValue: Int
        /// Takes raw aspects.
        package init(rawValue: Int) { self.rawValue = rawValue }

        package static let owners = Aspects(rawValue: 1)
        package static let permissions = Aspects(rawValue: 2)
        package static let fileTimes = Aspects(rawValue: 4)
        package static let directoryTimes = Aspects(rawValue: 8)
        package static let attributes = Aspects(rawValue: 16)
        package static let links = Aspects(rawValue: 32)
        /// Blocks on disk, of files that have fewer than their length needs.
        package static let holes = Aspects(rawValue: 64)
        /// All but holes, which only a copy on the same filesystem keeps exactly.
        package static let standard: Aspects = [
            .owners, .permissions, .fileTimes, .directoryTimes, .attributes, .links,
        ]
    }

    /// By path relative to the root; the root itself is `.`.
    package var entries: [RawPath: Entry] = [:]

    /// Looks at a directory and everything below it, what is mounted there included.
    package init(of path: FilePath) throws {
        try self.init(of: try Directory(opening: path))
    }

    /// Looks at a directory and everything below it.
    package init(of directory: Directory) throws {
        entries["."] = Entry(
            status: try directory.status(), attributes: try Self.attributes(of: ".", in: directory))
        try add(directory, at: "")
        nameLinkGroups()
    }

    private mutating func add(_ directory: Directory, at path: RawPath) throws {
        for name in try directory.openDirectory(".").listing().map(\.name) {
            let below = path.appending(name)
            var entry = Entry(
                status: try directory.status(of: name),
                attributes: try Self.attributes(of: name, in: directory))
            switch entry.status.type {
            case .regular:
                let file = try directory.open(name, .readOnly)
                entry.digest = try Self.digest(of: file, size: entry.status.size)
            case .symbolicLink:
                entry.target = try directory.readLink(name)
            case .directory:
                try add(try directory.openDirectory(name), at: below)
            case .characterDevice, .blockDevice, .fifo, .socket:
                break
            }
            entries[below] = entry
        }
    }

    /// The digest of what a file has, read in pieces: images of disks are large, and mostly holes.
    ///
    /// Beyond a piece it is not that of all bytes, but one that files share which have the same.
    private static func digest(of file: borrowing OwnedDescriptor, size: UInt64) throws -> Digest {
        var buffer = [UInt8](repeating: 0, count: Int(min(size + 1, 1 << 20)))
        var digest: Digest?
        var offset: UInt64 = 0
        while true {
            let count = try file.read(into: &buffer, count: buffer.count, at: offset)
            if count == 0, let digest { return digest }
            let isWhole = count == buffer.count
            digest = .chain(parent: digest, diff: .of(isWhole ? buffer : Array(buffer[..<count])))
            offset += UInt64(count)
            if !isWhole { return digest ?? .of([]) }
        }
    }

    /// Labels belong to the host's policy and not to a tree.
    private static func attributes(
        of name: RawPath, in directory: Directory
    ) throws -> [ExtendedAttribute] {
        do throws(SyscallError) {
            return try directory.attributes(of: name).all().filter { $0.name != "security.selinux" }
        } catch {
            if error.errno == .notSupported { return [] }
            throw error
        }
    }

    private mutating func nameLinkGroups() {
        var groups: [FileIdentity: [RawPath]] = [:]
        for (path, entry) in entries where entry.status.type != .directory {
            groups[entry.status.identity, default: []].append(path)
        }
        for paths in groups.values where paths.count > 1 {
            for path in paths { entries[path]?.linkGroup = paths.min() }
        }
    }

    /// The paths in order, without the root's.
    package var paths: [String] {
        entries.keys.filter { $0 != "." }.sorted().map(\.description)
    }

    /// What differs, one line a difference, at most forty of them; empty when nothing does.
    package func differences(
        from other: TreeSnapshot, in aspects: Aspects = .standard
    ) -> [String] {
        var lines: [String] = []
        for path in Set(entries.keys).union(other.entries.keys).sorted() {
            switch (entries[path], other.entries[path]) {
            case (let mine?, let theirs?):
                let left = mine.facts(aspects)
                let right = theirs.facts(aspects)
                for (name, value) in left where right[name] != value {
                    lines.append("\(path): \(name) is \(value), not \(right[name] ?? "none")")
                }
                for (name, value) in right where left[name] == nil {
                    lines.append("\(path): \(name) is none, not \(value)")
                }
            case (nil, _?): lines.append("\(path): missing")
            case (_?, nil): lines.append("\(path): too many")
            case (nil, nil): break
            }
        }
        return Array(lines.prefix(40))
    }
}

extension TreeSnapshot.Entry {
    /// What there is to compare, in words.
    fileprivate func facts(_ aspects: TreeSnapshot.Aspects) -> [String: String] {
        var facts = ["type": "\(status.type)"]
        let isDirectory = status.type == .directory
        if aspects.contains(.owners) { facts["owner"] = "\(status.uid):\(status.gid)" }
        if aspects.contains(.permissions), status.type != .symbolicLink {
            facts["mode"] = String(status.permissions, radix: 8)
        }
        if aspects.contains(isDirectory ? .directoryTimes : .fileTimes) {
            facts["mtime"] = "\(status.modified.seconds) s \(status.modified.nanoseconds) ns"
        }
        if aspects.contains(.attributes) {
            for attribute in attributes {
                facts[attribute.name] = attribute.value.map { String($0, radix: 16) }
                    .joined(separator: " ")
            }
        }
        if aspects.contains(.links), let linkGroup { facts["linked to"] = linkGroup.description }
        if let target { facts["target"] = target.description }
        if let digest {
            facts["size"] = "\(status.size)"
            facts["content"] = digest.hex
        }
        if status.type == .characterDevice || status.type == .blockDevice {
            facts["device"] = "\(status.special.major):\(status.special.minor)"
        }
        if aspects.contains(.holes), status.type == .regular, status.allocatedBytes < status.size {
            facts["bytes on disk"] = "\(status.allocatedBytes)"
        }
        return facts
    }
}
