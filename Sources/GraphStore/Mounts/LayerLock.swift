// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// The right to mount, unmount, commit and remove a layer, which one holder has at a time, whatever its run
/// root.
///
/// A byte of `owners.lock`, which every store has, behind all of those that tell owners apart. Where the
/// store is only read, holders share that byte with each other, where they can lock it at all, and one of
/// them has the byte in RUN-ROOT: a store on read-only media has no other users.
struct LayerLock: ~Copyable {
    private let inRoot: RangeLock?
    private let inRunRoot: RangeLock?

    /// Owners' numbers end below.
    private static let firstByte: Int64 = 1 << 62

    /// Waits for the lock.
    init(
        on number: LayerNumber, _ paths: StorePaths, isReadOnly: Bool
    ) throws(DriverError) {
        let byte = Self.firstByte + Int64(number.rawValue)
        if isReadOnly {
            let shared = try? RangeLock(sharing: byte, in: paths.owners)
            inRunRoot = try Self.waitInRunRoot(for: number, paths)
            inRoot = shared
        } else {
            inRoot = try attempting(
                "lock layer number \(number)", try RangeLock(waitingFor: byte, in: paths.owners))
            inRunRoot = nil
        }
    }

    private static func waitInRunRoot(
        for number: LayerNumber, _ paths: StorePaths
    ) throws(DriverError) -> RangeLock {
        do throws(SyscallError) {
            return try RangeLock(waitingFor: Int64(number.rawValue), in: paths.layerLocks)
        } catch  where error.errno == .noSuchFileOrDirectory {
            try paths.makeRunRoot()
            return try attempting(
                "lock layer number \(number)",
                try RangeLock(waitingFor: Int64(number.rawValue), in: paths.layerLocks))
        } catch {
            throw DriverError("lock layer number \(number)", error)
        }
    }
}
