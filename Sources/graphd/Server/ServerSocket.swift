// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphSystem
import SystemPackage

/// The place of a unix socket, which belongs to one process at a time.
///
/// A lock file beside it tells who has it, and is let go when its process ends: so a socket that a killed one
/// left is taken over, and one that is in use is refused with the number of its process.
struct ServerSocket: ~Copyable, Sendable {
    private let directory: Directory
    private let name: RawPath
    private let lock: RangeLock

    /// Takes a place; a directory that is missing is made, for this user alone.
    ///
    /// - Throws: `EADDRINUSE` while another process has the place, `ENAMETOOLONG` beyond 107 bytes.
    static func take(_ path: FilePath) throws(SyscallError) -> ServerSocket {
        guard let last = path.lastComponent?.string else {
            throw SyscallError(call: "bind(\(path))", errno: .invalidArgument)
        }
        if path.string.utf8.count > 107 {
            throw SyscallError(call: "bind(\(path))", errno: Errno(rawValue: ENAMETOOLONG))
        }
        let name = RawPath(last)
        let directory = try makeDirectory(path.removingLastComponent())
        let lockName = RawPath(last + ".lock")
        let lockPath = path.removingLastComponent().appending(last + ".lock")
        guard let lock = try RangeLock(trying: 0, in: lockPath) else {
            let holder = try directory.open(lockName, .readOnly).readAll(limit: 64)
            throw SyscallError(
                call: "bind(\(path))", errno: Errno(rawValue: EADDRINUSE),
                detail: "process \(String(decoding: holder, as: UTF8.self)) serves there")
        }
        try directory.open(lockName, [.writeOnly, .truncate]).write(String(getpid()))
        if try directory.statusIfPresent(of: name) != nil { try directory.removeFile(name) }
        return ServerSocket(directory: directory, name: name, lock: lock)
    }

    private static func makeDirectory(_ path: FilePath) throws(SyscallError) -> Directory {
        do throws(SyscallError) {
            return try Directory(opening: path)
        } catch  where error.errno == .noSuchFileOrDirectory {
            let above = try Directory(opening: path.removingLastComponent())
            let name = RawPath(path.lastComponent?.string ?? "")
            try above.makeDirectory(name, permissions: 0o700)
            return try above.openDirectory(name)
        }
    }

    /// Keeps others than this user from the socket, once it is there.
    func restrict() throws(SyscallError) { try directory.setPermissions(of: name, 0o600) }

    /// Takes the socket away; its place is free when this value ends.
    consuming func close() { try? directory.removeFile(name) }
}
