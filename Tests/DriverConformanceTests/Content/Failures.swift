// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import Synchronization

/// Failures of several threads.
final class Failures: Sendable {
    private let errors = Mutex<[DriverError]>([])

    func add(_ error: DriverError) { errors.withLock { $0.append(error) } }

    var all: [DriverError] { errors.withLock { $0 } }
}
