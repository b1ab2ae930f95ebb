// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// One field of a header block.
struct TarField {
    let label: StaticString
    let range: Range<Int>

    init(_ label: StaticString, _ start: Int, _ count: Int) {
        (self.label, range) = (label, start..<(start + count))
    }
}

/// The fields of POSIX `ustar`, pax(1) "ustar Interchange Format", and those that GNU tar puts in
/// the place of the prefix.
extension TarField {
    static var name: TarField { TarField("name", 0, 100) }
    static var mode: TarField { TarField("mode", 100, 8) }
    static var uid: TarField { TarField("uid", 108, 8) }
    static var gid: TarField { TarField("gid", 116, 8) }
    static var size: TarField { TarField("size", 124, 12) }
    static var modified: TarField { TarField("mtime", 136, 12) }
    static var checksum: TarField { TarField("chksum", 148, 8) }
    static var linkName: TarField { TarField("linkname", 157, 100) }
    static var magic: TarField { TarField("magic", 257, 8) }
    static var deviceMajor: TarField { TarField("devmajor", 329, 8) }
    static var deviceMinor: TarField { TarField("devminor", 337, 8) }
    static var prefix: TarField { TarField("prefix", 345, 155) }
    /// The shorter prefix of star, which keeps times behind it.
    static var starPrefix: TarField { TarField("prefix", 345, 131) }
    static var gnuAccessed: TarField { TarField("atime", 345, 12) }
    static var gnuChanged: TarField { TarField("ctime", 357, 12) }
    static var gnuRealSize: TarField { TarField("realsize", 483, 12) }
}

/// One header block: 512 bytes, read and written in place.
struct TarHeader {
    /// The unit of the format: headers are this long, data are padded to it.
    static let size = 512
    /// Where the type flag stands.
    static let typeFlagIndex = 156

    /// Who wrote the block, as far as its layout depends on that.
    enum Dialect {
        case v7
        case ustar
        case star
        case gnu
    }

    /// Exactly ``size`` bytes.
    var bytes = [UInt8](repeating: 0, count: size)

    var typeFlag: UInt8 { bytes[Self.typeFlagIndex] }

    /// Whether this is half of an end marker.
    var isZero: Bool { bytes.allSatisfy { $0 == 0 } }

    var dialect: Dialect {
        let magic = bytes[TarField.magic.range]
        if magic.elementsEqual("ustar  \0".utf8) { return .gnu }
        guard magic.starts(with: "ustar\0".utf8) else { return .v7 }
        return bytes[508...].elementsEqual("tar\0".utf8) ? .star : .ustar
    }

    /// A text field: its bytes up to the first NUL.
    func text(_ field: TarField) -> ArraySlice<UInt8> {
        bytes[field.range].prefix { $0 != 0 }
    }

    /// The name with its prefix, where the dialect has one.
    var name: [UInt8] {
        var prefix: ArraySlice<UInt8>
        switch dialect {
        case .v7: prefix = []
        case .ustar: prefix = text(.prefix)
        case .star: prefix = text(.starPrefix)
        case .gnu: prefix = mistakenPrefix
        }
        if prefix.isEmpty { return Array(text(.name)) }
        prefix.append(UInt8(ascii: "/"))
        return Array(prefix + text(.name))
    }

    /// The prefix in a block that claims to be GNU's and should have times there.
    ///
    /// The writer of Go before 1.8 made such blocks, and old image layers are full of them. It is
    /// taken for a prefix when it cannot be times and is ASCII, as later Go does.
    private var mistakenPrefix: ArraySlice<UInt8> {
        if bytes[TarField.prefix.range.lowerBound] == 0 { return [] }
        let areTimes = parseNumber(.gnuAccessed) != nil && parseNumber(.gnuChanged) != nil
        let prefix = text(.prefix)
        return !areTimes && prefix.allSatisfy { $0 < 0x80 } ? prefix : []
    }
}

