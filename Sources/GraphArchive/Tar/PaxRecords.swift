// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// What extension headers say about a member; pax(1) "pax Extended Header".
struct PaxRecords {
    var path: RawPath?
    var linkPath: RawPath?
    var size: UInt64?
    var uid: UInt64?
    var gid: UInt64?
    var modified: Timestamp?
    var sparse = SparseRecords()
    /// In the order of the records: a later one replaces an earlier one of the same name.
    private var attributes: [ExtendedAttribute] = []

    /// What GNU's PAX formats say about a sparse file.
    struct SparseRecords {
        var major: UInt64?
        var minor: UInt64?
        var name: RawPath?
        /// Bytes of the file with its holes.
        var realSize: UInt64?
        /// How many pieces format 0.x promises.
        var count: UInt64?
        /// Offsets and lengths in turn.
        var numbers: [UInt64] = []
        /// Whether there was any such record.
        var isPresent = false
    }

    /// The attributes, sorted by name, each name once.
    var sortedAttributes: [ExtendedAttribute] {
        if attributes.count < 2 { return attributes }
        var sorted: [ExtendedAttribute] = []
        // Sorting is stable, so of equal names the last is the one that holds.
        for attribute in attributes.sorted() {
            if sorted.last?.name == attribute.name { sorted.removeLast() }
            sorted.append(attribute)
        }
        return sorted
    }

    /// Applies the records of one extension header over those already here.
    ///
    /// `offset` is where the header's data stand in the stream, for errors.
    mutating func apply(_ body: [UInt8], at offset: UInt64) throws(ArchiveError) {
        var start = 0
        while start < body.count {
            let place = offset + UInt64(start)
            let (key, value, end) = try Self.record(in: body, at: start, place)
            try apply(key: key, value: value, at: place)
            start = end
        }
    }

    /// Makes these the records that apply to all members that follow.
    ///
    /// - Throws: ``ArchiveError/Code/unsupported`` when their attributes have become too many.
    mutating func becomeGlobal(at offset: UInt64) throws(ArchiveError) {
        attributes = sortedAttributes
        // A map belongs to one file.
        sparse = SparseRecords()
        let total = attributes.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
        if total > TarLimits.extensionBytes {
            throw ArchiveError(
                .unsupported, "global attributes of more than \(TarLimits.extensionBytes) bytes",
                offset: offset)
        }
        let nameBytes = attributes.reduce(0) { $0 + $1.name.utf8.count + 1 }
        if nameBytes > TarLimits.attributeNamesBytes {
            throw ArchiveError(
                .unsupported,
                "global attributes with names of more than \(TarLimits.attributeNamesBytes) bytes",
                offset: offset)
        }
    }

    /// Splits off one record: `LENGTH KEY=VALUE\n`, where the length counts all of it.
    private static func record(
        in body: [UInt8], at start: Int, _ place: UInt64
    ) throws(ArchiveError) -> (key: ArraySlice<UInt8>, value: ArraySlice<UInt8>, end: Int) {
        // Seven digits are enough for the largest header that is taken.
        let digits = body[start...].prefix(8).prefix { $0 != UInt8(ascii: " ") }
        if let length = Decimal.parse(digits), length <= UInt64(body.count - start) {
            let end = start + Int(length)
            let content = body[start..<end].dropFirst(digits.count + 1)
            if content.last == UInt8(ascii: "\n"),
                let equals = content.firstIndex(of: UInt8(ascii: "=")),
                equals > content.startIndex
            {
                let key = content[..<equals]
                return (key, content[(equals + 1)...].dropLast(), end)
            }
        }
        throw ArchiveError(
            .malformed, "an extension header holds no record of the form \"length key=value\"",
            offset: place)
    }

    private mutating func apply(
        key: ArraySlice<UInt8>, value: ArraySlice<UInt8>, at place: UInt64
    ) throws(ArchiveError) {
        switch String(decoding: key, as: UTF8.self) {
        case "path": path = try Self.path(value, "path", TarLimits.nameBytes, at: place)
        case "linkpath": linkPath = try Self.path(value, "linkpath", at: place)
        case "size": size = try Self.number(value, "size", at: place)
        case "uid": uid = try Self.number(value, "uid", at: place)
        case "gid": gid = try Self.number(value, "gid", at: place)
        case "mtime": modified = try Self.time(value, at: place)
        case let name where name.hasPrefix("GNU.sparse."):
            try applySparse(name.dropFirst(11), value, at: place)
        case let name where name.hasPrefix("SCHILY.xattr."):
            let name = AttributeName.decodeEquals(key.dropFirst(13))
            try addAttribute(name, Array(value), at: place)
        case let name where name.hasPrefix("LIBARCHIVE.xattr."):
            guard let name = AttributeName.decodePercent(key.dropFirst(17)),
                let value = Base64.decode(value)
            else {
                throw ArchiveError(
                    .malformed, "an attribute of libarchive's is not encoded as it should be",
                    offset: place)
            }
            try addAttribute(name, value, at: place)
        default: break
        }
    }

