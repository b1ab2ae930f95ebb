// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// What the name of a tar member means in a layer.
///
/// Directories are told as ``NormalWay`` spells them.
enum EntryName {
    /// The root itself.
    case root
    /// A name in a directory.
    case entry(parent: RawPath, name: RawPath)
    /// `.wh.NAME`: the name is deleted.
    case whiteout(parent: RawPath, name: RawPath)
    /// `.wh..wh..opq`: everything that the parents have in the directory is deleted.
    case opaque(directory: RawPath)
    /// `.wh..wh.plnk/NAME`: a file that hard links in the archive name, and nobody sees.
    case aufsLink(name: RawPath)
    /// What AUFS kept for itself in a layer's root: any other `.wh..wh.NAME` there.
    case aufs

    /// The directory in a layer's root in which AUFS kept files with several names.
    static let aufsLinks: RawPath = ".wh..wh.plnk"
    private static let aufsPrefix: RawPath = ".wh..wh."
    private static let opaqueName: RawPath = ".wh..wh..opq"

    /// Normalises and classifies a name as ``NormalWay`` does.
    ///
    /// Only the last name can be a deletion, as in containerd, umoci and containers/storage: what lies in
    /// a directory named `.wh.NAME` is a file like any other.
    ///
    /// - Throws: ``ArchiveError/Code/malformed`` for a deletion of nothing, `.` or `..`.
    init(_ path: RawPath) throws(ArchiveError) {
        let way = NormalWay(path)
        if way.path.isEmpty {
            self = .root
            return
        }
        let (parent, name) = (way.parent, way.lastName)
        if way.path.hasPrefix(Self.aufsPrefix) && way.path != Self.opaqueName {
            self = way.depth == 2 && parent == Self.aufsLinks ? .aufsLink(name: name) : .aufs
        } else if !name.hasPrefix(Self.marker) {
            self = .entry(parent: parent, name: name)
        } else if name == Self.opaqueName {
            self = .opaque(directory: parent)
        } else {
            let target = name.dropFirst(Self.marker.count)
            if target.isEmpty || target == "." || target == ".." {
                throw ArchiveError(
                    .malformed, "the member \(path) is not a valid whiteout: it names no file")
            }
            self = .whiteout(parent: parent, name: target)
        }
    }

    /// What the name of a deletion begins with.
    static let marker: RawPath = ".wh."
}

/// A path of names alone, none of them empty, `.` or `..`, with a slash between each two.
///
/// `..` takes the name before it away as text, whatever that is in the layer, and nothing above the root:
/// so the same path is the same file in every layer, and as in all other tools.
///
/// Found by one look at the bytes: an archive may have a million paths of two thousand names each.
struct NormalWay {
    /// Empty for the root.
    let path: RawPath
    /// How many names there are.
    let depth: Int
    /// Where in ``path`` the last name starts.
    private let lastStart: Int

    /// Normalises a path.
    init(_ given: RawPath) {
        let path = Self.withoutLeadingUp(given)
        let bytes = path.bytes
        var names = NamesOnWay(path)
        var (depth, nameBytes) = (0, 0)
        var (start, last) = (0, 0..<0)
        while let range = names.nextRange() {
            if depth == 0 { start = range.lowerBound }
            (depth, last) = (depth + 1, range)
            nameBytes += range.count
        }
        self.depth = depth
        let count = nameBytes + max(depth - 1, 0)
        lastStart = count - last.count
        if count == bytes.count {
            self.path = path
        } else if count == last.upperBound - start {
            self.path = RawPath(partOf: bytes[start..<last.upperBound])
        } else {
            self.path = Self.joined(Array(NamesOnWay(path)))
        }
    }

    /// The path with every `..` taken away, and the name before it.
    private static func withoutLeadingUp(_ path: RawPath) -> RawPath {
        let bytes = path.bytes
        var all = NamesOnWay(path)
        while let range = all.nextRange() {
            guard leadsUp(bytes[range]) else { continue }
            var names: [RawPath] = []
            for name in NamesOnWay(path) {
                if leadsUp(name.bytes) { _ = names.popLast() } else { names.append(name) }
            }
            return joined(names)
        }
        return path
    }

    private static func leadsUp(_ name: ArraySlice<UInt8>) -> Bool {
        name.count == 2 && name.elementsEqual("..".utf8)
    }

    private static func joined(_ names: [RawPath]) -> RawPath {
        var joined: [UInt8] = []
        for name in names {
            if !joined.isEmpty { joined.append(UInt8(ascii: "/")) }
            joined.append(contentsOf: name.bytes)
        }
        return RawPath(partOf: joined[...])
    }

    /// The way without its last name.
    var parent: RawPath { depth < 2 ? "" : RawPath(partOf: path.bytes[..<(lastStart - 1)]) }

    /// The last name; empty for the root.
    var lastName: RawPath { depth < 2 ? path : path.dropFirst(lastStart) }
}

/// The names of a path one by one; empty ones and `.` are none.
struct NamesOnWay: Sequence, IteratorProtocol {
    private let bytes: ArraySlice<UInt8>
    private var position = 0

    init(_ path: RawPath) { bytes = path.bytes }

    mutating func next() -> RawPath? { nextRange().map { RawPath(partOf: bytes[$0]) } }

    /// Where the next name stands in the bytes of the path.
    mutating func nextRange() -> Range<Int>? {
        let slash = UInt8(ascii: "/")
        while position < bytes.endIndex {
            let start = position
            while position < bytes.endIndex, bytes[position] != slash { position += 1 }
            let range = start..<position
            position += 1
            let isDot = range.count == 1 && bytes[start] == UInt8(ascii: ".")
            if !range.isEmpty && !isDot { return range }
        }
        return nil
    }
}
