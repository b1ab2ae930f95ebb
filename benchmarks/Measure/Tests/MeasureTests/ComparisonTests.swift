// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import Measure
import Testing

/// What `compare` finds, on samples that this machine gives now.
@Suite(.serialized) struct ComparisonTests {
    /// Work of a kind that layers do, some ten microseconds of it.
    private static let operations: [(name: String, body: @Sendable (String) -> Void)] = [
        (
            "write and remove",
            { path in
                let file = cmeasure_open(path, O_RDWR | O_CREAT, 0o600)
                let bytes = [UInt8](repeating: 7, count: 32 << 10)
                pwrite(file, bytes, bytes.count, 0)
                close(file)
                unlink(path)
            }
        ),
        (
            "names",
            { path in
                for index in 0..<10 {
                    mkdir("\(path)\(index)", 0o700)
                    rmdir("\(path)\(index)")
                }
            }
        ),
        (
            "memory",
            { _ in
                var bytes = [UInt8](repeating: 1, count: 64 << 10)
                for index in bytes.indices { bytes[index] &+= UInt8(truncatingIfNeeded: index) }
                precondition(bytes[3] == 4)
            }
        ),
    ]

    /// Measures the same work for several results in turn; `slowdowns` has for each result the part
    /// of each operation's own time that is spent once more.
    private static func measure(slowdowns: [Double]) throws -> [BenchResult] {
        // In memory: a disk that others use makes noise that no statistics can see through.
        let directory = "/dev/shm/measure-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        mkdir(directory, 0o700)
        defer { rmdir(directory) }
        let recorders = slowdowns.map { _ in Recorder() }
        for round in -1..<40 {
            if round >= 0 { for recorder in recorders { recorder.beginRound() } }
            for (name, body) in operations {
                for turn in 0..<(30 * slowdowns.count) {
                    let who = (turn + max(0, round)) % slowdowns.count
                    let key = Series.Key(command: "test", subject: "machine", operation: name)
                    let sample = nanoseconds {
                        let start = cmeasure_now()
                        body(directory + "/file")
                        let took = cmeasure_now() - start
                        let end = start + took + UInt64(Double(took) * slowdowns[who])
                        while cmeasure_now() < end {}
                    }
                    if round >= 0 { recorders[who].add(key, sample) }
                }
            }
        }
        return recorders.map { recorder in
            var result = BenchResult(command: ["test"], machine: Machine())
            result.series = recorder.all
            result.finish(seconds: 1)
            return result
        }
    }

    @Test func `a planted slowdown of 20 percent is found, and the same build is the same`() throws
    {
        let results = try Self.measure(slowdowns: [0, 0, 0.2])
        let same = Comparison(results[0], results[1], threshold: 0.1)
        #expect(same.rows.count == 3)
        for row in same.rows { #expect(row.verdict == .same, "\(row)") }
        let slowed = Comparison(results[0], results[2], threshold: 0.1)
        for row in slowed.rows {
            #expect(row.verdict == .slower, "\(row)")
            #expect((1.1...1.35).contains(row.ratio), "\(row)")
        }
        for row in Comparison(results[2], results[0], threshold: 0.1).rows {
            #expect(row.verdict == .faster, "\(row)")
        }
    }

    @Test func `a result is read as it was written, and no other schema is`() throws {
        var result = BenchResult(command: ["test"], machine: Machine())
        var series = Series(Series.Key(command: "io", subject: "a", operation: "b"))
        series.rounds = [[1, 2], [], [3]]
        series.bytesWritten = [4096]
        result.series = [series]
        result.finish(seconds: 2)
        let path = FileManager.default.temporaryDirectory.path + "/measure-\(getpid()).json"
        defer { unlink(path) }
        try result.write(to: path)
        let read = try BenchResult.read(from: path)
        #expect(read.series[0].rounds == series.rounds)
        #expect(read.series[0].statistics == Statistics([1, 2, 3]))
        #expect(read.machine == result.machine)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try text.replacing("\"schema\":1", with: "\"schema\":2")
            .write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: MeasureError.self) { try BenchResult.read(from: path) }
    }
}
