// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import Testing

/// The archives by which others' tests try to leave a layer, with the outcome that they have there.
@Suite(.serialized) struct BreakoutTests {
    /// Its test suite of unpacking has so many.
    @Test func `there are as many of containerd's cases as containerd has`() {
        #expect(BreakoutCase.containerd.count == 34)
        #expect(Set(BreakoutCase.containerd.map(\.what)).count == 34)
    }

    @Test(arguments: DriverUnderTest.usable)
    func `archives that would break out come to what containerd makes of them`(
        _ subject: DriverUnderTest
    ) throws {
        try BadInputStore.check(BreakoutCase.containerd, subject)
    }

    @Test(arguments: DriverUnderTest.usable)
    func `archives that would break out of Docker and umoci come to what the policy says`(
        _ subject: DriverUnderTest
    ) throws {
        #expect(BreakoutCase.docker.count == 16)
        try BadInputStore.check(BreakoutCase.docker + BreakoutCase.umoci, subject)
    }
}
