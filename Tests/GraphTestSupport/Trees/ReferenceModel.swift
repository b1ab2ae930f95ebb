// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphSystem

/// One member of a layer, with its data.
package struct LayerMember: Hashable, Sendable {
    package var entry: ArchiveEntry
    package var content: [UInt8]

    /// Makes a member.
    package init(_ entry: ArchiveEntry, content: [UInt8] = []) {
        (self.entry, self.content) = (entry, content)
    }
}

/// What a stack of layers must look like, worked out in memory and as plainly as possible.
///
/// The judge of every backend: it knows nothing of directories, mounts or overlayfs.
package struct ReferenceModel: Sendable {
    /// What is at a path.
    package struct Node: Hashable, Sendable {
        package var entry: ArchiveEntry
        package var content: [UInt8]
        /// Names with the same number are one file.
        package var file: Int
    }

    /// All paths but the root.
    package private(set) var nodes: [RawPath: Node] = [:]
    private var files = 0

    /// The empty tree.
    package init() {}

    /// Puts a layer on top.
    ///
    /// Parents of members come before them; deletions stand anywhere.
    package mutating func apply(_ members: [LayerMember]) {
        // Deletions concern what lies below the layer, wherever they stand in it.
        for member in members {
            let (parent, name) = split(member.entry.path)
            if name == ".wh..wh..opq" {
                remove(below: parent)
            } else if name.hasPrefix(".wh.") {
                remove(parent.appending(name.dropFirst(4)))
            }
        }
        var own: Set<RawPath> = []
        for member in members where !split(member.entry.path).name.hasPrefix(".wh.") {
            put(member, &own)
        }
    }

    private mutating func put(_ member: LayerMember, _ own: inout Set<RawPath>) {
        var entry = member.entry
        let path = entry.path
        if case .hardLink(let target) = entry.kind {
            guard var source = nodes[target] else { preconditionFailure("no target \(target)") }
            if own.insert(target).inserted {
                // A link cannot reach into the layer below: the file is copied into this one.
                source.file = newFile()
                nodes[target] = source
            }
            remove(path)
            source.entry.path = path
            nodes[path] = source
            own.insert(path)
            return
        }
        own.insert(path)
        if case .directory = entry.kind, case .directory = nodes[path]?.entry.kind {
            nodes[path]?.entry = entry
            return
        }
        remove(path)
        if case .file = entry.kind { entry.kind = .file(size: UInt64(member.content.count)) }
        nodes[path] = Node(entry: entry, content: member.content, file: newFile())
    }

    private mutating func newFile() -> Int {
        files += 1
        return files
    }

    private mutating func remove(_ path: RawPath) {
        nodes[path] = nil
        remove(below: path)
    }

    private mutating func remove(below path: RawPath) {
        let prefix = path.isEmpty ? path : path.appending("")
        for key in nodes.keys where key.hasPrefix(prefix) { nodes[key] = nil }
    }

    private func split(_ path: RawPath) -> (parent: RawPath, name: RawPath) {
        let names = path.components
        let parent = names.dropLast().reduce("" as RawPath) { $0.appending($1) }
        return (parent, names.last ?? "")
    }

    /// One line a path: everything that a layer keeps of it.
    ///
    /// Names of one file are told by the first of them.
    package func listing() -> [String] {
        var first: [Int: RawPath] = [:]
        return nodes.keys.sorted().compactMap { path in
            guard let node = nodes[path] else { return nil }
            let leader = first[node.file] ?? path
            first[node.file] = leader
            return describe(node.entry, path, content: node.content, leader: leader)
        }
    }
}

/// One line for a path of a tree.
package func describe(
    _ entry: ArchiveEntry, _ path: RawPath, content: [UInt8], leader: RawPath
) -> String {
    let kind =
        switch entry.kind {
        case .file: "file \(Digest.of(content).hex.prefix(12)) \(content.count) as /\(leader)"
        case .directory: "directory"
        case .symbolicLink(let target): "link to \(target) as /\(leader)"
        case .hardLink(let target): "hard link to \(target)"
        case .characterDevice(let device): "character \(device.major):\(device.minor)"
        case .blockDevice(let device): "block \(device.major):\(device.minor)"
        case .fifo: "fifo"
        }
    let attributes = entry.attributes.map { "\($0.name)=\(Digest.of($0.value).hex.prefix(8))" }
        .joined(separator: " ")
    // The mode of a link is not kept anywhere.
    let isLink = if case .symbolicLink = entry.kind { true } else { false }
    let mode = isLink ? "-" : String(entry.permissions, radix: 8)
    let time = "\(entry.modified.seconds).\(entry.modified.nanoseconds)"
    return "/\(path) \(kind) \(mode) \(entry.uid):\(entry.gid) \(time) \(attributes)"
}
