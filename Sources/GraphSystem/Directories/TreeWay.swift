// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// The way from the root of a tree down to a directory, name by name.
///
/// A walk keeps one a directory, and each only adds its own name: whole paths would take memory that
/// grows with the square of the depth, which a container chooses.
package final class TreeWay: Sendable {
    /// In the directory above; empty for the root.
    package let name: RawPath
    /// Bytes of the whole path.
    package let byteCount: Int
    /// nil for the root.
    package var above: TreeWay? { up }
    // Changed in `deinit` alone, of a way that nobody else holds.
    nonisolated(unsafe) private var up: TreeWay?

    /// The root of a tree.
    package init() { (name, byteCount, up) = ("", 0, nil) }

    /// A directory in another.
    package init(_ name: RawPath, in above: TreeWay) {
        self.name = name
        up = above
        byteCount = above.byteCount(of: name)
    }

    deinit {
        // One after the other: freed from within each other, those of a deep tree would exhaust the
        // stack.
        var next = up
        up = nil
        while next != nil, isKnownUniquelyReferenced(&next) {
            let further = next?.up
            next?.up = nil
            next = further
        }
    }

    /// The bytes of the path of a name in this directory.
    package func byteCount(of name: RawPath) -> Int {
        byteCount == 0 ? name.count : byteCount + 1 + name.count
    }

    /// The path from the root, without a leading slash; empty for the root.
    package var path: RawPath { path(of: "") }

    /// The path of a name in this directory; of the directory itself for an empty name.
    package func path(of name: RawPath) -> RawPath {
        if above == nil { return name }
        let count = name.isEmpty ? byteCount : byteCount(of: name)
        return RawPath(byteCount: count) { buffer in
            var end = name.copy(to: buffer, endingAt: count)
            var way = self
            while let above = way.above {
                if end < count {
                    end -= 1
                    buffer[end] = UInt8(ascii: "/")
                }
                end = way.name.copy(to: buffer, endingAt: end)
                way = above
            }
        }
    }
}

extension RawPath {
    /// Copies the bytes to where they end, and returns where they start.
    fileprivate func copy(to buffer: UnsafeMutableRawBufferPointer, endingAt end: Int) -> Int {
        let start = end - count
        bytes.withUnsafeBytes { buffer[start..<end].copyBytes(from: $0) }
        return start
    }
}
