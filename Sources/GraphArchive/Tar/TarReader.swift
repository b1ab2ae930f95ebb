// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Reads the members of a tar stream one after another.
///
/// Takes v7, ustar, PAX, GNU and star archives. Memory does not grow with the archive or its
/// members. After an error the reader is of no further use.
package struct TarReader: ~Copyable {
    private var input: TarInput
    private var header = TarHeader()
    /// Records of global extension headers, for all members behind them.
    private var global = PaxRecords()
    /// Bodies of extension headers, one buffer for all.
    private var body: [UInt8] = []
    private var data = SparseMap()
    /// Bytes that fill the current member's data up to whole blocks.
    private var padding: UInt64 = 0
    private var isAtEnd = false

    /// Starts at the front of an uncompressed tar stream.
    ///
    /// `bufferBytes` is how much is asked of the source at once; nil for what suits files. Every call
    /// throws ``ArchiveError/Code/cancelled`` once `observer` asks to stop.
    package init(
        _ source: any ByteSource, bufferBytes: Int? = nil, observer: WorkObserver = .none
    ) {
        input = TarInput(source, bufferBytes: bufferBytes, observer: observer)
    }

    /// The same, and tells `recipe` of every byte that ``readData(_:)`` does not hand over.
    init(_ source: any ByteSource, recipe: RecipeWriter?, observer: WorkObserver) {
        input = TarInput(source, recipe: recipe, observer: observer)
    }

    /// Bytes of the tar stream consumed so far.
    package var offset: UInt64 { input.offset }

    /// Steps to the next member, over data of the previous one that were not read.
    ///
    /// - Returns: The member, or nil at the end of the archive: an end marker, or the end of the
    ///   stream after the data of a whole member. A stream without a byte is an empty archive.
    /// - Throws: ``ArchiveError`` with the offset of the header or record at fault.
    package mutating func next() throws(ArchiveError) -> ArchiveEntry? {
        if isAtEnd { return nil }
        while data.advance() {
            let length = data.current.length
            try input.skip(length, "a member's data")
            data.consume(Int(length))
        }
        // Nothing is missing of an archive that ends here: docker's classic builder and umoci leave the
        // padding of the last member out.
        try input.skipAvailable(padding)
        padding = 0
        var extensions = Extensions(records: global)
        while true {
            let place = input.offset
            guard try readHeader(at: place) else {
                isAtEnd = true
                if !extensions.isEmpty { throw Self.noMember(at: place, input.offset) }
                return nil
            }
            if try !readExtension(&extensions, at: place) {
                return try readMember(extensions, at: place)
            }
        }
    }

    /// Hands over the data of the current member in order, without those read before.
    ///
    /// Holes of a sparse file are not handed over: the entry's size says where the file ends. `body`
    /// gets the offset in the file and the bytes, which are lent for the call.
    package mutating func readData(
        _ body: (_ fileOffset: UInt64, _ bytes: Span<UInt8>) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        while data.advance() {
            let place = data.current.offset
            let count = try input.available(data.current.length, "a member's data")
            data.consume(count)
            try input.take(count) { (bytes: Span<UInt8>) throws(ArchiveError) in
                try body(place, bytes)
            }
        }
    }

    /// Reads on to the end of the stream, so that a digest over the source covers every byte.
    package mutating func drain() throws(ArchiveError) {
        isAtEnd = true
        data = SparseMap()
        try input.drain()
    }

    /// Extension headers that wait for their member.
    private struct Extensions {
        var records: PaxRecords
        var longName: RawPath?
        var longLink: RawPath?
        var byteCount: UInt64 = 0
        var isEmpty = true
    }

    /// Reads a header block; false at the end of the archive.
    private mutating func readHeader(at place: UInt64) throws(ArchiveError) -> Bool {
        // GNU tar and Go take the end of the stream for the end of the archive as well.
        guard try input.read(&header) else { return false }
        if header.isZero {
            // A lone block of zeros at the very end is what some old writers leave.
            guard try input.read(&header) else { return false }
            if header.isZero { return false }
            throw ArchiveError(
                .malformed, "there is a block of zeros between two members", offset: place)
        }
        try header.verifyChecksum(at: place)
        return true
    }

    private static func noMember(at place: UInt64, _ end: UInt64) -> ArchiveError {
        place == end
            ? ArchiveError(
                .truncated, "the archive ends between an extension header and its member",
                offset: place)
            : ArchiveError(
                .malformed, "an extension header has no member after it", offset: place)
    }

    /// Takes in a header that describes other members; false for one that is a member itself.
    private mutating func readExtension(
        _ extensions: inout Extensions, at place: UInt64
    ) throws(ArchiveError) -> Bool {
        switch header.typeFlag {
        case UInt8(ascii: "x"), UInt8(ascii: "X"):
            // `X` is how Solaris wrote them before the standard.
            try readBody(&extensions, at: place)
            try extensions.records.apply(body, at: place + UInt64(TarHeader.size))
        case UInt8(ascii: "g"):
            var single = Extensions(records: global)
            try readBody(&single, at: place)
            let records = extensions.isEmpty ? nil : extensions.records
            try global.apply(body, at: place + UInt64(TarHeader.size))
            try global.becomeGlobal(at: place)
            extensions.records = records ?? global
        case UInt8(ascii: "L"):
            try readBody(&extensions, at: place)
            extensions.longName = try checkedPath(
                bodyText, "a long name", bytesMax: TarLimits.nameBytes, at: place)
        case UInt8(ascii: "K"):
            try readBody(&extensions, at: place)
            extensions.longLink = try checkedPath(bodyText, "a long link target", at: place)
        case UInt8(ascii: "V"):
            var single = Extensions(records: global)
            try readBody(&single, at: place)
        default:
            return false
        }
        return true
    }

    /// The body without the NULs at its end.
    private var bodyText: ArraySlice<UInt8> {
        body[..<((body.lastIndex { $0 != 0 }).map { $0 + 1 } ?? 0)]
    }

    /// Reads the body of an extension header.
    private mutating func readBody(
        _ extensions: inout Extensions, at place: UInt64
    ) throws(ArchiveError) {
        let size = try header.number(.size, at: place)
        guard size >= 0 else {
            throw ArchiveError(.malformed, "an extension header has a negative size", offset: place)
        }
        extensions.byteCount += UInt64(size)
        extensions.isEmpty = false
        if extensions.byteCount > UInt64(TarLimits.extensionBytes) {
            throw ArchiveError(
                .unsupported,
                "a member has extension headers of \(extensions.byteCount) bytes;"
                    + " \(TarLimits.extensionBytes) are the most", offset: place)
        }
        body.removeAll(keepingCapacity: true)
        try input.append(UInt64(size), to: &body, "an extension header")
        try input.skip(TarHeader.padding(of: UInt64(size)), "an extension header")
    }

    /// Makes the entry and gets its data ready.
    private mutating func readMember(
        _ extensions: Extensions, at place: UInt64
    ) throws(ArchiveError) -> ArchiveEntry {
        let records = extensions.records
        var path: RawPath
        if let long = extensions.longName ?? records.path {
            path = long
        } else {
            path = try checkedPath(
                header.name, "a name", bytesMax: TarLimits.nameBytes, at: place)
        }
        let member = try TarMember(
            header, records, path: path, longLink: extensions.longLink, at: place)
        var entry = member.entry
        if member.isSparse {
            if let name = records.sparse.name { (path, entry.path) = (name, name) }
            let size = try openSparse(records, storedSize: member.storedSize, at: place)
            entry.kind = .file(size: size)
        } else {
            data = SparseMap(size: member.storedSize)
            if case .directory = entry.kind {
                // A directory of GNU's incremental archives comes with a list of its names.
                while data.advance() {
                    let count = try input.available(data.current.length, "a list of names")
                    data.consume(count)
                    try input.skip(UInt64(count), "a list of names")
                }
            }
        }
        padding = TarHeader.padding(of: member.storedSize)
        return entry
    }

    /// Reads a sparse file's map.
    ///
    /// - Returns: Bytes of the file with its holes.
    private mutating func openSparse(
        _ records: PaxRecords, storedSize: UInt64, at place: UInt64
    ) throws(ArchiveError) -> UInt64 {
        let sparse = records.sparse
        if header.typeFlag == UInt8(ascii: "S") {
            let size = try header.number(.gnuRealSize, at: place)
            guard size >= 0 else {
                throw ArchiveError(.malformed, "a sparse file's size is negative", offset: place)
            }
            let extents = try SparseMap.readOldGNU(&header, &input, at: place)
            data = try SparseMap(
                extents, fileSize: UInt64(size), storedSize: storedSize, at: place)
            return UInt64(size)
        }
        guard let size = sparse.realSize else {
            throw ArchiveError(.malformed, "a sparse file has no size", offset: place)
        }
        if let major = sparse.major {
            guard major == 1, sparse.minor ?? 0 == 0 else {
                throw ArchiveError(
                    .unsupported,
                    "a sparse file has the unknown format"
                        + " \(major).\(sparse.minor ?? 0)", offset: place)
            }
            let (extents, used) = try SparseMap.readFromData(
                &input, limit: storedSize, at: place)
            data = try SparseMap(
                extents, fileSize: size, storedSize: storedSize - used, at: place)
            return size
        }
        let numbers = sparse.numbers
        guard numbers.count.isMultiple(of: 2),
            sparse.count.map({ $0 == UInt64(numbers.count / 2) }) ?? true
        else {
            throw ArchiveError(
                .malformed, "a sparse file's map has not as many pieces as it says", offset: place)
        }
        let extents = stride(from: 0, to: numbers.count, by: 2).map {
            DataExtent(offset: numbers[$0], length: numbers[$0 + 1])
        }
        data = try SparseMap(extents, fileSize: size, storedSize: storedSize, at: place)
        return size
    }
}
