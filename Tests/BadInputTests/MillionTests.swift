// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Archives with very many members: they are layers, and take no more memory than small ones.
@Suite(.serialized) struct MillionTests {
    private static let count = 1_000_000

    /// All drivers in the long run, one of the two that work in memory otherwise: each test takes a
    /// minute a driver.
    private static let subjects: [DriverUnderTest] = {
        if SeededGenerator.isSoak { return DriverUnderTest.usable }
        let all = DriverUnderTest.usableBelowTestBase
        return all.isEmpty ? [] : [all[Int(SeededGenerator.runSeed % UInt64(all.count))]]
    }()

    /// Lends a store in memory where the driver works there, so that the test is not about the speed
    /// of a disk, and a file for an archive beside it.
    private func withStore(
        _ subject: DriverUnderTest, _ body: (BadInputStore, FilePath) throws -> Void
    ) throws {
        try withScratchRoot { directory in
            let tar = directory.appending("million.tar")
            guard subject.base == testBase else {
                return try BadInputStore.with(subject) { try body($0, tar) }
            }
            try withLoopFilesystem(type: .tmpfs, size: 6 << 30, options: ["nr_inodes=5000000"]) {
                root in
                try BadInputStore.with(subject, below: root) { try body($0, tar) }
            }
        }
    }

    @Test(arguments: subjects)
    func `a million empty files in one directory`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                for index in 0..<Self.count { try tar.add("file-\(index)") }
            }
            try store.withLayer(of: tar)
        }
    }

    @Test(arguments: subjects)
    func `a million directories`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                for index in 0..<Self.count {
                    try tar.add("\(index % 1000)/\(index)", type: "5", mode: 0o755)
                }
            }
            try store.withLayer(of: tar)
        }
    }

    @Test(arguments: subjects)
    func `a million deletions of what is not there`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                for index in 0..<Self.count { try tar.add("gone-\(index % 7)/.wh.file-\(index)") }
            }
            try store.withLayer(of: tar)
        }
    }

    @Test(arguments: subjects)
    func `a million members of one name`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                for index in 0..<Self.count { try tar.add("same", content: [UInt8(index & 0xFF)]) }
            }
            try store.withLayer(of: tar)
        }
    }

    @Test(arguments: subjects)
    func `a million hard links to one file`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                try tar.add("first")
                for index in 0..<Self.count {
                    try tar.add("link-\(index)", type: "1", link: "first")
                }
            }
            try store.withLayer(of: tar)
        }
    }
}
