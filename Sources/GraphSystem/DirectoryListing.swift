// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// The names in one directory, sorted by bytes, without `.` and `..`.
///
/// All names lie in one buffer: a directory of a million names costs its bytes and eight more each.
public struct DirectoryListing: RandomAccessCollection, Sendable {
    /// One name, and its type where the filesystem tells it without being asked.
    public struct Entry: Sendable {
        public let name: RawPath
        public let type: FileType?
    }

    private struct Slot {
        let offset: UInt32
        let length: UInt16
        let type: UInt8
    }

    private var names: [UInt8] = []
    private var slots: [Slot] = []

    init(reading descriptor: CInt) throws(SyscallError) {
        try checked("lseek") { lseek(descriptor, 0, SEEK_SET) }
        var buffer = [UInt8](repeating: 0, count: 32_768)
        while true {
            let count = try checked("getdents64") {
                buffer.withUnsafeMutableBytes {
                    cgraph_getdents64(descriptor, $0.baseAddress, UInt($0.count))
                }
            }
            if count == 0 { break }
            try take(buffer[..<Int(count)])
        }
        names.withUnsafeBytes { names in
            slots.sort { left, right in
                let shorter = Int(Swift.min(left.length, right.length))
                let order = compareBytes(
                    UnsafeRawBufferPointer(rebasing: names[Int(left.offset)...]),
                    UnsafeRawBufferPointer(rebasing: names[Int(right.offset)...]), shorter)
                return order == 0 ? left.length < right.length : order < 0
            }
        }
    }

    /// Takes the records of `struct linux_dirent64`: inode 8 bytes, offset 8, length 2, type 1, name.
    private mutating func take(_ block: ArraySlice<UInt8>) throws(SyscallError) {
        var position = block.startIndex
        while position < block.endIndex {
            let length = Int(block[position + 16]) | Int(block[position + 17]) << 8
            let name = block[(position + 19)..<(position + length)].prefix { $0 != 0 }
            defer { position += length }
            if name.elementsEqual([UInt8(ascii: ".")]) || name.elementsEqual("..".utf8) { continue }
            guard let offset = UInt32(exactly: names.count) else {
                throw SyscallError(call: "getdents64", errno: Errno(rawValue: EOVERFLOW))
            }
            slots.append(
                Slot(offset: offset, length: UInt16(name.count), type: block[position + 18]))
            names.append(contentsOf: name)
        }
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { slots.count }

    public subscript(position: Int) -> Entry {
        Entry(name: name(at: position), type: FileType(directoryType: slots[position].type))
    }

    private func name(at position: Int) -> RawPath {
        let slot = slots[position]
        return RawPath(trusted: names[Int(slot.offset)..<(Int(slot.offset) + Int(slot.length))])
    }
}

extension FileType {
    fileprivate init?(directoryType: UInt8) {
        switch Int(directoryType) {
        case Int(DT_REG): self = .regular
        case Int(DT_DIR): self = .directory
        case Int(DT_LNK): self = .symbolicLink
        case Int(DT_CHR): self = .characterDevice
        case Int(DT_BLK): self = .blockDevice
        case Int(DT_FIFO): self = .fifo
        case Int(DT_SOCK): self = .socket
        default: return nil
        }
    }
}

extension Directory {
    /// Reads all names of this directory; `getdents64(2)`.
    ///
    /// One reader at a time: the position in the directory belongs to the open file.
    public func listing() throws(SyscallError) -> DirectoryListing {
        try DirectoryListing(reading: raw)
    }
}
