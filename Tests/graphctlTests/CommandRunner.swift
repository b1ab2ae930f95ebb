// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// The built command, run on a store of its own.
struct CommandRunner {
    /// What a run left.
    struct Result {
        let status: Int32
        let output: String
        let error: String

        /// The lines of standard output.
        var lines: [String] { output.split(separator: "\n").map(String.init) }

        /// Standard output as JSON.
        var json: Any {
            get throws {
                try JSONSerialization.jsonObject(
                    with: Data(output.utf8), options: .fragmentsAllowed)
            }
        }

        /// Standard output as a JSON object.
        var object: [String: Any] {
            get throws { try #require(try json as? [String: Any]) }
        }
    }

    let directory: FilePath

    /// The command: $GRAPHCTL, or the one that was built with the tests.
    static let path: String = {
        if let path = ProcessInfo.processInfo.environment["GRAPHCTL"], !path.isEmpty {
            return path
        }
        // The bundle is a program itself, or a file that a runner loads from its second argument.
        let arguments = ProcessInfo.processInfo.arguments
        let bundle = arguments.first { $0.contains(".xctest") } ?? arguments[0]
        let directory =
            bundle.range(of: "[^/]*\\.xctest.*", options: .regularExpression)
            .map { String(bundle[..<$0.lowerBound]) } ?? ""
        return (directory.isEmpty ? "./" : directory) + "graphctl"
    }()

    /// Lends a directory for a store, and removes it afterwards.
    static func with(_ body: (CommandRunner) throws -> Void) throws {
        try withScratchRoot { try body(CommandRunner(directory: $0)) }
    }

    var root: FilePath { directory.appending("root") }

    /// The variables that a run gets.
    var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        for name in ["GRAPHCTL_DRIVER", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
            environment[name] = nil
        }
        environment["GRAPHCTL_ROOT"] = root.string
        environment["GRAPHCTL_RUN_ROOT"] = directory.appending("run").string
        return environment
    }

    /// Runs the command, with `input` as its standard input and `variables` changed in its
    /// environment.
    func callAsFunction(
        _ arguments: String..., input: FilePath? = nil, variables: [String: String?] = [:]
    ) throws -> Result {
        try run(Self.path, arguments, input: input, variables: variables)
    }

    /// Runs a shell with `graphctl` in its path, in the directory.
    func shell(_ script: String, variables: [String: String?] = [:]) throws -> Result {
        var variables = variables
        let own = (Self.path as NSString).deletingLastPathComponent
        variables["PATH"] = "\(own):\(environment["PATH"] ?? "/usr/bin:/bin:/usr/sbin:/sbin")"
        return try run("/bin/bash", ["-c", script], input: nil, variables: variables)
    }

    private func run(
        _ program: String, _ arguments: [String], input: FilePath?,
        variables: [String: String?]
    ) throws -> Result {
        let name = UUID().uuidString
        let (output, error) = (
            directory.appending("\(name).out"), directory.appending("\(name).err")
        )
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory.string)
        process.environment = environment.merging(variables.mapValues { $0 ?? "" }) { $1 }
        for path in [output, error] { try path.write("") }
        let handles = try [output, error].map { path in
            try #require(FileHandle(forWritingAtPath: path.string))
        }
        (process.standardOutput, process.standardError) = (handles[0], handles[1])
        process.standardInput =
            try input.map { try #require(FileHandle(forReadingAtPath: $0.string)) }
            ?? FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        for handle in handles { try handle.close() }
        let result = Result(
            status: process.terminationStatus, output: try output.readText(),
            error: try error.readText())
        try output.remove()
        try error.remove()
        return result
    }

    /// Writes a layer tar with one file into the directory.
    func tar(_ name: String, _ text: String = "content") throws -> FilePath {
        let bytes = try LayerTar.bytes(of: [
            LayerMember(
                ArchiveEntry(path: RawPath(name), kind: .file(size: 0), permissions: 0o644),
                content: Array(text.utf8))
        ])
        let path = directory.appending(name + ".tar")
        try Data(bytes).write(to: URL(fileURLWithPath: path.string))
        return path
    }

    /// Applies a layer tar with one file.
    func apply(_ id: String, parent: String? = nil) throws {
        var arguments = ["apply", "--id", id, try tar(id).string]
        if let parent { arguments += ["--parent", parent] }
        let result = try run(Self.path, arguments, input: nil, variables: [:])
        try #require(result.status == 0, "\(result.error)")
    }
}
