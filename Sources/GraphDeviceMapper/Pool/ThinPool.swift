// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// The thin pool of a store, active.
///
/// What the pool is told to change is numbered: the number of the next change is written to
/// `pool/transaction` first and put on disk, then the pool is told, then it is given the number. So
/// the pool's number is the file's or one less, after whatever power cut; anything else means that
/// somebody else has used the pool, or that one of the two was put back from a copy.
final class ThinPool: Sendable {
    let mapper: DeviceMapper
    let settings: PoolSettings
    /// `ROOT/devicemapper/pool`.
    let path: FilePath
    let directory: Directory
    let number: DeviceNumber
    /// Of the pool as it is, which may be somebody else's.
    let blockSectors: UInt64

    var name: String { settings.poolName }
    private var transaction: PoolTransaction { PoolTransaction(in: directory) }

    init(
        _ mapper: DeviceMapper, _ settings: PoolSettings, at path: FilePath, _ directory: Directory,
        _ number: DeviceNumber, blockSectors: UInt64
    ) {
        (self.mapper, self.settings) = (mapper, settings)
        (self.path, self.directory) = (path, directory)
        (self.number, self.blockSectors) = (number, blockSectors)
    }

    /// Waits until nobody else makes, activates or changes the pool in a directory, and keeps others
    /// from it for as long as the result lives.
    static func lock(in directory: FilePath) throws(DriverError) -> RangeLock {
        try attempting(
            "wait for the pool in \(directory)",
            try RangeLock(waitingFor: 0, in: directory.appending(DeviceMapperLayout.lock)))
    }

    /// How the pool fares now.
    func status() throws(DriverError) -> PoolStatus {
        let target = try attempting(
            "ask pool \(name)", try mapper.target(of: name, status: true))
        guard let target, let status = PoolStatus(target, blockSectors: blockSectors) else {
            throw DriverError(.system, "pool \(name) is not there any more")
        }
        return status
    }

    /// The volume of a number, as a value.
    func volume(
        _ number: UInt32, sectors: UInt64, options: [MountOption] = [], readOnly: Bool
    ) -> ThinVolume {
        settings.volume(
            number, pool: self.number, sectors: sectors, options: options, readOnly: readOnly,
            lock: path.appending(DeviceMapperLayout.lock))
    }

    /// Whether the pool takes messages, and is this store's as far as can be told.
    var isChangeable: Bool { (try? requireChangeable()) != nil }

    /// Refuses to go on with a pool that cannot be written, or is not where the store's last change
    /// left it.
    func requireChangeable() throws(DriverError) {
        let status = try status()
        try status.requireWritable(name)
        try requireOwnTransaction(status)
    }

    /// Refuses to go on with a pool that is not where the store's last change left it, whether it can be
    /// written or not.
    func requireOwnTransaction() throws(DriverError) { try requireOwnTransaction(try status()) }

    private func requireOwnTransaction(_ status: PoolStatus) throws(DriverError) {
        do throws(DriverError) {
            try requireSameTransaction(status)
        } catch {
            // Another process may have made changes between the two looks.
            let lock = try Self.lock(in: path)
            try requireSameTransaction(try self.status())
            _ = consume lock
        }
    }

    // MARK: Changes

    /// Whether the pool is where the store's last change left it.
    ///
    /// - Throws: ``DriverError/Code/storeReadOnly`` with what to do when it is not.
    func requireSameTransaction(_ status: PoolStatus) throws(DriverError) {
        guard settings.hasBase else { return }
        let known = try attempting("read the pool's transaction", try transaction.number())
        if status.mode == "Fail" || known == status.transaction { return }
        if known == status.transaction + 1 { return }
        throw DriverError(
            .storeReadOnly,
            "the store knows change \(known.map(String.init) ?? "none") of pool \(name), and the pool "
                + "is at \(status.transaction): another program has changed the pool, or the store or "
                + "the pool is an older copy; nothing is changed until both are from the same time, "
                + "or the number in \(path.appending("transaction")) is set to that of the pool")
    }

    /// Has the pool make one change, told in one message, if `isWanted` says so once nobody else can
    /// change the pool.
    func change(
        _ action: String, _ message: String,
        if isWanted: () throws(DriverError) -> Bool = { () throws(DriverError) in true }
    ) throws(DriverError) {
        let lock = try Self.lock(in: path)
        try changeLocked(action, message, if: isWanted)
        _ = consume lock
    }

    /// The same, where the caller holds the lock.
    func changeLocked(
        _ action: String, _ message: String,
        if isWanted: () throws(DriverError) -> Bool = { () throws(DriverError) in true }
    ) throws(DriverError) {
        let status = try status()
        try status.requireWritable(name)
        try requireSameTransaction(status)
        guard try isWanted() else { return }
        do throws(SyscallError) {
            try transaction.write(status.transaction + 1)
            try mapper.send(message, to: name)
            try mapper.send(
                "set_transaction_id \(status.transaction) \(status.transaction + 1)", to: name)
        } catch {
            throw describe(action, error)
        }
    }

    /// A failed message: for want of metadata the pool answers with other numbers too.
    private func describe(_ action: String, _ error: SyscallError) -> DriverError {
        if let now = try? status() {
            do throws(DriverError) {
                try now.requireWritable(name)
            } catch {
                return DriverError(
                    error.code, "could not \(action): \(error.message)", resource: error.resource)
            }
        }
        if error.errno == .noSpace {
            return DriverError(
                .noSpace, "could not \(action)", cause: error, resource: .poolMetadata)
        }
        return DriverError(action, error)
    }

