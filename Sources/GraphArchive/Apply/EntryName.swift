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
    /// `.wh..wh.*`: what AUFS kept for itself.
    case ignored

    /// Normalises and classifies a name: leading slashes, `./` and trailing slashes fall away.
    ///
    /// - Throws: ``ArchiveError/Code/malformed`` for an empty name, for `..` anywhere in it, and
    ///   for a deletion of nothing, `.` or `..`.
    init(_ path: RawPath) throws(ArchiveError) {
        if path.isEmpty { throw ArchiveError(.malformed, "a member has an empty name") }
        let way = try NormalWay(path)
        if way.path.isEmpty {
            self = .root
            return
        }
        let (parent, name) = (way.parent, way.lastName)
        guard name.hasPrefix(NormalWay.marker) else {
            // Inside AUFS's own directories, or inside something deleted.
            self = way.hasMarkedParent ? .ignored : .entry(parent: parent, name: name)
            return
        }
        if name == ".wh..wh..opq" {
            self = .opaque(directory: parent)
        } else if name.hasPrefix(".wh..wh.") {
            self = .ignored
        } else {
            let target = name.dropFirst(NormalWay.marker.count)
            if target.isEmpty || target == "." || target == ".." {
                throw ArchiveError(.malformed, "the member \(path) deletes no possible name")
            }
            self = .whiteout(parent: parent, name: target)
        }
    }
}

/// A path of names alone, none of them empty, `.` or `..`, with a slash between each two.
///
/// Found by one look at the bytes: an archive may have a million paths of two thousand names each.
struct NormalWay {
    static let marker: RawPath = ".wh."

    /// Empty for the root.
    let path: RawPath
    /// How many names there are.
    let depth: Int
    /// Whether a name before the last is that of a deletion.
    let hasMarkedParent: Bool
    /// Where in ``path`` the last name starts.
    private let lastStart: Int

    /// Normalises a path.
    ///
    /// - Throws: ``ArchiveError/Code/malformed`` for `..` anywhere in it.
    init(_ path: RawPath) throws(ArchiveError) {
        let bytes = path.bytes
        var names = NamesOnWay(path)
        var (depth, nameBytes, isMarked, hasMarkedParent) = (0, 0, false, false)
        var (start, last) = (0, 0..<0)
        while let range = names.nextRange() {
            let name = bytes[range]
            if name.count == 2, name.elementsEqual("..".utf8) {
                throw ArchiveError(.malformed, "the name \(path) leads upwards")
            }
            if depth == 0 { start = range.lowerBound }
            hasMarkedParent = hasMarkedParent || isMarked
            isMarked = name.first == UInt8(ascii: ".") && name.starts(with: Self.marker.bytes)
            (depth, last) = (depth + 1, range)
            nameBytes += range.count
        }
        (self.depth, self.hasMarkedParent) = (depth, hasMarkedParent)
        let count = nameBytes + max(depth - 1, 0)
        lastStart = count - last.count
        if count == bytes.count {
            self.path = path
        } else if count == last.upperBound - start {
            self.path = RawPath(partOf: bytes[start..<last.upperBound])
        } else {
            var joined: [UInt8] = []
            joined.reserveCapacity(count)
            var names = NamesOnWay(path)
            while let range = names.nextRange() {
                if !joined.isEmpty { joined.append(UInt8(ascii: "/")) }
                joined.append(contentsOf: bytes[range])
            }
            self.path = RawPath(partOf: joined[...])
        }
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