// Numbers.
extension TarHeader {
    /// A number in octal digits, or in base 256 when the first bit is set.
    ///
    /// `offset` is where the block stands in the stream, for the error.
    func number(_ field: TarField, at offset: UInt64) throws(ArchiveError) -> Int64 {
        guard let value = parseNumber(field) else {
            throw ArchiveError(
                .malformed, "the header's field \(field.label) is not a number", offset: offset)
        }
        return value
    }

    private func parseNumber(_ field: TarField) -> Int64? { parseNumber(in: field.range) }

    /// Nil when there is no number in the bytes, or one that does not fit.
    func parseNumber(in range: Range<Int>) -> Int64? {
        if bytes[range.lowerBound] & 0x80 != 0 { return parseBase256(range) }
        var index = range.lowerBound
        // Fields are padded in front with blanks, and with NUL by some writers.
        while index < range.upperBound, bytes[index] == 0 || bytes[index] == UInt8(ascii: " ") {
            index += 1
        }
        var value: Int64 = 0
        while index < range.upperBound {
            let byte = bytes[index]
            if byte == 0 { return value }
            if byte == UInt8(ascii: " ") { break }
            // Twelve digits, the most there are room for, are 36 bits.
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(byte) else { return nil }
            value = value << 3 | Int64(byte - UInt8(ascii: "0"))
            index += 1
        }
        let rest = bytes[index..<range.upperBound].prefix { $0 != 0 }
        return rest.allSatisfy { $0 == UInt8(ascii: " ") } ? value : nil
    }

    /// Two's complement, most significant byte first, below the marking first bit.
    private func parseBase256(_ range: Range<Int>) -> Int64? {
        let first = bytes[range.lowerBound]
        let inversion: UInt8 = first & 0x40 != 0 ? 0xFF : 0
        var value = UInt64((first ^ inversion) & 0x7F)
        for byte in bytes[range.dropFirst()] {
            if value >> 55 != 0 { return nil }
            value = value << 8 | UInt64(byte ^ inversion)
        }
        return inversion == 0 ? Int64(value) : ~Int64(value)
    }
}

// The checksum.
extension TarHeader {
    /// The sum of all bytes, those of the checksum itself taken as blanks.
    private var unsignedSum: Int64 {
        var sum: Int64 = 0
        for byte in bytes { sum &+= Int64(byte) }
        for byte in bytes[TarField.checksum.range] { sum &+= 32 - Int64(byte) }
        return sum
    }

    /// Refuses a block whose checksum is wrong.
    func verifyChecksum(at offset: UInt64) throws(ArchiveError) {
        let stored = try number(.checksum, at: offset)
        let sum = unsignedSum
        if stored == sum { return }
        // Some old writers summed signed characters.
        let negative = bytes.indices.count(where: {
            !TarField.checksum.range.contains($0) && bytes[$0] >= 0x80
        })
        if stored != sum - 256 * Int64(negative) {
            throw ArchiveError(.malformed, "a header has a wrong checksum", offset: offset)
        }
    }

    /// Writes bytes at the front of a field; the caller has checked that they fit.
    mutating func put(_ value: some Collection<UInt8>, in field: TarField) {
        precondition(value.count <= field.range.count, "the value fits in its field")
        for (index, byte) in zip(field.range, value) { bytes[index] = byte }
    }

    /// Writes octal digits that fill the field up to one closing NUL.
    mutating func putOctal(_ value: UInt64, in field: TarField) {
        var rest = value
        for index in field.range.dropLast().reversed() {
            bytes[index] = UInt8(ascii: "0") + UInt8(rest & 7)
            rest >>= 3
        }
        precondition(rest == 0, "the number fits in its field")
    }

    /// Fills in the checksum: six digits, NUL, blank, as every tar writes it.
    mutating func seal() {
        putOctal(UInt64(unsignedSum), in: TarField("chksum", 148, 7))
        bytes[TarField.checksum.range.upperBound - 1] = UInt8(ascii: " ")
    }
}
