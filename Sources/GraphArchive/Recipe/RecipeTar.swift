// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// A layer and the recipe for the tar that it was made of.
package struct RecipeTar: ~Copyable {
    private var reader: RecipeReader
    private let layer: Directory
    private let kept: OwnedDescriptor?

    /// Describes a tar to be put together.
    ///
    /// `layer` has the files of the layer, and `kept` the contents of those that the archive itself
    /// replaced, if there are any.
    package init(
        recipe: any ByteSource, layer: Directory, kept: consuming OwnedDescriptor?
    ) throws(ArchiveError) {
        reader = try RecipeReader(recipe)
        self.layer = layer
        self.kept = kept
    }

    /// Writes the tar, byte for byte as it was applied, and finishes the sink.
    ///
    /// Throws ``ArchiveError/Code/digestMismatch`` when what was written has another digest than
    /// `digest`, which is known at the end only, and ``ArchiveError/Code/malformed`` where the
    /// layer's files are not what they were.
    @discardableResult
    package mutating func write(
        to sink: any ByteSink, expecting digest: Digest, observer: WorkObserver = .none
    ) throws(ArchiveError) -> WrittenTar {
        try write(to: sink, expecting: digest, nil, observer)
    }

    /// Reads each file that the recipe vouches for once, and makes sure that all it holds is what was
    /// unpacked: what was in the tar, zeros where the tar had none, and what no member named.
    ///
    /// - Returns: Those files.
    /// - Throws: As ``write(to:expecting:observer:)``, and also where a hole is one no more.
    package mutating func verify(
        expecting digest: Digest, observer: WorkObserver = .none
    ) throws(ArchiveError) -> VouchedFiles {
        let verification = RecipeVerification(observer)
        try write(to: EmptySink(), expecting: digest, verification, observer)
        return VouchedFiles(inodes: verification.inodes)
    }

    @discardableResult
    private mutating func write(
        to sink: any ByteSink, expecting digest: Digest, _ verification: RecipeVerification?,
        _ observer: WorkObserver
    ) throws(ArchiveError) -> WrittenTar {
        let pipe = try HashingPipe(sink)
        var done: UInt64 = 0
        var current: RecipeFile?
        while let piece = try reader.next() {
            try observer.report(WorkProgress(phase: "writing", completedBytes: done))
            switch piece.source {
            case .literal:
                try reader.readLiteral(piece.length) { (bytes) throws(ArchiveError) in
                    try pipe.write(bytes)
                }
            case .file(let path, let offset):
                // The pieces of a sparse file follow each other.
                if current?.path != path {
                    try verification?.finish(current)
                    current = try RecipeFile(path, in: layer)
                    try verification?.begin(current)
                }
                guard let file = current else { break }
                try verification?.requireZeros(in: file, upTo: offset)
                try Self.copy(
                    file.descriptor, offset, piece.length, to: pipe, of: "/\(path)", observer, done)
                file.end = offset + piece.length
            case .kept(let offset):
                let name = "the contents kept of a layer"
                switch kept {
                case .none:
                    throw ArchiveError(.malformed, "\(name) are missing")
                case .some(let file):
                    try Self.copy(
                        file, offset, piece.length, to: pipe, of: name, observer, done)
                }
            case .unnamed(let path, let digest):
                try verification?.require(
                    digest, size: piece.length, of: try RecipeFile(path, in: layer))
                continue
            }
            done += piece.length
        }
        try verification?.finish(current)
        try pipe.finish()
        let written = pipe.result
        if written.digest != digest {
            throw ArchiveError(
                .digestMismatch,
                "the layer's content has changed: its tar has the digest \(written.digest), not"
                    + " \(digest)")
        }
        return written
    }

    private static func copy(
        _ file: borrowing OwnedDescriptor, _ offset: UInt64, _ length: UInt64,
        to pipe: HashingPipe, of name: @autoclosure () -> String, _ observer: WorkObserver,
        _ before: UInt64
    ) throws(ArchiveError) {
        var done: UInt64 = 0
        while done < length {
            if done > 0 {
                try observer.report(WorkProgress(phase: "writing", completedBytes: before + done))
            }
            let count = try pipe.fill(length - done) { (block, range) throws(ArchiveError) in
                try attempting(
                    "read \(name())", try file.read(into: &block, range, at: offset + done))
            }
            if count == 0 {
                throw ArchiveError(.malformed, "\(name()) is shorter than it was")
            }
            done += UInt64(count)
        }
    }
}

extension RecipeWriter {
    /// Writes a recipe anew, with references to kept contents where the archive replaced files.
    ///
    /// `recipe` is what this writer has written, which has been finished.
    package func resolveKept(
        in recipe: any ByteSource, to sink: any ByteSink
    ) throws(ArchiveError) {
        var reader = try RecipeReader(recipe)
        let output = Self.compressor(sink)
        var number: UInt64 = 0
        while var piece = try reader.next() {
            if case .file(let path, let offset) = piece.source {
                if let place = kept?.place(of: path, reference: number) {
                    piece.source = .kept(offset: place + offset)
                }
                number += 1
            }
            try output.write(piece.encoded.span)
            if piece.source == .literal {
                try reader.readLiteral(piece.length) { (bytes) throws(ArchiveError) in
                    try output.write(bytes)
                }
            }
        }
        try output.finish()
    }

    /// Whether ``resolveKept(in:to:)`` must be called.
    package var hasKept: Bool { kept != nil }
}
