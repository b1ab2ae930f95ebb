// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// The devices of a pool's volumes that nobody uses, left by processes that died between making one and
/// using it.
struct IdleDevices {
    private let pool: ThinPool

    init(of pool: ThinPool) { self.pool = pool }

    /// Takes them away; one that is about to be used is made again by whoever wants it.
    func remove() throws(DriverError) {
        let (own, mapper) = (pool.settings.prefix, pool.mapper)
        do throws(SyscallError) {
            try mapper.removeStaleNodes(own)
            for device in try mapper.devices() where device.hasPrefix(own) && device != pool.name {
                // It stays until it is given back, also while its machine is down.
                if device.hasPrefix(own + "device-") { continue }
                guard let status = try mapper.status(of: device) else { continue }
                if status.isSuspended { try resumeAbandoned(device) }
                if status.openCount > 0 { continue }
                do throws(SyscallError) {
                    try mapper.remove(device)
                } catch  where error.errno == .resourceBusy {
                    // Somebody has just opened it.
                }
            }
        } catch {
            throw DriverError("look for idle volumes of pool \(pool.name)", error)
        }
    }

    /// Lets a device go on whose suspender died: nobody suspends one without the lock.
    private func resumeAbandoned(_ device: String) throws(SyscallError) {
        let mapper = pool.mapper
        let lock = try RangeLock(waitingFor: 0, in: pool.path.appending(DeviceMapperLayout.lock))
        let status = try mapper.status(of: device)
        if let status, status.isSuspended, status.isActive { try mapper.resume(device) }
        _ = consume lock
    }
}
