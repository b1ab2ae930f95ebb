// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// Keeps a stream in a file without a name, so that it can be read at any place.
enum Spool {
    /// Reads a stream to its end.
    ///
    /// - Parameters:
    ///   - source: The stream.
    ///   - directory: Where the file takes its space. Nothing can be seen there, and the space is free
    ///     again once the file is closed, whatever happens.
    ///   - observer: Hears how far it is.
    /// - Returns: The open file.
    /// - Throws: What the stream throws, and errors of writing.
    static func file(
        holding source: any ByteSource, in directory: FilePath, observer: WorkObserver
    ) throws(DriverError) -> RandomAccessFile {
        let file = try attempting(
            "make a temporary file in \(directory)", try OwnedDescriptor.temporary(in: directory))
        var size: UInt64 = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        do throws(ArchiveError) {
            while true {
                let count = try source.read(into: &buffer)
                if count == 0 { break }
                do throws(SyscallError) {
                    try file.write(buffer.span.extracting(0..<count), at: size)
                } catch {
                    throw ArchiveError(.system, "write to \(directory)", cause: error)
                }
                size += UInt64(count)
                try observer.report(WorkProgress(phase: "reading", completedBytes: size))
            }
        } catch {
            throw DriverError("keep the stream", error)
        }
        return RandomAccessFile(file, size: size)
    }
}
