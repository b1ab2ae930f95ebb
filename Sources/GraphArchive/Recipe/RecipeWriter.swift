// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// Records how a tar is put together again from the layer that was made of it.
///
/// A recipe is a zstd stream of pieces in the order of the tar: bytes as they stood there, such as
/// headers and padding, and references to the content of the layer's files. `docs/formats` has the
/// details.
package final class RecipeWriter {
    private let output: Compressor
    private var literal: [UInt8] = []
    private var reference: RecipePiece?
    /// References written so far, of which each has the number of those before it.
    private(set) var referenceCount: UInt64 = 0
    /// The contents of files that the archive itself replaced later on.
    private(set) var kept: KeptContents?
    private let makeKept: () throws(SyscallError) -> OwnedDescriptor

    private static let literalMax = 1 << 16

    /// Writes to `sink`.
    ///
    /// `makeKept` makes an empty file, for reading and writing, and is called when an archive
    /// replaces what it has put into the layer before.
    package init(
        _ sink: any ByteSink, makeKept: @escaping () throws(SyscallError) -> OwnedDescriptor
    ) {
        output = Self.compressor(sink)
        self.makeKept = makeKept
    }

    /// A recipe is small: threads of its own would cost more than they give, and higher levels more
    /// memory, of which resolving kept contents needs it twice.
    static func compressor(_ sink: any ByteSink) -> Compressor {
        Compressor(sink, .zstd, level: 1, threads: 0)
    }

    /// Takes bytes of the tar that no file holds.
    func append(_ bytes: Span<UInt8>) throws(ArchiveError) {
        try flushReference()
        var start = 0
        while start < bytes.count {
            let count = min(bytes.count - start, Self.literalMax - literal.count)
            literal.append(copying: bytes.extracting(start..<(start + count)))
            start += count
            if literal.count == Self.literalMax { try flushLiteral() }
        }
    }

    /// Takes note that the next bytes of the tar are in a file of the layer.
    func append(contentOf path: RawPath, at offset: UInt64, count: UInt64) throws(ArchiveError) {
        if var known = reference, case .file(let before, let start) = known.source, before == path,
            start + known.length == offset
        {
            known.length += count
            reference = known
            return
        }
        try flushReference()
        try flushLiteral()
        reference = RecipePiece(length: count, source: .file(path, offset: offset))
    }

    /// States what a file of the layer holds that no member of the tar names, of `size` bytes.
    func append(
        unnamed path: RawPath, size: UInt64, _ digest: Digest
    ) throws(ArchiveError) {
        try flushReference()
        try flushLiteral()
        try write(RecipePiece(length: size, source: .unnamed(path, digest)))
    }

    /// Saves the content of a file that is about to be replaced.
    func keep(
        _ path: RawPath, _ file: borrowing OwnedDescriptor, size: UInt64,
        observer: WorkObserver = .none
    ) throws(SyscallError) {
        if kept == nil { kept = KeptContents(try makeKept()) }
        // The reference that is being gathered may be to this very file.
        let count = referenceCount + (reference == nil ? 0 : 1)
        try kept?.add(path, file, size: size, referencesBefore: count, observer: observer)
    }

    /// Writes what is still held back.
    package func finish() throws(ArchiveError) {
        try flushReference()
        try flushLiteral()
        try output.finish()
    }

    private func flushLiteral() throws(ArchiveError) {
        if literal.isEmpty { return }
        try write(RecipePiece(length: UInt64(literal.count), source: .literal))
        // A class's property cannot be lent itself, a value that was moved out can.
        var bytes: [UInt8] = []
        swap(&bytes, &literal)
        try output.write(bytes.span)
        bytes.removeAll(keepingCapacity: true)
        swap(&bytes, &literal)
    }

    private func flushReference() throws(ArchiveError) {
        guard let piece = reference else { return }
        reference = nil
        referenceCount += 1
        try write(piece)
    }

    private func write(_ piece: RecipePiece) throws(ArchiveError) {
        try output.write(piece.encoded.span)
    }
}
