// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBtrfs
import GraphSystem
import SystemPackage

/// The parsers of untrusted bytes.
enum Parser: String, CaseIterable {
    /// Plain tars.
    case tar
    /// Streams of gzip or zstd.
    case codec
    /// Recipes; the store writes them itself, but a disk may damage them.
    case recipe
    /// What btrfs tells of differences; the kernel writes them.
    case send
    /// What btrfs lets be searched of its metadata; the kernel writes it.
    case search

    /// Reads bytes to their end or to the first error; tells whether it was the end.
    @discardableResult
    func run(_ bytes: [UInt8]) -> Bool {
        do throws(ArchiveError) {
            switch self {
            case .tar: try Self.readTar(bytes)
            case .codec: try Self.decompress(bytes)
            case .recipe: try Self.readRecipe(bytes)
            case .send: try SendInput(bytes).read()
            case .search: try SearchInput(bytes).read()
            }
            return true
        } catch {
            // An error is an answer, a trap is none.
            precondition(!error.description.isEmpty)
            return false
        }
    }

    private static func readTar(_ bytes: [UInt8]) throws(ArchiveError) {
        // A large buffer would take longer to make than most inputs to read; a small one is filled
        // often.
        var reader = TarReader(MemorySource(bytes), bufferBytes: 4_096)
        while let entry = try reader.next() {
            precondition(!entry.path.isEmpty)
            var size: UInt64 = 0
            if case .file(let bytes) = entry.kind { size = bytes }
            try reader.readData { (offset, bytes) in
                precondition(!bytes.isEmpty)
                if case .file = entry.kind {
                    precondition(offset + UInt64(bytes.count) <= size, "data behind the end")
                }
            }
        }
        try reader.drain()
        precondition(reader.offset == UInt64(bytes.count), "bytes that nobody read")
    }

    private static func decompress(_ bytes: [UInt8]) throws(ArchiveError) {
        let source = try Decompressor(MemorySource(bytes))
        var buffer = [UInt8](repeating: 0, count: 4_096)
        // A few bytes may stand for gigabytes.
        for _ in 0..<256 where try source.read(into: &buffer) == 0 { return }
    }

    private static func readRecipe(_ bytes: [UInt8]) throws(ArchiveError) {
        // The codec has its own fuzzing: the bytes are stored in a frame of zstd as they are.
        let size = bytes.count << 3 | 1
        let frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0, 0x38]
        let block = [UInt8(size & 0xFF), UInt8(size >> 8 & 0xFF), UInt8(size >> 16 & 0xFF)]
        var recipe = try RecipeTar(
            recipe: MemorySource(frame + block + bytes), layer: emptyLayer, kept: nil)
        _ = try recipe.verify(expecting: Digest.of([]))
    }

    private static let emptyLayer: Directory = {
        guard let directory = try? Directory(opening: "/proc/self/fdinfo") else {
            fatalError("there is no /proc")
        }
        return directory
    }()
}
