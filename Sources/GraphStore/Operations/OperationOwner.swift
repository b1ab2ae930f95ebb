// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import Synchronization
import SystemPackage

/// Who this store object is to others that see what it has begun, and who of the others still lives.
final class OperationOwner: Sendable {
    private let path: FilePath
    /// Filled before the disk is full: when this object begins to change the store.
    private let reserves: [Reserve]
    private let ownerIfAny = Mutex<Owner?>(nil)

    init(_ path: FilePath, filling reserves: [Reserve]) {
        (self.path, self.reserves) = (path, reserves)
    }

    /// This object's number; its lock is taken when the first operation needs it.
    func number() throws(DriverError) -> Int64 {
        do {
            return try ownerIfAny.withLock { owner throws(SyscallError) in
                if let owner { return owner.number }
                let new = try Owner(in: path)
                owner = new
                for reserve in reserves { reserve.fill() }
                return new.number
            }
        } catch {
            throw DriverError("lock \(path)", error)
        }
    }

    /// Whether the object that began an operation still works on it.
    func isAlive(_ owner: Int64?) throws(DriverError) -> Bool {
        guard let owner else { return false }
        return try attempting(
            "ask for the owner of an operation", try Owner.isAlive(owner, in: path))
    }
}
