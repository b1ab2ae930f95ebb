// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphTestSupport
import Synchronization
import SystemPackage

/// Keeps what an observer hears.
final class Reports: Sendable {
    private let heard = Mutex<[WorkProgress]>([])

    func add(_ progress: WorkProgress) { heard.withLock { $0.append(progress) } }

    var last: WorkProgress? { heard.withLock { $0.last } }
}

extension ImportFixture {
    /// Writes a layout into a new directory.
    func written(_ image: TestImage) throws -> FilePath {
        let path = directory.appending("layout-\(UUID().uuidString)")
        try path.makeDirectory()
        try image.write(to: path)
        return path
    }
}
