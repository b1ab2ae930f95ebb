// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import Measure

/// Something done to a file of the layer below, which makes the backend copy what it must.
struct Trigger: Sendable {
    /// What one operation is about.
    enum Scope {
        /// One file; there are several to take in turn.
        case file
        /// The thousand small files.
        case many
        /// The directory with one file in it.
        case directory
        /// Several files at once, by as many threads.
        case files
    }

    let name: String
    let scope: Scope
    let run: @Sendable (Subject) throws -> Void

    /// Where a trigger finds its file, and how large that is.
    struct Subject: Sendable {
        let root: String
        let path: String
        let size: Int
        /// Whether it was done before to the same file.
        let isSecond: Bool
    }

    static let threadCount = 4

    static let all: [Trigger] = [
        Trigger(name: "write-start", scope: .file) { try write($0.path, at: 0) },
        Trigger(name: "write-middle", scope: .file) { try write($0.path, at: $0.size / 2) },
        Trigger(name: "append", scope: .file) { try write($0.path, at: nil) },
        Trigger(name: "truncate-half", scope: .file) {
            try check("truncate", truncate($0.path, off_t($0.isSecond ? $0.size / 4 : $0.size / 2)))
        },
        Trigger(name: "open-write", scope: .file) { try withFile($0.path, O_WRONLY) { _ in } },
        Trigger(name: "chmod", scope: .file) {
            try check("chmod", chmod($0.path, $0.isSecond ? 0o640 : 0o600))
        },
        Trigger(name: "chown", scope: .file) {
            try check("chown", chown($0.path, $0.isSecond ? 1001 : 1000, 1000))
        },
        Trigger(name: "setxattr", scope: .file) {
            try check("setxattr", cmeasure_setxattr($0.path, "user.graphbench", "12345678", 8))
        },
        Trigger(name: "rename", scope: .file) {
            let other = $0.path + ".renamed"
            try check("rename", $0.isSecond ? rename(other, $0.path) : rename($0.path, other))
        },
        Trigger(name: "link", scope: .file) {
            try check("link", link($0.path, $0.path + ($0.isSecond ? ".second" : ".first")))
        },
        Trigger(name: "mmap-store", scope: .file) { try storeMapped($0.path) },
        Trigger(name: "threads-one-file", scope: .file) { subject in
            try inThreads { try write(subject.path, at: $0 * 4096 % subject.size) }
        },
        Trigger(name: "threads-many-files", scope: .files) { subject in
            try inThreads { try write("\(subject.root)/file\($0)", at: 0) }
        },
        Trigger(name: "write-1000-files", scope: .many) {
            try eachOfMany($0) { try write($0, at: 0) }
        },
        Trigger(name: "chown-1000-files", scope: .many) { subject in
            try eachOfMany(subject) {
                try check("chown", chown($0, subject.isSecond ? 1001 : 1000, 1000))
            }
        },
        Trigger(name: "rename-directory", scope: .directory) {
            let (old, new) = ("\($0.root)/tree", "\($0.root)/renamed")
            try check("rename", $0.isSecond ? rename(new, old) : rename(old, new))
        },
    ]

    /// Those that change no content.
    static let metadataNames = ["chmod", "chown", "setxattr", "rename", "link", "chown-1000-files"]

    static func check(_ call: String, _ value: CInt) throws {
        if value == -1 { throw RefusedCall(call: call, errno: errno) }
    }

    private static func withFile(_ path: String, _ flags: CInt, _ body: (CInt) throws -> Void)
        throws
    {
        let file = cmeasure_open(path, flags, 0)
        try check("open", file)
        defer { close(file) }
        try body(file)
    }

    /// Writes 4 KiB; at the end for no offset.
    static func write(_ path: String, at offset: Int?) throws {
        try withFile(path, offset == nil ? O_WRONLY | O_APPEND : O_WRONLY) { file in
            let count =
                offset.map { pwrite(file, FileSet.block, 4096, off_t($0)) }
                ?? Glibc.write(file, FileSet.block, 4096)
            if count != 4096 { throw RefusedCall(call: "write", errno: errno) }
        }
    }

    private static func storeMapped(_ path: String) throws {
        try withFile(path, O_RDWR) { file in
            guard let page = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
                page != MAP_FAILED
            else { throw RefusedCall(call: "mmap", errno: errno) }
            page.storeBytes(of: 1, as: UInt8.self)
            munmap(page, 4096)
        }
    }

    private static func eachOfMany(_ subject: Subject, _ body: (String) throws -> Void) throws {
        for index in 0..<FileSet.manyCount { try body("\(subject.root)/many/\(index)") }
    }

    /// Runs the body once in each of several threads at once.
    private static func inThreads(_ body: @Sendable (Int) throws -> Void) throws {
        let failures = Failures()
        DispatchQueue.concurrentPerform(iterations: threadCount) { index in
            do { try body(index) } catch { failures.add(error) }
        }
        if let first = failures.first { throw first }
    }
}

/// A call that the filesystem refused: the trigger cannot be measured there.
struct RefusedCall: Error, CustomStringConvertible {
    let call: String
    let errno: CInt

    var description: String { "\(call): \(String(cString: strerror(errno)))" }
}

/// What went wrong in several threads.
private final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var errors: [any Error] = []

    func add(_ error: any Error) { lock.withLock { errors.append(error) } }
    var first: (any Error)? { lock.withLock { errors.first } }
}
