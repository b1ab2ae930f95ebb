// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Measure
import Testing

@Suite struct StatisticsTests {
    @Test func `quantiles are numbers that were measured`() throws {
        let statistics = try #require(Statistics((1...100).map(Double.init)))
        #expect(statistics.p50 == 50.5)
        #expect(statistics.p99 == 99)
        #expect(statistics.max == 100)
        #expect(Statistics([]) == nil)
    }
}
