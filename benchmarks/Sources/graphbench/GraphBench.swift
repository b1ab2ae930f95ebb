// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import CMeasure
import Foundation
import Measure

/// Measures what layers cost: on filesystems of its own, with peers beside.
@main
struct GraphBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graphbench",
        abstract: "Measure what layers cost, on filesystems made for it, and compare results.",
        subcommands: [
            CopyUpCommand.self, LayersCommand.self, IOCommand.self, CompareCommand.self,
            ReportCommand.self, WorkerCommand.self,
        ])
}

/// What all measuring commands take.
struct RunOptions: ParsableArguments {
    @Flag(help: "Less than a minute: few sizes, few samples.")
    var quick = false

    @Flag(help: "Everything that fits, several minutes.")
    var full = false

    @Option(help: ArgumentHelp("The folder for the images of the filesystems.", valueName: "dir"))
    var directory = "/var/tmp"

    @Option(help: ArgumentHelp("How large each filesystem is, in MiB.", valueName: "MiB"))
    var bedSize: Int?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Where to write the result as JSON.", valueName: "file"))
    var output: String?

    /// The effort where one is given for each of quick, normal and full.
    func effort<Value>(_ quickly: Value, _ normally: Value, _ fully: Value) -> Value {
        quick ? quickly : full ? fully : normally
    }

    func validate() throws {
        if quick && full { throw ValidationError("--quick and --full exclude each other") }
    }

    /// Prepares the process, runs, finishes the result and writes it.
    func run(_ work: (inout BenchResult) throws -> Void) throws {
        guard geteuid() == 0 else {
            throw MeasureError("graphbench makes filesystems: run it as root")
        }
        // Before any thread exists, so that all threads are in it.
        guard cmeasure_private_mounts() == 0 else {
            throw MeasureError("unshare: \(String(cString: strerror(errno)))")
        }
        cmeasure_catch_interrupts()
        let start = cmeasure_now()
        var result = BenchResult(command: CommandLine.arguments, machine: Machine())
        result.overheadNanoseconds = emptyOperation()
        try work(&result)
        result.finish(seconds: Double(cmeasure_now() - start) / 1e9)
        try TextReport.print(result)
        if let output { try result.write(to: output) }
    }
}
