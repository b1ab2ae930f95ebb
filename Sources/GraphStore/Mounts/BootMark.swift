// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// The file in RUN-ROOT that says for which start of the machine mounts are recorded, and whether disk and
/// records were compared since.
struct BootMark: Sendable {
    let path: FilePath

    /// What follows the boot id once disk and records have been compared.
    private static let compared = "compared\n"

    /// What the mark says.
    enum State {
        /// Nothing of this start: mounts that are recorded ended with an earlier one.
        case old
        /// Mounts are recorded; the disk is still to be compared.
        case marked
        case compared
    }

    /// What is known of a start of the machine.
    func state(of boot: String) -> State {
        guard let text = Self.content(of: path), text.hasPrefix(boot) else { return .old }
        return text == boot + Self.compared ? .compared : .marked
    }

    /// Says that what is recorded is of a start of the machine.
    func write(_ boot: String, isCompared: Bool) throws(DriverError) {
        try attempting(
            "write \(path)",
            try { () throws(SyscallError) in
                let new = try OwnedDescriptor.open(
                    path, [.writeOnly, .create, .truncate, .noFollow], permissions: 0o600)
                try new.write(isCompared ? boot + Self.compared : boot)
            }())
    }

    /// The kernel's id of this start of the machine, with the end of its line.
    static func currentBoot() throws(DriverError) -> String {
        try attempting("read the machine's boot id", try Boot.id()) + "\n"
    }

    private static func content(of path: FilePath) -> String? {
        do throws(SyscallError) {
            let bytes = try OwnedDescriptor.open(path, .readOnly).readAll(limit: 4096)
            return String(validating: bytes, as: UTF8.self)
        } catch {
            // Whatever the reason, nothing is known.
            return nil
        }
    }
}
