// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage
import Testing

/// Archives made to take memory and time take little of the one, and of the other no more than
/// somebody wants to give.
@Suite(.serialized) struct LimitTests {
    /// How often each archive is stopped.
    private static let stops = SeededGenerator.isSoak ? 20 : 2

    /// Each archive on each driver in the long run, and else on one, another one with each seed.
    private static var cases: [(DriverUnderTest, HostileArchive)] {
        let drivers = DriverUnderTest.usable
        if SeededGenerator.isSoak || drivers.isEmpty {
            return drivers.flatMap { driver in HostileArchive.all.map { (driver, $0) } }
        }
        let first = Int(SeededGenerator.runSeed % UInt64(drivers.count))
        return HostileArchive.all.enumerated().map { index, archive in
            (drivers[(first + index) % drivers.count], archive)
        }
    }

    @Test(arguments: cases)
    func `an archive ends within the memory, and soon when it is stopped`(
        _ subject: DriverUnderTest, _ archive: HostileArchive
    ) throws {
        try BadInputStore.with(subject) { store in
            let tar = store.file("hostile.tar")
            try archive.make(at: tar)
            let seconds: Double
            if let refusal = archive.refusal {
                seconds = try store.expectRefusal(of: tar, "\(archive)", saying: refusal)
            } else {
                seconds = try store.withLayer(of: tar, warnings: archive.warnings)
            }
            var random = SeededGenerator(seed: SeededGenerator.runSeed)
            for _ in 0..<Self.stops {
                try store.expectStop(
                    ["apply", tar.string], after: Double.random(in: 0...seconds, using: &random))
                try store.expectNothingLeft("\(archive), stopped")
            }
        }
    }
}

extension BadInputStore {
    /// Fails the test unless a command that is told to stop does so within a second, or had ended.
    ///
    /// The second is one of the processor, of which other programs take nothing; what it waits for
    /// besides is the disk, and shall not look like a hang.
    func expectStop(
        _ arguments: [String], after seconds: Double, outputTo: FilePath? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try command.run(arguments, outputTo: outputTo, stoppedAfter: seconds)
        #expect(
            result.peakBytes < memoryMax, "\(result.peakBytes) bytes",
            sourceLocation: sourceLocation)
        guard let stop = result.stop else {
            if arguments[0] == "apply", result.status == 0 {
                try command.succeed("rm", result.text)
            }
            return
        }
        #expect(
            stop.processorSeconds < Self.stopSeconds && stop.seconds < 30,
            "\(arguments) after \(seconds) s: \(stop)", sourceLocation: sourceLocation)
        if result.status == 0 {
            // It had just ended.
            if arguments[0] == "apply" { try command.succeed("rm", result.text) }
        } else if !result.errors.isEmpty {
            // Silent if the signal came before there was anything to stop.
            let lines = result.errors.split(separator: "\n")
            #expect(lines.count == 1, "\(result.errors)", sourceLocation: sourceLocation)
        }
    }

    /// What a command may use that was told to end.
    ///
    /// A second is the promise; a debugger's build is slower, and a processor that other programs use as
    /// well does less in a second.
    private static var stopSeconds: Double {
        #if DEBUG
            return 10
        #else
            return SeededGenerator.isSoak ? 1 : 2
        #endif
    }
}
