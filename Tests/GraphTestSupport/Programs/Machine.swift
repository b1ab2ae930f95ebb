// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import SystemPackage

/// What the machine lets these tests do.
package enum Machine {
    /// Whether this is root of a user namespace, for whom device nodes, trusted attributes, locks
    /// and loop devices are out of reach.
    package static var isInUserNamespace: Bool {
        ProcessInfo.processInfo.environment["GRAPH_IN_USERNS"] != nil
    }

    /// Whether this is root of the machine.
    package static var isRoot: Bool { geteuid() == 0 && !isInUserNamespace }
}
