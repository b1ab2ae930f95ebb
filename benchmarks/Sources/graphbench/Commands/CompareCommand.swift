// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import Foundation
import Measure

/// `graphbench compare`: what became slower.
struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Show what became slower from one result to another.",
        discussion: """
            Ends with status 1 when something became slower than the threshold allows, and with 2 when \
            there was nothing to compare.
            """)

    @Argument(help: "The result before.") var before: String
    @Argument(help: "The result after.") var after: String

    @Option(help: ArgumentHelp("How much worse is worth telling.", valueName: "percent"))
    var threshold = 10.0

    @Flag(help: "Show all figures, not only those that changed.")
    var all = false

    func validate() throws {
        guard threshold > 0 else { throw ValidationError("--threshold must be above 0") }
    }

    func run() throws {
        do {
            let (old, new) = (try BenchResult.read(from: before), try BenchResult.read(from: after))
            let comparison = Comparison(old, new, threshold: threshold / 100)
            guard !comparison.rows.isEmpty else {
                throw MeasureError("the two results have no figure in common")
            }
            print(TextReport.comparison(comparison, old, new, all: all))
            if !comparison.slower.isEmpty { throw ExitCode(1) }
        } catch let exit as ExitCode {
            throw exit
        } catch {
            FileHandle.standardError.write(Data("graphbench: compare: \(error)\n".utf8))
            throw ExitCode(2)
        }
    }
}
