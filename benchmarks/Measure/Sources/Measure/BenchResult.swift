// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// One run: where it was made, how, and what came out.
///
/// Its JSON is described in benchmarks/README.md; ``schema`` changes with it.
public struct BenchResult: Codable, Sendable {
    public static let currentSchema = 1

    /// Something that was asked for and not measured.
    public struct Unmeasured: Codable, Hashable, Sendable {
        public let what: String
        public let reason: String

        public init(_ what: String, _ reason: String) { (self.what, self.reason) = (what, reason) }
    }

    public private(set) var schema = BenchResult.currentSchema
    public let command: [String]
    public var machine: Machine
    public let started: Date
    public var durationSeconds = 0.0
    /// What an operation that does nothing costs, in nanoseconds: the harness's own part.
    public var overheadNanoseconds = 0.0
    public var series: [Series] = []
    public var unmeasured: [Unmeasured] = []

    public init(command: [String], machine: Machine) {
        (self.command, self.machine, started) = (command, machine, Date())
    }

    /// Adds what summarises the samples, and marks what the harness's own part may have changed.
    public mutating func finish(seconds: Double) {
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

    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        encoder.dateEncodingStrategy = .iso8601
        try encoder.encode(self).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    public static func read(from path: String) throws -> BenchResult {
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
public struct MeasureError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
