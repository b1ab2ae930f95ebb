// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// The bytes of a tar stream behind one reused buffer, with the count of those consumed.
struct TarInput: ~Copyable {
    private let source: any ByteSource
    /// Is told of every byte consumed, but those that ``take(_:_:)`` lends.
    private let recipe: RecipeWriter?
    private let observer: WorkObserver
    private var buffer: [UInt8]
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    /// Bytes consumed so far.
    private(set) var offset: UInt64 = 0

    /// `observer` is asked whenever bytes are pulled from the source, whatever they belong to.
    init(
        _ source: any ByteSource, recipe: RecipeWriter? = nil, bufferBytes: Int? = nil,
        observer: WorkObserver = .none
    ) {
        (self.source, self.recipe, self.observer) = (source, recipe, observer)
        buffer = [UInt8](repeating: 0, count: bufferBytes ?? TarLimits.bufferBytes)
    }

    /// Consumes bytes that are in the buffer.
    private mutating func consume(_ count: Int) throws(ArchiveError) {
        if let recipe { try recipe.append(buffer.span.extracting(start..<(start + count))) }
        start += count
        offset += UInt64(count)
    }

    /// Makes sure that there is a byte in the buffer; false at the end of the stream.
    private mutating func fill() throws(ArchiveError) -> Bool {
        if start < end { return true }
        if isAtEnd { return false }
        (start, end) = (0, 0)
        try observer.requireGoOn()
        end = try source.read(into: &buffer)
        isAtEnd = end == 0
        return !isAtEnd
    }

    /// Bytes that can be taken at once, one at least and `limit` at most.
    ///
    /// - Throws: ``ArchiveError/Code/truncated`` at the end of the stream.
    mutating func available(
        _ limit: UInt64, _ reading: @autoclosure () -> String
    ) throws(ArchiveError) -> Int {
        guard try fill() else {
            throw ArchiveError(
                .truncated, "the archive ends inside \(reading())", offset: offset)
        }
        return Int(min(limit, UInt64(end - start)))
    }

    /// Consumes bytes that are ``available(_:_:)`` and lends them.
    mutating func take(
        _ count: Int, _ body: (Span<UInt8>) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        let range = start..<(start + count)
        start += count
        offset += UInt64(count)
        try body(buffer.span.extracting(range))
    }

    /// Reads one block into a header; false when the stream has ended before it.
    mutating func read(_ header: inout TarHeader) throws(ArchiveError) -> Bool {
        guard try fill() else { return false }
        var done = 0
        while done < TarHeader.size {
            let count = try available(UInt64(TarHeader.size - done), "a header")
            let filled = done..<(done + count)
            header.bytes.replaceSubrange(filled, with: buffer[start..<(start + count)])
            try consume(count)
            done += count
        }
        return true
    }

    /// Appends the next `count` bytes, and grows as they arrive, not as a header promises them.
    mutating func append(
        _ count: UInt64, to bytes: inout [UInt8], _ reading: @autoclosure () -> String
    ) throws(ArchiveError) {
        var rest = count
        while rest > 0 {
            let count = try available(rest, reading())
            bytes.append(contentsOf: buffer[start..<(start + count)])
            try consume(count)
            rest -= UInt64(count)
        }
    }

    /// Consumes one byte.
    mutating func readByte(_ reading: @autoclosure () -> String) throws(ArchiveError) -> UInt8 {
        _ = try available(1, reading())
        let byte = buffer[start]
        try consume(1)
        return byte
    }

    /// Consumes bytes unseen.
    mutating func skip(
        _ count: UInt64, _ reading: @autoclosure () -> String
    ) throws(ArchiveError) {
        var rest = count
        while rest > 0 {
            let count = try available(rest, reading())
            try consume(count)
            rest -= UInt64(count)
        }
    }

    /// Consumes bytes unseen, fewer where the stream ends.
    mutating func skipAvailable(_ count: UInt64) throws(ArchiveError) {
        var rest = count
        while rest > 0, try fill() {
            let count = Int(min(rest, UInt64(end - start)))
            try consume(count)
            rest -= UInt64(count)
        }
    }

    /// Consumes all that is left.
    mutating func drain() throws(ArchiveError) {
        while try fill() { try consume(end - start) }
    }
}
