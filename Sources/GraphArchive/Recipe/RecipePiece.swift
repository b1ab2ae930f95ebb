// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Some bytes of a tar, and where they are.
///
/// Written as numbers of seven bits a byte, least significant first, the last byte below 128: the
/// length times four plus the kind; then for a file the length of its path, the path, and the
/// offset; for a kept content the offset; for a statement about a file the length of its path, the path
/// and the digest. Literal bytes stand behind their piece.
struct RecipePiece: Hashable {
    enum Source: Hashable {
        /// In the recipe itself.
        case literal
        /// In a file of the layer.
        case file(RawPath, offset: UInt64)
        /// In the file of kept contents.
        case kept(offset: UInt64)
        /// Nowhere in the tar: what a file of the layer holds, of as many bytes, that no member names.
        case unnamed(RawPath, Digest)
    }

    var length: UInt64
    var source: Source

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func append(_ number: UInt64) {
            var rest = number
            while rest > 127 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        switch source {
        case .literal:
            append(length << 2)
        case .file(let path, let offset):
            append(length << 2 | 1)
            append(UInt64(path.count))
            bytes.append(contentsOf: path.bytes)
            append(offset)
        case .kept(let offset):
            append(length << 2 | 2)
            append(offset)
        case .unnamed(let path, let digest):
            append(length << 2 | 3)
            append(UInt64(path.count))
            bytes.append(contentsOf: path.bytes)
            bytes.append(contentsOf: digest.bytes)
        }
        return bytes
    }
}

/// Reads the pieces of a recipe, one after the other.
struct RecipeReader: ~Copyable {
    private let source: Decompressor
    private var buffer = [UInt8](repeating: 0, count: TarLimits.bufferBytes)
    private var rest = 0..<0

    /// Starts at the front of a recipe.
    init(_ source: any ByteSource) throws(ArchiveError) {
        let source = try Decompressor(source)
        if source.compression != .zstd { throw Self.damaged }
        self.source = source
    }

    private static let damaged = ArchiveError(.malformed, "the recipe is damaged")

    /// The next piece, or nil behind the last.
    ///
    /// The bytes of a literal piece must be read before the one after it.
    mutating func next() throws(ArchiveError) -> RecipePiece? {
        guard try fill() else { return nil }
        let head = try readNumber()
        let length = head >> 2
        switch head & 3 {
        case 0:
            return RecipePiece(length: length, source: .literal)
        case 1:
            let path = try readPath()
            return RecipePiece(length: length, source: .file(path, offset: try readNumber()))
        case 2:
            return RecipePiece(length: length, source: .kept(offset: try readNumber()))
        default:
            let path = try readPath()
            var bytes: [UInt8] = []
            for _ in 0..<32 { bytes.append(try readByte()) }
            return RecipePiece(length: length, source: .unnamed(path, Digest(bytes: bytes)))
        }
    }

    private mutating func readPath() throws(ArchiveError) -> RawPath {
        let count = try readNumber()
        if count == 0 || count > UInt64(TarLimits.pathBytes) { throw Self.damaged }
        var bytes: [UInt8] = []
        for _ in 0..<count { bytes.append(try readByte()) }
        guard let path = RawPath(validating: bytes) else { throw Self.damaged }
        return path
    }

    /// Lends the bytes of a literal piece, in portions.
    mutating func readLiteral(
        _ length: UInt64, _ body: (Span<UInt8>) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        var left = length
        while left > 0 {
            guard try fill() else { throw Self.damaged }
            let count = Int(min(left, UInt64(rest.count)))
            let range = rest.prefix(count)
            rest = rest.dropFirst(count)
            left -= UInt64(count)
            try body(buffer.span.extracting(range))
        }
    }

    private mutating func fill() throws(ArchiveError) -> Bool {
        if rest.isEmpty { rest = 0..<(try source.read(into: &buffer)) }
        return !rest.isEmpty
    }

    private mutating func readByte() throws(ArchiveError) -> UInt8 {
        guard try fill() else { throw Self.damaged }
        let byte = buffer[rest.lowerBound]
        rest = rest.dropFirst()
        return byte
    }

    private mutating func readNumber() throws(ArchiveError) -> UInt64 {
        var (number, shift): (UInt64, UInt64) = (0, 0)
        while true {
            let byte = try readByte()
            if shift > 56 { throw Self.damaged }
            number |= UInt64(byte & 127) << shift
            if byte < 128 { return number }
            shift += 7
        }
    }
}
