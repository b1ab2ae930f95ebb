// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

/// Waiting for what the kernel does in the background and gives no other notice of.
package enum Pause {
    /// Lets this thread sleep; `usleep(3)`.
    package static func milliseconds(_ count: UInt32) { usleep(count * 1_000) }
}
