// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

extension OwnedDescriptor {
    /// Reads into the front of `buffer`; `read(2)`.
    ///
    /// - Returns: How many bytes were read, 0 at the end of the file.
    package func read(into buffer: inout [UInt8]) throws(SyscallError) -> Int {
        try read(into: &buffer, 0..<buffer.count)
    }

    /// Reads into a range of `buffer`; `read(2)`.
    ///
    /// - Returns: How many bytes were read, 0 at the end of the file.
    package func read(into buffer: inout [UInt8], _ range: Range<Int>) throws(SyscallError) -> Int {
        let raw = rawValue
        return try checked("read") {
            buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[range])
                return Glibc.read(raw, part.baseAddress, part.count)
            }
        }
    }

    /// Reads into the front of `buffer` from `offset` until the buffer is full or the file ends;
    /// `pread(2)`.
    ///
    /// - Returns: How many bytes were read: fewer than asked for only at the end of the file.
    package func read(
        into buffer: inout [UInt8], count: Int, at offset: UInt64
    ) throws(SyscallError) -> Int {
        let raw = rawValue
        var done = 0
        while done < count {
            let got = try checked("pread") {
                buffer.withUnsafeMutableBytes { bytes in
                    let part = UnsafeMutableRawBufferPointer(rebasing: bytes[done..<count])
                    return Glibc.pread(raw, part.baseAddress, part.count, off_t(offset) + done)
                }
            }
            if got == 0 { break }
            done += got
        }
        return done
    }

    /// Reads into a range of `buffer` from `offset`; `pread(2)`, once.
    ///
    /// - Returns: How many bytes were read, 0 at the end of the file.
    package func read(
        into buffer: inout [UInt8], _ range: Range<Int>, at offset: UInt64
    ) throws(SyscallError) -> Int {
        let raw = rawValue
        return try checked("pread") {
            buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[range])
                return Glibc.pread(raw, part.baseAddress, part.count, off_t(offset))
            }
        }
    }

    /// Writes all bytes at the current position; `write(2)` as often as needed.
    package func write(_ bytes: Span<UInt8>) throws(SyscallError) {
        let raw = rawValue
        var done = 0
        while done < bytes.count {
            done += try checked("write") {
                bytes.withUnsafeBytes {
                    let part = UnsafeRawBufferPointer(rebasing: $0[done...])
                    return Glibc.write(raw, part.baseAddress, part.count)
                }
            }
        }
    }

    /// Writes all bytes at `offset`; `pwrite(2)` as often as needed.
    package func write(_ bytes: Span<UInt8>, at offset: UInt64) throws(SyscallError) {
        let raw = rawValue
        var done = 0
        while done < bytes.count {
            done += try checked("pwrite") {
                bytes.withUnsafeBytes {
                    let part = UnsafeRawBufferPointer(rebasing: $0[done...])
                    return Glibc.pwrite(raw, part.baseAddress, part.count, off_t(offset) + done)
                }
            }
        }
    }

    /// Writes the UTF-8 bytes of a string at the current position.
    package func write(_ text: String) throws(SyscallError) {
        let bytes = Array(text.utf8)
        try write(bytes.span)
    }

    /// Reads the whole file from its start, up to `limit` bytes.
    ///
    /// - Throws: `EFBIG` when the file has more bytes than `limit`.
    package func readAll(limit: Int) throws(SyscallError) -> [UInt8] {
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let got = try read(into: &buffer, count: buffer.count, at: UInt64(content.count))
            content.append(contentsOf: buffer[..<got])
            if content.count > limit { throw SyscallError(call: "read", errno: .fileTooLarge) }
            if got < buffer.count { return content }
        }
    }

    /// Moves the position; `lseek(2)` with `SEEK_SET`.
    package func seek(to offset: UInt64) throws(SyscallError) {
        try checked("lseek") { lseek(rawValue, off_t(offset), SEEK_SET) }
    }

    /// Sets the file's length; `ftruncate(2)`.
    ///
    /// Growing leaves a hole.
    package func truncate(to size: UInt64) throws(SyscallError) {
        try checked("ftruncate") { ftruncate(rawValue, off_t(size)) }
    }

    /// Puts the file's data and metadata on disk; `fsync(2)`.
    package func sync() throws(SyscallError) { try checked("fsync") { fsync(rawValue) } }

    /// Puts the whole filesystem of this file on disk; `syncfs(2)`.
    package func syncFilesystem() throws(SyscallError) {
        try checked("syncfs") { cgraph_syncfs(rawValue) }
    }

    /// Starts writing a file's new bytes to disk without waiting; `sync_file_range(2)`.
    package func startWriteback() {
        // Advice only: where it fails, the sync at the end does all the work.
        _ = cgraph_start_writeback(rawValue)
    }
}
