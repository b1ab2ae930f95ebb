// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import Measure

/// Files of one size, as they lie in every tree that is measured.
struct FileSet {
    /// Bytes of each file.
    let size: Int
    /// How many of them, so that one mount serves several samples.
    let count: Int

    static let manyCount = 1000
    static let block = [UInt8](
        (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 167 >> 3 ^ $0) })

    /// Whether large files share their blocks, so that several take the space of one.
    let isSharing: Bool

    /// Whether the tree has a thousand small files and a directory to rename, too.
    var hasMany: Bool { size == 4096 }
    /// Bytes of disk that they take.
    var bytes: Int {
        (isSharing ? size : size * count) + (hasMany ? Self.manyCount * 4096 : 0)
    }

    /// Describes the files; of small ones there are eight that share nothing.
    init(size: Int, sharingOn filesystem: Bed.Filesystem?) {
        self.size = size
        isSharing = size > 1 << 20 && filesystem != nil && filesystem != .ext4
        count = isSharing ? 8 : max(1, min(8, (128 << 20) / size))
    }

    func path(_ index: Int, in root: String) -> String { "\(root)/file\(index)" }

    /// Writes them into an empty directory.
    func write(into root: String) throws {
        for index in 0..<count { try write(index, into: root) }
        if !hasMany { return }
        for directory in ["many", "tree"] where mkdir("\(root)/\(directory)", 0o755) == -1 {
            throw failure("mkdir \(directory)")
        }
        try Self.write("\(root)/tree/file", size: 4096)
        for index in 0..<Self.manyCount { try Self.write("\(root)/many/\(index)", size: 4096) }
    }

    private func write(_ index: Int, into root: String) throws {
        let path = path(index, in: root)
        if !isSharing || index == 0 { return try Self.write(path, size: size) }
        let source = cmeasure_open(self.path(0, in: root), O_RDONLY, 0)
        let target = cmeasure_open(path, O_WRONLY | O_CREAT, 0o644)
        defer {
            close(source)
            close(target)
        }
        if cmeasure_clone(target, source) == -1 { throw failure("FICLONE of \(path)") }
    }

    static func write(_ path: String, size: Int) throws {
        let file = cmeasure_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard file != -1 else { throw failure("open \(path)") }
        defer { close(file) }
        var offset = 0
        while offset < size {
            try checkInterrupted()
            let count = Glibc.write(file, block, min(block.count, size - offset))
            guard count > 0 else { throw failure("write \(path)") }
            offset += count
        }
    }
}
