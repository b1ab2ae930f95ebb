// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A store whose ROOT and RUN-ROOT lie on small filesystems, and what of them is full.
struct FullPlaces: Sendable, CustomTestStringConvertible {
    enum Which: String, CaseIterable, Sendable {
        case root, runRoot, both
    }

    let driver: String
    let root: TestFilesystem
    let runRoot: TestFilesystem
    let which: Which
    let resource: FullDisk.Resource
    /// Whether RUN-ROOT was used before it was full.
    let isUsed: Bool

    var testDescription: String {
        "\(driver) on \(root), \(isUsed ? "used" : "fresh") RUN-ROOT on \(runRoot), "
            + "no \(resource) in \(which)"
    }

    /// All of them, or a sample that has each driver.
    static let chosen: [FullPlaces] = {
        let stores: [(String, TestFilesystem)] = [
            ("overlay", .ext4), ("overlay", .tmpfs), ("vfs", .ext4), ("btrfs", .btrfs),
        ]
        var generator = SeededGenerator(seed: SeededGenerator.runSeed)
        var chosen: [FullPlaces] = []
        for (driver, root) in stores {
            var all: [FullPlaces] = []
            for runRoot in [TestFilesystem.tmpfs, .ext4] {
                for which in Which.allCases {
                    for resource in FullDisk.Resource.allCases {
                        // btrfs makes inodes as long as there are bytes.
                        if resource == .inodes && root == .btrfs && which != .runRoot { continue }
                        for isUsed in [true, false] {
                            all.append(
                                FullPlaces(
                                    driver: driver, root: root, runRoot: runRoot, which: which,
                                    resource: resource, isUsed: isUsed))
                        }
                    }
                }
            }
            let count = SeededGenerator.isSoak ? all.count : 4
            chosen += all.shuffled(using: &generator).prefix(count)
        }
        return chosen
    }()

    /// Lends the disks and the store.
    func make(_ body: (_ full: [FullDisk], AttackedStore) throws -> Void) throws {
        let inodes = resource == .inodes ? 512 : nil
        try FullDisk.with(root, driver, inodes: inodes) { rootDisk, store in
            try withLoopFilesystem(
                type: runRoot, size: 8 << 20, options: runRoot == .tmpfs ? ["nr_inodes=128"] : [],
                makeOptions: runRoot == .ext4 ? ["-m", "0", "-N", "128"] : []
            ) { mountPoint in
                let runDisk = FullDisk(mountPoint: mountPoint)
                let moved = AttackedStore(
                    root: store.root, runRoot: mountPoint.appending("run"), driver: driver)
                let disks =
                    switch which {
                    case .root: [rootDisk]
                    case .runRoot: [runDisk]
                    case .both: [rootDisk, runDisk]
                    }
                try body(disks, moved)
            }
        }
    }
}
