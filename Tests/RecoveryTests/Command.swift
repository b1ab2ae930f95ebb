// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Glibc
import GraphTestSupport
import SystemPackage

/// How a process ended, and what it said.
struct CommandResult: CustomStringConvertible {
    let arguments: [String]
    /// The exit status, or 128 and the number of the signal that ended it.
    let status: Int32
    let output: String
    let errors: String

    static let killed: Int32 = 128 + SIGKILL

    var isSuccess: Bool { status == 0 }

    /// The code of a failure that was printed with `--json`.
    var code: String? {
        let object = try? JSONSerialization.jsonObject(with: Data(output.utf8))
        return (object as? [String: Any])?["code"] as? String
    }

    var description: String {
        let line = arguments.joined(separator: " ")
        return "`\(line)` ended with \(status); stdout: \(output)stderr: \(errors)"
    }
}

/// A process that did what no test wants.
struct UnexpectedResult: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Runs a process to its end.
///
/// Its outputs are files without a name below ``testBase``, so that nobody waits for a reader.
func run(_ arguments: [String]) throws -> CommandResult {
    let outputs = (try temporaryFile(), try temporaryFile())
    defer {
        close(outputs.0)
        close(outputs.1)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, outputs.0, 1)
    posix_spawn_file_actions_adddup2(&actions, outputs.1, 2)
    var words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process: pid_t = 0
    let failure = posix_spawnp(&process, arguments[0], &actions, nil, &words, environ)
    if failure != 0 {
        throw UnexpectedResult("could not start \(arguments[0]): error \(failure)")
    }
    var raw: Int32 = 0
    while waitpid(process, &raw, 0) == -1 && errno == EINTR {}
    let signal = raw & 0x7f
    return CommandResult(
        arguments: arguments, status: signal == 0 ? (raw >> 8) & 0xff : 128 + signal,
        output: content(of: outputs.0), errors: content(of: outputs.1))
}

private func temporaryFile() throws -> CInt {
    let name = String(UInt64.random(in: .min ... .max), radix: 16)
    let path = testBase.appending("graph-output-" + name).string
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if descriptor == -1 { throw UnexpectedResult("could not make a temporary file: \(errno)") }
    unlink(path)
    return descriptor
}

private func content(of descriptor: CInt) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = pread(descriptor, &buffer, buffer.count, off_t(bytes.count))
        if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}
