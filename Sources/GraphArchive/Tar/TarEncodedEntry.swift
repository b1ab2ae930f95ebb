// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// An entry in the bytes of its header and of the records that did not fit there.
struct TarEncodedEntry {
    private(set) var header = TarHeader()
    /// The body of the extension header, empty when there is no need for one.
    private(set) var records: [UInt8] = []
    /// Bytes of data that must follow.
    private(set) var dataSize: UInt64 = 0
    private var pending: [(key: [UInt8], value: [UInt8])] = []

    init(_ entry: ArchiveEntry) throws(ArchiveError) {
        try putName(entry)
        header.putOctal(UInt64(entry.permissions & 0o7777), in: .mode)
        putOwner(entry.uid, .uid)
        putOwner(entry.gid, .gid)
        putTime(entry.modified)
        try putKind(entry)
        try addAttributes(entry)
        header.put("ustar\u{0}00".utf8, in: .magic)
        header.seal()
        try joinRecords(of: entry.path)
    }

    /// The header that stands before the records.
    ///
    /// Its name is for tools that know no such headers and unpack them as files; it depends on
    /// nothing but the member's name.
    func extensionHeader(of path: RawPath) -> TarHeader {
        var header = TarHeader()
        let base = Self.lastName(of: path)
        header.put(Array("PaxHeaders/".utf8 + base.bytes).prefix(100), in: .name)
        header.putOctal(0o644, in: .mode)
        for field in [TarField.uid, .gid, .modified] { header.putOctal(0, in: field) }
        header.putOctal(UInt64(records.count), in: .size)
        header.bytes[TarHeader.typeFlagIndex] = UInt8(ascii: "x")
        header.put("ustar\u{0}00".utf8, in: .magic)
        header.seal()
        return header
    }

    /// The last name of a path, which may end in slashes.
    private static func lastName(of path: RawPath) -> RawPath {
        let slash = UInt8(ascii: "/")
        guard let last = path.bytes.lastIndex(where: { $0 != slash }) else { return "." }
        return RawPath(partOf: path.bytes[...last]).lastName
    }

    private mutating func putName(_ entry: ArchiveEntry) throws(ArchiveError) {
        var name = Array(entry.path.bytes)
        if name.isEmpty { throw ArchiveError(.malformed, "a member has an empty name") }
        if entry.kind == .directory, name.last != UInt8(ascii: "/") {
            name.append(UInt8(ascii: "/"))
        }
        _ = try Self.checked(name, "a name", TarLimits.nameBytes)
        if name.count <= TarField.name.range.count {
            header.put(name, in: .name)
        } else if let slash = Self.prefixEnd(name) {
            header.put(name[..<slash], in: .prefix)
            header.put(name[(slash + 1)...], in: .name)
        } else {
            add("path", name)
            header.put(name.prefix(TarField.name.range.count), in: .name)
        }
    }

    /// Where a long name can be cut so that both parts fit in their fields: the last such slash.
    private static func prefixEnd(_ name: [UInt8]) -> Int? {
        // The part behind the slash must not be empty.
        let candidates = name[..<min(name.count - 1, TarField.prefix.range.count + 1)]
        guard let slash = candidates.lastIndex(of: UInt8(ascii: "/")), slash > 0 else { return nil }
        return name.count - slash - 1 <= TarField.name.range.count ? slash : nil
    }

    private static func checked(
        _ bytes: [UInt8], _ what: String, _ bytesMax: Int = TarLimits.pathBytes
    ) throws(ArchiveError) -> [UInt8] {
        if bytes.count > bytesMax {
            throw ArchiveError(
                .unsupported, "\(what) has \(bytes.count) bytes; \(bytesMax) are the most")
        }
        return bytes
    }

    private mutating func putOwner(_ id: UInt32, _ field: TarField) {
        // Seven octal digits.
        let fits = id <= 0o7777777
        header.putOctal(fits ? UInt64(id) : 0, in: field)
        if !fits { add("\(field.label)", Array(String(id).utf8)) }
    }

