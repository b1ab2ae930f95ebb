// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import SystemPackage

/// Another program, for what no system call does: making filesystems.
package enum ChildProcess {
    /// Where to look for a program of administrators, whatever `PATH` says.
    private static let directories = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"]

    /// The path of an installed program.
    ///
    /// - Throws: `ENOENT` when it is in none of the usual directories.
    package static func find(_ program: String) throws(SyscallError) -> String {
        for directory in directories where access("\(directory)/\(program)", X_OK) == 0 {
            return "\(directory)/\(program)"
        }
        throw SyscallError(call: "execve(\(program))", errno: .noSuchFileOrDirectory)
    }

    /// Runs a program to its end, with no input; posix_spawn(3).
    ///
    /// - Throws: `EIO` with what it printed when it ended with another status than 0.
    package static func run(_ program: String, _ arguments: [String]) throws(SyscallError) {
        let path = try find(program)
        let output = try OwnedDescriptor.temporary(in: "/tmp")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for standard in [1, 2] as [CInt] {
            posix_spawn_file_actions_adddup2(&actions, output.rawValue, standard)
        }
        var words = ([program] + arguments).map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let refusal = posix_spawn(&process, path, &actions, nil, words, environ)
        if refusal != 0 {
            throw SyscallError(call: "posix_spawn(\(path))", errno: Errno(rawValue: refusal))
        }
        var status: CInt = 0
        try checked("waitpid(\(program))") { waitpid(process, &status, 0) }
        if status == 0 { return }
        let printed = (try? output.readAll(limit: 1 << 20)) ?? []
        let lines = String(decoding: printed, as: UTF8.self).split(separator: "\n")
        throw SyscallError(
            call: ([program] + arguments).joined(separator: " "), errno: .ioError,
            detail: lines.suffix(3).joined(separator: "; "))
    }
}
