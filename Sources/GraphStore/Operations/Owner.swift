// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// Who is behind an intent: a random number whose lock lives as long as the store object does.
///
/// Process ids are of no use here: they come back, and mean different processes to different
/// namespaces. A lock is released by the kernel when its process dies, and by nothing else.
final class Owner: Sendable {
    /// The number that is locked while a store is being made.
    static let creation: Int64 = 0

    let number: Int64
    private let lock: RangeLock

    init(in path: FilePath) throws(SyscallError) {
        while true {
            let number = Int64.random(in: 1..<(1 << 62))
            if let lock = try RangeLock(trying: number, in: path) {
                self.number = number
                self.lock = lock
                return
            }
        }
    }

    /// Whether the store object with this number still exists somewhere.
    static func isAlive(_ number: Int64, in path: FilePath) throws(SyscallError) -> Bool {
        try RangeLock.isHeld(number, in: path)
    }
}
