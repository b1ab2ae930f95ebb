// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Archives with very many members: they are layers, and take no more memory than small ones.
@Suite(.serialized) struct MillionTests {
    private static let count = 1_000_000

    /// Lends a store in memory, so that the test is not about the speed of a disk, and a file for
    /// an archive beside it.
    private func withStore(
        _ subject: DriverUnderTest, _ body: (BadInputStore, FilePath) throws -> Void
    ) throws {
        try withLoopFilesystem(type: .tmpfs, size: 6 << 30, options: ["nr_inodes=5000000"]) {
            root in
            try withScratchRoot { folder in
                try BadInputStore.with(subject, below: root) { store in
                    try body(store, folder.appending("million.tar"))
                }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usableBelowTestBase)
    func `a million empty files in one directory`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                for index in 0..<Self.count { try tar.add("file-\(index)") }
            }
            try store.withLayer(of: tar)
        }
    }

    @Test(arguments: DriverUnderTest.usableBelowTestBase)
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

    @Test(arguments: DriverUnderTest.usableBelowTestBase)
    func `a million deletions of what is not there`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                for index in 0..<Self.count { try tar.add("gone-\(index % 7)/.wh.file-\(index)") }
            }
            try store.withLayer(of: tar)
        }
    }

    @Test(arguments: DriverUnderTest.usableBelowTestBase)
    func `a million members of one name`(_ subject: DriverUnderTest) throws {
        try withStore(subject) { store, tar in
            try RawTar.write(tar) { tar in
                for index in 0..<Self.count { try tar.add("same", content: [UInt8(index & 0xFF)]) }
            }
            try store.withLayer(of: tar)
        }
    }

    @Test(arguments: DriverUnderTest.usableBelowTestBase)
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
