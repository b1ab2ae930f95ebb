// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// The two devices that a pool lies on, held open until the pool holds them itself.
struct PoolDevices: ~Copyable {
    let data: BlockDevice
    let metadata: BlockDevice

    init(data: consuming BlockDevice, metadata: consuming BlockDevice) {
        self.data = data
        self.metadata = metadata
    }

    /// Makes loop devices over the files of a pool for trying out; they go away with the pool.
    init(filesIn directory: Directory) throws(SyscallError) {
        let data = try LoopDevice.attach(try directory.open(DeviceMapperLayout.data, .readWrite))
        let metadata = try LoopDevice.attach(
            try directory.open(DeviceMapperLayout.metadata, .readWrite))
        self.init(data: data, metadata: metadata)
    }

    /// A table over the whole of both.
    ///
    /// A full pool fails writes instead of holding them up.
    func table(blockSectors: UInt64) throws(SyscallError) -> MappedTarget {
        let sectors = try data.size() / 512 / blockSectors * blockSectors
        return MappedTarget(
            type: "thin-pool", sectors: sectors,
            parameters: "\(metadata.number) \(data.number) \(blockSectors) 0 1 error_if_no_space")
    }
}
