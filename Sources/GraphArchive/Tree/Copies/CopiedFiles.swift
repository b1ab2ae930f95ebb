// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphSystem

/// Which files of a tree are copies that nobody has touched since, told without reading them.
///
/// For each copy the inode and the time of its last change (`st_ctime`, which nobody can set), and
/// those of what it was copied from. While all four are as they were, the two are equal in content,
/// owner, mode, attributes and time: whatever changes one of these sets the time to that of the
/// change.
package struct CopiedFiles: Sendable {
    /// A copy and its original.
    package struct Entry: Hashable, Sendable {
        let copy: Version
        let original: Version

        /// Records a copy.
        package init(_ copy: FileStatus, of original: FileStatus) {
            (self.copy, self.original) = (Version(copy), Version(original))
        }

        init(copy: Version, original: Version) { (self.copy, self.original) = (copy, original) }
    }

    /// A file at one time.
    struct Version: Hashable, Sendable {
        let inode: UInt64
        /// Nanoseconds since 1970.
        let changed: Int64

        init(inode: UInt64, changed: Int64) { (self.inode, self.changed) = (inode, changed) }

        init(_ status: FileStatus) {
            self.init(inode: status.inode, changed: status.changed.sinceEpoch)
        }
    }

    private let byCopy: [UInt64: Entry]
    private let device: DeviceNumber

    /// Takes what was recorded on a filesystem.
    ///
    /// `end` is the filesystem's time when the last was recorded. Its clock ticks every few
    /// milliseconds, so that a change in the tick of the copy would leave the same time: copies
    /// that are no older than `end` do not count.
    init(_ entries: [Entry], on device: DeviceNumber, end: Int64) {
        self.device = device
        var byCopy: [UInt64: Entry] = [:]
        byCopy.reserveCapacity(entries.count)
        for entry in entries where entry.copy.changed < end && entry.original.changed < end {
            byCopy[entry.copy.inode] = entry
        }
        self.byCopy = byCopy
    }

    /// Whether a file is a copy, of whatever, that has not changed since.
    package func isUntouchedCopy(_ file: FileStatus) -> Bool {
        file.device == device && byCopy[file.inode]?.copy == Version(file)
    }

    /// Whether `new` is a copy of `old`, and neither has changed since.
    func isUntouched(_ new: FileStatus, of old: FileStatus) -> Bool {
        guard let entry = byCopy[new.inode] else { return false }
        return entry.copy == Version(new) && entry.original == Version(old)
            && new.device == device && old.device == device
    }
}

extension Timestamp {
    /// Nanoseconds since 1970, as far as 64 bits reach.
    fileprivate var sinceEpoch: Int64 {
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : whole &+ Int64(nanoseconds)
    }
}

// MARK: On disk

/// Writes a record of copies to a file; `docs/formats/copied.md`.
package struct CopiedFilesWriter: ~Copyable {
    private let file: OwnedDescriptor
    private var buffer: [UInt8] = []
    private var count: UInt64 = 0

    /// Begins a record in an empty file.
    package init(_ file: consuming OwnedDescriptor) throws(SyscallError) {
        buffer += CopiedFilesFormat.magic
        buffer += try CurrentProcess.bootID()
        self.file = file
    }

    /// Adds a copy.
    package mutating func append(_ entry: CopiedFiles.Entry) throws(SyscallError) {
        for version in [entry.copy, entry.original] {
            append(version.inode)
            append(UInt64(bitPattern: version.changed))
        }
        count += 1
        if buffer.count >= 1 << 16 { try flush() }
    }

    /// Ends the record; without it there is none.
    package consuming func finish() throws(SyscallError) {
        try flush()
        // The file has just been written to, so this is the filesystem's own time.
        let end = try file.status().changed.sinceEpoch
        append(UInt64(bitPattern: end))
        append(count)
        try flush()
        try file.close()
    }

    private mutating func append(_ number: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            buffer.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
    }

    private mutating func flush() throws(SyscallError) {
        try file.write(buffer.span)
        buffer.removeAll(keepingCapacity: true)
    }
}

extension CopiedFiles {
    /// Reads a record.
    ///
    /// - Returns: nil where it does not hold: it is of an earlier start of the machine, whose end may
    ///   have lost times and kept contents, is not complete, or is too large to be held in memory.
    package init?(_ file: borrowing OwnedDescriptor) throws(SyscallError) {
        let status = try file.status()
        let head = CopiedFilesFormat.magic + (try CurrentProcess.bootID())
        guard status.size <= CopiedFilesFormat.bytesMax else { return nil }
        let bytes = try file.readAll(limit: Int(CopiedFilesFormat.bytesMax))
        guard bytes.count >= head.count + 16, bytes.starts(with: head) else { return nil }
        func number(_ offset: Int) -> UInt64 {
            var value: UInt64 = 0
            for byte in bytes[offset..<(offset + 8)].reversed() {
                value = value << 8 | UInt64(byte)
            }
            return value
        }
        let entryBytes = bytes.count - head.count - 16
        guard entryBytes % 32 == 0, number(bytes.count - 8) == UInt64(entryBytes / 32) else {
            return nil
        }
        func version(_ offset: Int) -> Version {
            Version(inode: number(offset), changed: Int64(bitPattern: number(offset + 8)))
        }
        let entries = stride(from: head.count, to: head.count + entryBytes, by: 32).map {
            Entry(copy: version($0), original: version($0 + 16))
        }
        self.init(
            entries, on: status.device, end: Int64(bitPattern: number(bytes.count - 16)))
    }
}

private enum CopiedFilesFormat {
    static let magic = Array("GRCOPY1\n".utf8)
    /// Half a million copies.
    static let bytesMax: UInt64 = 16 << 20
}
