// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Measure
import Testing

/// The page of results: what a reader sees first, and that it can be read.
@Suite struct ReportTests {
    private static func series(
        _ subject: String, _ operation: String, _ milliseconds: Double,
        command: String = "layers", mode: String = "process", state: String = "",
        parameter: (String, Int) = ("layer bytes", 1000)
    ) -> Series {
        var one = Series(
            Series.Key(
                command: command, subject: subject, operation: operation, mode: mode,
                state: state, parameterName: parameter.0, parameter: parameter.1))
        one.rounds = [[milliseconds * 1e6]]
        return one
    }

    private static func result(_ series: [Series]) -> BenchResult {
        var result = BenchResult(command: ["graphbench", "layers"], machine: Machine())
        result.series = series
        result.finish(seconds: 1)
        return result
    }

    private static let layers = [
        series("graphctl overlay on ext4", "mount", 4),
        series("containers-storage overlay on ext4", "mount", 16),
        series("containers-storage btrfs on btrfs", "mount", 10),
        series("graphctl overlay on ext4", "create", 30),
        series("containers-storage overlay on ext4", "create", 20),
        series("graph-storage overlay on ext4", "mount", 1, mode: "in process"),
        series("graph-storage btrfs on btrfs", "mount", 0.5, mode: "in process"),
    ]

    private static let changes = [
        ("plain on xfs", 1.0), ("overlay on xfs", 1.05), ("btrfs on btrfs", 3),
        ("plain on btrfs", 1),
    ].map { subject, time in
        series(
            subject, "write-start", time, command: "copy-up",
            mode: subject.hasPrefix("overlay") ? "metacopy=off" : "", state: "warm",
            parameter: ("file bytes", 1 << 20))
    }

    @Test func `what both sides have is compared, with the same driver in the same place`() {
        let found = Standing.all(in: Self.result(Self.layers + Self.changes).series)
        #expect(
            found.map(\.operation) == [
                "mount", "create", "write-start of 1 MiB", "write-start of 1 MiB",
            ])
        #expect(
            found.map(\.place) == [
                "overlay on ext4", "overlay on ext4", "overlay on xfs", "btrfs on btrfs",
            ])
        #expect(found.map(\.ratio) == [0.25, 1.5, 1.05, 3])
        #expect(found.map(\.isFloor) == [false, false, true, true])
        #expect(found.groups.map(\.standings.count) == [2, 2])
    }

    @Test func `the page opens with who is ahead, then with what to choose`() throws {
        let html = Report([Self.result(Self.layers + Self.changes)]).html
        let first = try #require(html.firstRange(of: "Our time beside theirs"))
        let second = try #require(html.firstRange(of: "Which backend for which load"))
        let third = try #require(html.firstRange(of: "<figure>"))
        #expect(first.lowerBound < second.lowerBound && second.lowerBound < third.lowerBound)
        #expect(html.matches(of: /class='ahead'/).count == 2)
        #expect(html.matches(of: /class='behind'/).count == 1)
        #expect(html.matches(of: /class='near'/).count == 1)
        #expect(html.contains("btrfs on btrfs 500 us"))
        #expect(html.matches(of: /<details open>/).count == 1)
    }

    @Test(arguments: [1, 2, 12, 19, 30])
    func `names at the ends of lines do not touch`(_ count: Int) {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let ends = (0..<count).map { _ in Double.random(in: 34...332, using: &random) }
            let places = Plot.namePlaces(ends)
            for (lower, higher) in zip(places.sorted(), places.sorted().dropFirst()) {
                #expect(higher - lower > Plot.nameHeight - 0.001)
            }
            #expect((places.min() ?? 0) >= 33.999)
            // In the order of the lines.
            let order = ends.indices.sorted { ends[$0] < ends[$1] }
            #expect(order == places.indices.sorted { places[$0] < places[$1] })
        }
    }

    @Test func `what is not measured on one side has no bar`() {
        #expect(Standing.all(in: Self.result([Self.layers[0]]).series).isEmpty)
        #expect(!Report([Self.result([Self.layers[0]])]).html.contains("Our time beside theirs"))
    }
}
