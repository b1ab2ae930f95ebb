// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// One run: where it was made, how, and what came out.
///
/// Its JSON is described in benchmarks/README.md; ``schema`` changes with it.
package struct BenchResult: Codable, Sendable {
    package static let currentSchema = 1

    /// Something that was asked for and not measured.
    package struct Unmeasured: Codable, Hashable, Sendable {
        package let what: String
        package let reason: String

        package init(_ what: String, _ reason: String) { (self.what, self.reason) = (what, reason) }
    }

    package private(set) var schema = BenchResult.currentSchema
    package let command: [String]
    package var machine: Machine
    package let started: Date
    package var durationSeconds = 0.0
    /// What an operation that does nothing costs, in nanoseconds: the harness's own part.
    package var overheadNanoseconds = 0.0
    package var series: [Series] = []
    package var unmeasured: [Unmeasured] = []

    package init(command: [String], machine: Machine) {
        (self.command, self.machine, started) = (command, machine, Date())
    }

    /// Adds what summarises the samples, and marks what the harness's own part may have changed.
    package mutating func finish(seconds: Double) {
        durationSeconds = seconds
        series.removeAll { $0.samples.isEmpty }
        for index in series.indices {
            let statistics = Statistics(series[index].samples)
            series[index].statistics = statistics
            if series[index].unit == .nanoseconds, let statistics {
                series[index].isDoubtful = statistics.p50 < 50 * overheadNanoseconds
            }
        }
    }

    package func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        encoder.dateEncodingStrategy = .iso8601
        try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    package static func read(from path: String) throws -> BenchResult {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw MeasureError("could not read \(path): \(error)")
        }
        struct Head: Decodable { let schema: Int }
        do {
            let schema = try decoder.decode(Head.self, from: data).schema
            guard schema == currentSchema else {
                throw MeasureError(
                    "\(path) has schema \(schema), this graphbench reads \(currentSchema)")
            }
            return try decoder.decode(BenchResult.self, from: data)
        } catch let error as DecodingError {
            throw MeasureError("\(path) is no result of graphbench: \(error)")
        }
    }
}

/// A sentence for the person who runs the benchmark.
package struct MeasureError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
