// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphSystem
public import SystemPackage

/// Where bytes come from, pulled a block at a time by one reader.
public protocol ByteSource: AnyObject {
    /// Fills the front of `buffer`.
    ///
    /// - Returns: How many bytes were placed, at least one; 0 at the end of the stream.
    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int
}

/// Where bytes go, pushed by one writer.
public protocol ByteSink: AnyObject {
    /// Takes all bytes.
    func write(_ bytes: Span<UInt8>) throws(ArchiveError)
    /// Writes what is still held back, such as the end of a compressed stream. Called once.
    func finish() throws(ArchiveError)
}

/// A source that knows the digest of its bytes.
package protocol VerifiedSource: ByteSource {
    /// Reads what is left, so that all bytes are verified.
    ///
    /// - Throws: ``ArchiveError/Code/digestMismatch`` when they are not those that were meant.
    func drain() throws(ArchiveError)
}

/// The bytes of an open file, from its current position.
public final class FileSource: ByteSource {
    private let descriptor: OwnedDescriptor

    /// Reads from `descriptor`, which may be a pipe.
    public init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// Opens the file at a path for reading.
    public convenience init(opening path: FilePath) throws(SyscallError) {
        self.init(try OwnedDescriptor.open(path, .readOnly))
    }

    public func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        try attempting("read the stream", try descriptor.read(into: &buffer))
    }
}

/// An open file, from its current position.
public final class FileSink: ByteSink {
    private let descriptor: OwnedDescriptor

    /// Writes to `descriptor`, which may be a pipe.
    public init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    public func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        do {
            try descriptor.write(bytes)
        } catch {
            throw ArchiveError(.system, "could not write the stream", cause: error)
        }
    }

    public func finish() throws(ArchiveError) {}
}

/// Bytes in memory.
public final class MemorySource: ByteSource {
    private let bytes: [UInt8]
    private var position = 0

    /// Gives out `bytes` from the first to the last.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        let count = min(buffer.count, bytes.count - position)
        buffer.replaceSubrange(0..<count, with: bytes[position..<(position + count)])
        position += count
        return count
    }
}

/// Collects bytes in memory.
public final class MemorySink: ByteSink {
    public private(set) var bytes: [UInt8] = []

    /// Starts empty.
    public init() {}

    public func write(_ bytes: Span<UInt8>) throws(ArchiveError) {
        for index in bytes.indices { self.bytes.append(bytes[index]) }
    }

    public func finish() throws(ArchiveError) {}
}
