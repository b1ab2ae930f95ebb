// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// The volume with the empty filesystem, of which every layer without a parent is a snapshot.
struct PoolBase {
    private let pool: ThinPool

    /// Describes the one of a pool, made or not.
    init(of pool: ThinPool) { self.pool = pool }

    /// Makes it; the caller holds the pool's lock.
    ///
    /// One that was begun and not finished is made once more.
    func make(_ options: DeviceMapperOptions) throws(DriverError) {
        let settings = pool.settings
        let number = DeviceMapperLayout.base
        let device = "\(settings.prefix)\(number)"
        try attempting("take \(device) away", try pool.removeUnused(device))
        do throws(DriverError) {
            try pool.changeLocked("delete an unfinished base", "delete \(number)")
        } catch  where error.cause?.errno == .noData {
            // There is none.
        }
        try pool.changeLocked("make the base", "create_thin \(number)")
        let volume = pool.volume(
            number, sectors: settings.baseSectors, options: options.mountOptions, readOnly: false)
        do throws(SyscallError) {
            let open = try volume.open(pool.mapper)
            try Self.makeFilesystem(
                settings.filesystem, options.mkfsArguments, on: open.device.path)
            try Self.makeTree(in: try volume.openFilesystem(pool.mapper))
            try open.device.descriptor.sync()
        } catch {
            throw DriverError("make a \(settings.filesystem) on the base", error)
        }
        try attempting("take \(device) away", try pool.removeUnused(device))
    }

    private static func makeTree(in root: Directory) throws(SyscallError) {
        let tree = try root.makeOrOpenDirectory(WholeTrees.tree, permissions: 0o755)
        try tree.descriptor.setPermissions(0o755)
        try root.descriptor.syncFilesystem()
    }

    /// Runs mkfs.
    ///
    /// A new thin volume reads as zeros: nothing has to be discarded, and no table be written.
    private static func makeFilesystem(
        _ type: String, _ arguments: [String], on device: FilePath
    ) throws(SyscallError) {
        if type == "xfs" {
            try ChildProcess.run(
                "mkfs.xfs", ["-q", "-f", "-K"] + arguments + [device.string])
        } else {
            // Nothing is kept for root, who is who writes.
            let features = ["-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", "-m", "0"]
            try ChildProcess.run(
                "mkfs.ext4", ["-q", "-F"] + features + arguments + [device.string])
        }
    }
}