    private mutating func applySparse(
        _ key: Substring, _ value: ArraySlice<UInt8>, at place: UInt64
    ) throws(ArchiveError) {
        sparse.isPresent = true
        switch key {
        case "major": sparse.major = try Self.number(value, "GNU.sparse.major", at: place)
        case "minor": sparse.minor = try Self.number(value, "GNU.sparse.minor", at: place)
        case "name":
            sparse.name = try Self.path(
                value, "GNU.sparse.name", TarLimits.nameBytes, at: place)
        case "size", "realsize":
            sparse.realSize = try Self.number(value, "GNU.sparse.size", at: place)
        case "numblocks":
            sparse.count = try Self.number(value, "GNU.sparse.numblocks", at: place)
        case "offset", "numbytes":
            // Format 0.0 repeats the two, one pair a piece.
            let isOffset = sparse.numbers.count.isMultiple(of: 2)
            guard isOffset == (key == "offset"), let number = Decimal.parse(value) else {
                throw ArchiveError(
                    .malformed, "a sparse file's map is not a list of pairs", offset: place)
            }
            sparse.numbers.append(number)
        case "map":
            sparse.numbers = []
            if value.isEmpty { return }
            for part in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            {
                guard let number = Decimal.parse(part) else {
                    throw ArchiveError(
                        .malformed, "a sparse file's map is not a list of numbers", offset: place)
                }
                sparse.numbers.append(number)
            }
        default: break
        }
    }

    private mutating func addAttribute(
        _ name: [UInt8], _ value: [UInt8], at place: UInt64
    ) throws(ArchiveError) {
        if name.isEmpty || name.contains(0) {
            throw ArchiveError(
                .malformed, "an extended attribute has no name, or a NUL in it", offset: place)
        }
        guard let text = String(validating: name, as: UTF8.self) else {
            throw ArchiveError(
                .unsupported, "an extended attribute's name is not UTF-8", offset: place)
        }
        if name.count > TarLimits.attributeNameBytes {
            throw ArchiveError(
                .unsupported,
                "an extended attribute has a name of \(name.count) bytes;"
                    + " \(TarLimits.attributeNameBytes) are the most", offset: place)
        }
        if value.count > TarLimits.attributeValueBytes {
            throw ArchiveError(
                .unsupported,
                "the extended attribute \(text) has \(value.count) bytes;"
                    + " \(TarLimits.attributeValueBytes) are the most", offset: place)
        }
        attributes.append(ExtendedAttribute(name: text, value: value))
    }

    // An empty value takes back what another header said, so the member's own header holds.

    private static func path(
        _ value: ArraySlice<UInt8>, _ key: String, _ bytesMax: Int = TarLimits.pathBytes,
        at place: UInt64
    ) throws(ArchiveError) -> RawPath? {
        if value.isEmpty { return nil }
        return try checkedPath(value, "the record \(key)", bytesMax: bytesMax, at: place)
    }

    private static func number(
        _ value: ArraySlice<UInt8>, _ key: String, at place: UInt64
    ) throws(ArchiveError) -> UInt64? {
        if value.isEmpty { return nil }
        guard let number = Decimal.parse(value) else {
            throw ArchiveError(.malformed, "the record \(key) is not a number", offset: place)
        }
        return number
    }

    private static func time(
        _ value: ArraySlice<UInt8>, at place: UInt64
    ) throws(ArchiveError) -> Timestamp? {
        if value.isEmpty { return nil }
        guard let time = Decimal.parseTime(value) else {
            throw ArchiveError(.malformed, "the record mtime is not a time", offset: place)
        }
        return time
    }
}

/// Takes bytes for a path or a link's target.
///
/// - Throws: ``ArchiveError/Code/malformed`` for a NUL, ``ArchiveError/Code/unsupported`` for more
///   than ``TarLimits/pathBytes``.
func checkedPath(
    _ bytes: some Collection<UInt8>, _ what: @autoclosure () -> String,
    bytesMax: Int = TarLimits.pathBytes, at offset: UInt64
) throws(ArchiveError) -> RawPath {
    if bytes.count > bytesMax {
        throw ArchiveError(
            .unsupported, "\(what()) has \(bytes.count) bytes; \(bytesMax) are the most",
            offset: offset)
    }
    guard let path = RawPath(validating: bytes) else {
        throw ArchiveError(.malformed, "\(what()) has a NUL in it", offset: offset)
    }
    return path
}
