// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// The start of the machine that this process lives in.
package enum Boot {
    /// What tells it from all others: `/proc/sys/kernel/random/boot_id`, 36 characters.
    package static func id() throws(SyscallError) -> String {
        let file = try OwnedDescriptor.open("/proc/sys/kernel/random/boot_id", .readOnly)
        let bytes = try file.readAll(limit: 4096)
        guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else {
            throw SyscallError(call: "read(boot_id)", errno: .invalidArgument)
        }
        return String(text.dropLast())
    }
}
