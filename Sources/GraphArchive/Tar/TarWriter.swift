// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Writes a tar stream in one canonical form: the same entries always give the same bytes.
///
/// Members are POSIX `ustar`; an extension header stands before those that do not fit in it: long
/// names, large numbers, times with nanoseconds or before 1970, extended attributes. User and
/// group names are left empty.
package struct TarWriter: ~Copyable {
    private var output: TarOutput
    private var path: RawPath = ""
    private var size: UInt64 = 0
    private var written: UInt64 = 0

    /// Writes to `sink`, which ``finish()`` ends.
    package init(_ sink: any ByteSink) { output = TarOutput(sink) }

    /// Writes the headers of a member.
    ///
    /// A file's bytes follow by ``write(_:)``, then every member is closed by ``finishEntry()``.
    ///
    /// - Throws: ``ArchiveError/Code/malformed`` for an empty name or link target,
    ///   ``ArchiveError/Code/unsupported`` for names and attributes longer than Linux has them.
    package mutating func begin(_ entry: ArchiveEntry) throws(ArchiveError) {
        let encoded = try TarEncodedEntry(entry)
        if !encoded.records.isEmpty {
            try output.write(encoded.extensionHeader(of: entry.path).bytes.span)
            try output.write(encoded.records.span)
            try output.writeZeros(Int(TarHeader.padding(of: UInt64(encoded.records.count))))
        }
        try output.write(encoded.header.bytes.span)
        path = entry.path
        (size, written) = (encoded.dataSize, 0)
    }

    /// Writes bytes of the current file.
    ///
    /// - Throws: ``ArchiveError/Code/malformed`` when they are more than the entry's size, as
    ///   happens to a file that grows while it is read.
    package mutating func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        if UInt64(bytes.count) > size - written {
            throw ArchiveError(.malformed, "\(path) has more bytes than the \(size) announced")
        }
        written += UInt64(bytes.count)
        try output.write(bytes)
    }

    /// Closes the current member.
    ///
    /// - Throws: ``ArchiveError/Code/malformed`` when there were fewer bytes than the entry's size.
    package mutating func finishEntry() throws(ArchiveError) {
        if written != size {
            throw ArchiveError(
                .malformed, "\(path) has \(written) bytes instead of the \(size) announced")
        }
        try output.writeZeros(Int(TarHeader.padding(of: size)))
        (size, written) = (0, 0)
    }

    /// Writes the end marker and ends the sink.
    package mutating func finish() throws(ArchiveError) {
        try output.writeZeros(2 * TarHeader.size)
        try output.finish()
    }
}