    private mutating func putTime(_ time: Timestamp) {
        // Eleven octal digits.
        let fits = (0...0o77777777777).contains(time.seconds)
        header.putOctal(fits ? UInt64(time.seconds) : 0, in: .modified)
        if !fits || time.nanoseconds != 0 { add("mtime", Array(Decimal.format(time).utf8)) }
    }

    private mutating func putKind(_ entry: ArchiveEntry) throws(ArchiveError) {
        var flag = UInt8(ascii: "0")
        switch entry.kind {
        case .file(let size):
            if size > UInt64(Int64.max) {
                throw ArchiveError(.unsupported, "a file has \(size) bytes")
            }
            dataSize = size
        case .directory: flag = UInt8(ascii: "5")
        case .hardLink(let target):
            flag = UInt8(ascii: "1")
            try putTarget(target)
        case .symbolicLink(let target):
            flag = UInt8(ascii: "2")
            try putTarget(target)
        case .characterDevice(let device):
            flag = UInt8(ascii: "3")
            try putDevice(device)
        case .blockDevice(let device):
            flag = UInt8(ascii: "4")
            try putDevice(device)
        case .fifo: flag = UInt8(ascii: "6")
        }
        header.bytes[TarHeader.typeFlagIndex] = flag
        let fits = dataSize <= 0o77777777777
        header.putOctal(fits ? dataSize : 0, in: .size)
        if !fits { add("size", Array(String(dataSize).utf8)) }
    }

    private mutating func putTarget(_ target: RawPath) throws(ArchiveError) {
        if target.isEmpty { throw ArchiveError(.malformed, "a link has an empty target") }
        let bytes = try Self.checked(Array(target.bytes), "a link target")
        header.put(bytes.prefix(TarField.linkName.range.count), in: .linkName)
        if bytes.count > TarField.linkName.range.count { add("linkpath", bytes) }
    }

    private mutating func putDevice(_ device: DeviceNumber) throws(ArchiveError) {
        guard device.major <= TarLimits.deviceMajor, device.minor <= TarLimits.deviceMinor else {
            throw ArchiveError(
                .unsupported, "there is no device number \(device.major):\(device.minor)")
        }
        header.putOctal(UInt64(device.major), in: .deviceMajor)
        header.putOctal(UInt64(device.minor), in: .deviceMinor)
    }

    private mutating func addAttributes(_ entry: ArchiveEntry) throws(ArchiveError) {
        for attribute in entry.attributes {
            let name = attribute.name.utf8
            if name.isEmpty || name.contains(0) || name.count > TarLimits.attributeNameBytes
                || attribute.value.count > TarLimits.attributeValueBytes
            {
                throw ArchiveError(
                    .unsupported,
                    "an extended attribute of \(entry.path) has a name of \(name.count)"
                        + " and a value of \(attribute.value.count) bytes")
            }
            let key = "SCHILY.xattr.".utf8 + AttributeName.encodeEquals(attribute.name)
            pending.append((Array(key), attribute.value))
        }
    }

    private mutating func add(_ key: String, _ value: [UInt8]) {
        pending.append((Array(key.utf8), value))
    }

    private mutating func joinRecords(of path: RawPath) throws(ArchiveError) {
        pending.sort { $0.key.lexicographicallyPrecedes($1.key) }
        for (key, value) in pending {
            // The length counts its own digits, so one more digit may make it one longer again.
            let rest = key.count + value.count + 3
            var length = rest + String(rest).utf8.count
            if String(length).utf8.count > String(rest).utf8.count { length += 1 }
            records.append(contentsOf: "\(length) ".utf8)
            records.append(contentsOf: key)
            records.append(UInt8(ascii: "="))
            records.append(contentsOf: value)
            records.append(UInt8(ascii: "\n"))
        }
        pending = []
        if records.count > TarLimits.extensionBytes {
            throw ArchiveError(
                .unsupported,
                "the extended attributes of \(path) take \(records.count) bytes;"
                    + " \(TarLimits.extensionBytes) are the most")
        }
    }
}
