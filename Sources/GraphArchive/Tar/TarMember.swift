// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// A member as its header and the records before it describe it, before its data are looked at.
struct TarMember {
    /// For a sparse file still with the size of what is stored.
    let entry: ArchiveEntry
    /// Bytes of data that follow the header, without padding.
    let storedSize: UInt64
    let isSparse: Bool

    /// Decides what a header means that stands at `place`.
    ///
    /// `path` is the name, wherever it came from. `longLink` is the target of GNU's `K` header,
    /// which goes before all others.
    init(
        _ header: TarHeader, _ records: PaxRecords, path: RawPath, longLink: RawPath?,
        at place: UInt64
    ) throws(ArchiveError) {
        let flag = header.typeFlag
        let isOldSparse = flag == UInt8(ascii: "S")
        if isOldSparse && header.dialect != .gnu {
            throw ArchiveError(
                .unsupported, "a sparse file is in another format than GNU's", offset: place)
        }
        let kind = try Self.kind(
            header, path: path, size: try Self.size(header, records, at: place),
            link: longLink ?? records.linkPath, at: place)
        switch kind {
        case .file(let size):
            storedSize = size
            isSparse = isOldSparse || records.sparse.isPresent
        case .directory where flag == UInt8(ascii: "D"):
            storedSize = try Self.size(header, records, at: place)
            isSparse = false
        default:
            // Go and GNU tar agree that a size in the header of any other kind means no data.
            (storedSize, isSparse) = (0, false)
        }
        let modified: Timestamp
        if let time = records.modified {
            modified = time
        } else {
            modified = Timestamp(seconds: try header.number(.modified, at: place))
        }
        entry = ArchiveEntry(
            path: path, kind: kind,
            permissions: UInt16(truncatingIfNeeded: try header.number(.mode, at: place) & 0o7777),
            uid: try Self.owner(records.uid, header, .uid, at: place),
            gid: try Self.owner(records.gid, header, .gid, at: place),
            modified: modified, attributes: records.sortedAttributes)
    }

    private static func kind(
        _ header: TarHeader, path: RawPath, size: UInt64, link: RawPath?, at place: UInt64
    ) throws(ArchiveError) -> ArchiveEntry.Kind {
        switch header.typeFlag {
        case 0 where path.bytes.last == UInt8(ascii: "/"):
            // v7 has no other way to say it.
            return .directory
        case UInt8(ascii: "1"):
            return .hardLink(target: try target(header, link, at: place))
        case UInt8(ascii: "2"):
            return .symbolicLink(target: try target(header, link, at: place))
        case UInt8(ascii: "3"): return .characterDevice(try device(header, at: place))
        case UInt8(ascii: "4"): return .blockDevice(try device(header, at: place))
        case UInt8(ascii: "5"), UInt8(ascii: "D"): return .directory
        case UInt8(ascii: "6"): return .fifo
        case UInt8(ascii: "S"): return .file(size: size)
        case UInt8(ascii: "M"):
            throw ArchiveError(
                .unsupported, "the archive is split over several volumes", offset: place)
        case let flag where (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(flag):
            let name = Character(Unicode.Scalar(flag))
            throw ArchiveError(
                .unsupported, "a member has the vendor's type \"\(name)\"", offset: place)
        default:
            // The standard wants types that are unknown to be taken for files.
            return .file(size: size)
        }
    }

    private static func size(
        _ header: TarHeader, _ records: PaxRecords, at place: UInt64
    ) throws(ArchiveError) -> UInt64 {
        if let size = records.size { return size }
        let size = try header.number(.size, at: place)
        if size < 0 {
            throw ArchiveError(.malformed, "a member has a negative size", offset: place)
        }
        return UInt64(size)
    }

    private static func target(
        _ header: TarHeader, _ link: RawPath?, at place: UInt64
    ) throws(ArchiveError) -> RawPath {
        let target: RawPath
        if let link {
            target = link
        } else {
            target = try checkedPath(header.text(.linkName), "a link target", at: place)
        }
        if target.isEmpty {
            throw ArchiveError(.malformed, "a link has an empty target", offset: place)
        }
        return target
    }

    private static func device(
        _ header: TarHeader, at place: UInt64
    ) throws(ArchiveError) -> DeviceNumber {
        let major = try header.number(.deviceMajor, at: place)
        let minor = try header.number(.deviceMinor, at: place)
        guard (0...TarLimits.deviceMajor).contains(major),
            (0...TarLimits.deviceMinor).contains(minor)
        else {
            throw ArchiveError(
                .unsupported, "there is no device number \(major):\(minor)", offset: place)
        }
        return DeviceNumber(major: UInt32(major), minor: UInt32(minor))
    }

    /// The kernel takes the largest number for "leave the owner as it is", so it is nobody's.
    private static func owner(
        _ record: UInt64?, _ header: TarHeader, _ field: TarField, at place: UInt64
    ) throws(ArchiveError) -> UInt32 {
        let value: UInt64
        if let record {
            value = record
        } else {
            let number = try header.number(field, at: place)
            if number < 0 {
                throw ArchiveError(
                    .malformed, "the header's field \(field.label) is negative", offset: place)
            }
            value = UInt64(number)
        }
        if value >= UInt64(UInt32.max) {
            throw ArchiveError(
                .unsupported, "there is no \(field.label) \(value)", offset: place)
        }
        return UInt32(value)
    }
}
