// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// The names in one directory, sorted by bytes, without `.` and `..`.
///
/// All names lie in one buffer: a directory of a million names costs its bytes and sixteen more each.
package struct DirectoryListing: RandomAccessCollection, Sendable {
    /// One name, and its type where the filesystem tells it without being asked.
    package struct Entry: Sendable {
        package let name: RawPath
        package let type: FileType?
        /// The number of what has the name, as the directory has it.
        package let inode: UInt64
    }

    /// One name that two listings do not both have for the same inode.
    package struct Difference: Sendable {
        package let old: Entry?
        package let new: Entry?
    }

    private struct Slot: BitwiseCopyable {
        let inode: UInt64
        let offset: UInt32
        let length: UInt16
        let type: UInt8
    }

    // Nobody changes them after `init`.
    nonisolated(unsafe) private let names = GrowingBuffer<UInt8>()
    nonisolated(unsafe) private let slots = GrowingBuffer<Slot>()

    /// Reads a directory and keeps the names that are chosen; `isAtStart` says that nobody has read
    /// in this open file before.
    init(
        reading descriptor: CInt, isAtStart: Bool,
        _ isChosen: ((Entry) throws(SyscallError) -> Bool)?
    ) throws(SyscallError) {
        if !isAtStart { try checked("lseek") { lseek(descriptor, 0, SEEK_SET) } }
        // Rethrown by hand, since this call takes no typed error along.
        let result = withUnsafeTemporaryAllocation(byteCount: 32_768, alignment: 8) { buffer in
            Result { () throws(SyscallError) in try read(descriptor, into: buffer, isChosen) }
        }
        try result.get()
        sort()
    }

    private func read(
        _ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer,
        _ isChosen: ((Entry) throws(SyscallError) -> Bool)?
    ) throws(SyscallError) {
        while true {
            let count = try checked("getdents64") {
                cgraph_getdents64(descriptor, buffer.baseAddress, UInt(buffer.count))
            }
            if count == 0 { return }
            try take(UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)]), isChosen)
        }
    }

    private func sort() {
        guard let names = names.values.baseAddress else { return }
        var slots = slots.values
        slots.sort { left, right in Self.order(left, names, right, names) < 0 }
    }

    /// Below zero when the left name comes first, above it when the right one does.
    private static func order(
        _ left: Slot, _ leftNames: UnsafePointer<UInt8>,
        _ right: Slot, _ rightNames: UnsafePointer<UInt8>
    ) -> Int {
        let shorter = Int(Swift.min(left.length, right.length))
        let order = memcmp(
            leftNames + Int(left.offset), rightNames + Int(right.offset), shorter)
        return order == 0 ? Int(left.length) - Int(right.length) : Int(order)
    }

    /// The names that are not the same inode's here and in another listing, sorted.
    package func differences(from old: DirectoryListing) -> [Difference] {
        var found: [Difference] = []
        var (index, oldIndex) = (0, 0)
        while index < count || oldIndex < old.count {
            let order = order(at: index, old, oldIndex)
            let isSame =
                order == 0 && slots.values[index].inode == old.slots.values[oldIndex].inode
            if !isSame {
                found.append(
                    Difference(
                        old: order >= 0 ? old[oldIndex] : nil,
                        new: order <= 0 ? self[index] : nil))
            }
            if order <= 0 { index += 1 }
            if order >= 0 { oldIndex += 1 }
        }
        return found
    }

    /// Which of two listings has the lesser name next; the end comes behind every name.
    private func order(at index: Int, _ other: DirectoryListing, _ otherIndex: Int) -> Int {
        guard index < count, let names = names.values.baseAddress else { return 1 }
        guard otherIndex < other.count, let otherNames = other.names.values.baseAddress else {
            return -1
        }
        return Self.order(
            slots.values[index], names, other.slots.values[otherIndex], otherNames)
    }

    /// Takes the records of `struct linux_dirent64`: inode 8 bytes, offset 8, length 2, type 1, name.
    private func take(
        _ block: UnsafeRawBufferPointer, _ isChosen: ((Entry) throws(SyscallError) -> Bool)?
    ) throws(SyscallError) {
        var position = 0
        while position < block.count {
            let inode = block.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let length = block.loadUnaligned(fromByteOffset: position + 16, as: UInt16.self)
            let type = block[position + 18]
            let field = block[(position + 19)..<(position + Int(length))]
            let name = UnsafeRawBufferPointer(rebasing: field.prefix { $0 != 0 })
            position += Int(length)
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
            if let isChosen {
                let entry = Entry(
                    name: RawPath(trusted: name), type: FileType(directoryType: type), inode: inode)
                guard try isChosen(entry) else { continue }
            }
            guard let offset = UInt32(exactly: names.values.count) else {
                throw SyscallError(call: "getdents64", errno: Errno(rawValue: EOVERFLOW))
            }
            slots.append(
                Slot(inode: inode, offset: offset, length: UInt16(name.count), type: type))
            names.append(contentsOf: name.bindMemory(to: UInt8.self))
        }
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { slots.values.count }

    package subscript(position: Int) -> Entry {
        let slot = slots.values[position]
        let bytes = names.values[Int(slot.offset)..<(Int(slot.offset) + Int(slot.length))]
        return Entry(
            name: RawPath(trusted: bytes), type: FileType(directoryType: slot.type),
            inode: slot.inode)
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
    package func listing() throws(SyscallError) -> DirectoryListing {
        try DirectoryListing(reading: raw, isAtStart: false, nil)
    }

    /// The same for a directory that the caller has just opened and nobody has read, which saves
    /// going back to the start; `getdents64(2)`.
    package func firstListing() throws(SyscallError) -> DirectoryListing {
        try DirectoryListing(reading: raw, isAtStart: true, nil)
    }

    /// Reads the names of this directory, and keeps those for which `isChosen` says so.
    func listing(
        _ isChosen: (DirectoryListing.Entry) throws(SyscallError) -> Bool
    ) throws(SyscallError) -> DirectoryListing {
        try withoutActuallyEscaping(isChosen) { (isChosen) throws(SyscallError) in
            try DirectoryListing(reading: raw, isAtStart: false, isChosen)
        }
    }
}
