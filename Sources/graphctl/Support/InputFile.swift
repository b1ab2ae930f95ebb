// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// A file to read from its first byte to its last, or standard input.
struct InputFile: ~Copyable {
    private let descriptor: OwnedDescriptor
    /// Bytes of the file; nil for what can only be read once.
    let totalBytes: UInt64?

    /// Opens a file; `-` is standard input.
    init(_ path: String) throws(DriverError) {
        let opened = path == "-" ? try Self.standardInput() : try Self.file(path)
        let status = try attempting("look at \(path)", try opened.status())
        if status.type == .directory {
            throw DriverError(.invalidArgument, "\(path) is a directory, not a file")
        }
        descriptor = opened
        totalBytes = status.type == .regular ? status.size : nil
    }

    private static func standardInput() throws(DriverError) -> OwnedDescriptor {
        if StandardStream.input.isTerminal {
            throw DriverError(
                .invalidArgument, "standard input is a terminal: name a file, or use a pipe")
        }
        return try attempting("use standard input", try StandardStream.input.duplicate())
    }

    private static func file(_ path: String) throws(DriverError) -> OwnedDescriptor {
        try attempting("open \(path)", try OwnedDescriptor.open(FilePath(path), .readOnly))
    }

    /// The open file.
    consuming func take() -> OwnedDescriptor { descriptor }

    /// The bytes of what can only be read once.
    consuming func waitingStream() -> any ByteSource { WaitingSource(descriptor) }

    /// The bytes, and who watches how far they have been read: of a file the bar shows the share,
    /// of a pipe what the store has to tell.
    consuming func stream(for session: Session) -> (any ByteSource, WorkObserver) {
        let total = totalBytes
        let bar = session.progress
        guard let total else { return (WaitingSource(descriptor), session.observer) }
        let source = CountingSource(FileSource(descriptor)) { count in
            bar?.update(
                WorkProgress(phase: "applying", completedBytes: count, totalBytes: total))
        }
        return (source, session.stopper)
    }
}

/// Tells how many bytes have passed.
private final class CountingSource: ByteSource {
    private let source: any ByteSource
    private let passed: (UInt64) -> Void
    private var count: UInt64 = 0

    init(_ source: any ByteSource, passed: @escaping (UInt64) -> Void) {
        (self.source, self.passed) = (source, passed)
    }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        let got = try source.read(into: &buffer)
        count += UInt64(got)
        passed(count)
        return got
    }
}

/// Bytes of a pipe; a signal ends the wait for them.
private final class WaitingSource: ByteSource {
    private let descriptor: OwnedDescriptor

    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        do throws(SyscallError) {
            while try !descriptor.isReadable(withinMilliseconds: 200) {
                if CurrentProcess.isInterrupted { break }
            }
            if !CurrentProcess.isInterrupted { return try descriptor.read(into: &buffer) }
        } catch {
            throw ArchiveError(.system, "could not read the stream", cause: error)
        }
        throw ArchiveError(.cancelled, "stopped on request")
    }
}
