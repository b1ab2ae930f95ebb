// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem

extension LoopImage {
    /// What a filesystem may leave of its image: a group that would be too small to be one, and the
    /// log, which it does not count.
    private static let unusedBytesMax: UInt64 = 16 << 20

    /// Whether the filesystem takes all of its image.
    func fillsImage(_ status: LoopImageStatus) throws(DriverError) -> Bool {
        let bytes = try attempting("look at \(path)", try MountedFilesystem(at: tree).bytesOfXFS())
        return bytes + Self.unusedBytesMax >= status.size
    }

    /// Has the filesystem give back what it gave up but had not told when the machine stopped.
    ///
    /// A failure costs space below and nothing else.
    func giveBack() {
        try? tree.descriptor.syncFilesystem()
        waitForFreeing()
        _ = try? MountedFilesystem(at: tree).trim()
    }

    /// xfs frees what was removed a moment later, sooner when it is asked how full it is.
    private func waitForFreeing() {
        var known: UInt64?
        for _ in 0..<100 {
            guard let now = try? tree.descriptor.filesystem().availableBytes, now != known else {
                return
            }
            known = now
            Pause.milliseconds(20)
        }
    }
}