    // MARK: Volumes

    /// Makes the volume of a layer as a snapshot of another one.
    ///
    /// What a power cut left under the number is deleted first.
    func makeSnapshot(_ number: LayerNumber, of origin: UInt32) throws(DriverError) {
        do throws(DriverError) {
            try snapshotLocked(number, of: origin)
        } catch {
            guard error.cause?.errno == .fileExists else { throw error }
            try delete(number, discarding: nil) { true }
            try snapshotLocked(number, of: origin)
        }
    }

    private func snapshotLocked(_ number: LayerNumber, of origin: UInt32) throws(DriverError) {
        let lock = try Self.lock(in: path)
        // Writes on their way to a mounted origin would be in the snapshot or not, at random.
        let device = "\(settings.prefix)\(origin)"
        let isActive = try attempting(
            "look at volume \(origin)", try mapper.status(of: device)?.isActive ?? false)
        if isActive { try attempting("suspend volume \(origin)", try suspend(device)) }
        defer { if isActive { try? mapper.resume(device) } }
        try changeLocked("make the volume of layer \(number)", "create_snap \(number) \(origin)")
        _ = consume lock
    }

    /// Suspends a device, unless its last user has just let go.
    private func suspend(_ device: String) throws(SyscallError) {
        do throws(SyscallError) {
            try mapper.suspend(device)
        } catch  where error.errno == .noSuchAddressOrDevice {
            return
        }
    }

    /// Deletes a volume with its device; one that does not exist is no error.
    ///
    /// Does nothing when `isWanted` says so once nobody else can change the pool. Throws `EBUSY` as
    /// the cause when something uses the volume.
    func delete(
        _ number: LayerNumber, discarding sectors: UInt64?, if isWanted: () -> Bool
    ) throws(DriverError) {
        let device = "\(settings.prefix)\(number)"
        let action = "take the device of layer \(number) away"
        // One that was abandoned has let go of the volume, whoever still holds it.
        let isAbandoned = try attempting(action, try mapper.target(of: device)?.type == "error")
        // One given out whose record was lost goes too, unless somebody has it open.
        try attempting(action, try removeUnused(settings.deviceName(for: number)))
        if !isAbandoned { try attempting(action, try removeUnused(device)) }
        if let sectors, !isAbandoned, isWanted() {
            try requireChangeable()
            // Of no use where the pool takes no writes; deleting gives the pool its blocks anyway.
            let volume = volume(number.rawValue, sectors: sectors, readOnly: false)
            if let open = try? volume.open(mapper) { try? open.device.discard() }
            try attempting(action, try removeUnused(device))
        }
        var tries = 0
        while true {
            do throws(DriverError) {
                return try change("delete the volume of layer \(number)", "delete \(number)") {
                    isWanted()
                }
            } catch {
                // There is none: the message is refused before anything is changed.
                if error.cause?.errno == .noData { return }
                // The device's name is gone before it has let go of the volume.
                if error.cause?.errno != .resourceBusy || tries > 100 { throw error }
            }
            tries += 1
            Pause.milliseconds(20)
        }
    }

    /// The device of a layer's volume while something uses it; nil when nothing does.
    ///
    /// Who has it open and has not claimed it, as a mount does, may be about to let go: udev reads each
    /// device that was written to. That is waited for a little.
    func usedDevice(of layer: LayerNumber) throws(SyscallError) -> MappedDevice? {
        var tries = 0
        while true {
            guard let found = try mapper.status(of: "\(settings.prefix)\(layer)"), found.isActive,
                found.openCount > 0
            else { return nil }
            if try isClaimed(found, as: layer) { return found }
            tries += 1
            if tries == 50 { return found }
            Pause.milliseconds(20)
        }
    }

    /// To look is to claim for a moment, which another who looks must not take for a mount; a store that cannot
    /// be written has no lock.
    private func isClaimed(
        _ device: MappedDevice, as layer: LayerNumber
    ) throws(SyscallError) -> Bool {
        let lock = try? RangeLock(
            waitingFor: Int64(layer.rawValue) + 1, in: path.appending(DeviceMapperLayout.lock))
        defer { withExtendedLifetime(lock) {} }
        return try BlockDevice.isClaimed(device.number)
    }

    /// Takes a device away that nobody uses, and waits a little for who is about to let go.
    ///
    /// - Throws: `EBUSY` when it stays in use, naming by whom where that can be seen.
    func removeUnused(_ device: String, awaitingNode: Bool = false) throws(SyscallError) {
        var tries = 0
        while true {
            do throws(SyscallError) {
                return try mapper.remove(device, awaitingNode: awaitingNode)
            } catch  where error.errno == .resourceBusy {
                tries += 1
                if tries < 50 {
                    Pause.milliseconds(20)
                    continue
                }
                guard let number = try mapper.status(of: device)?.number else { return }
                let holders = DeviceHolders.processes(mounting: number)
                let who = holders.map { "process \($0)" }.joined(separator: ", ")
                throw SyscallError(
                    call: error.call, errno: error.errno,
                    detail: holders.isEmpty ? nil : "mounted where \(who) lives")
            }
        }
    }
}
