// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
public import SystemPackage

/// How the loop image of a store fares.
public struct LoopImageStatus: Hashable, Sendable {
    /// The image file.
    public let image: FilePath
    /// The loop device that shows it, as `/dev` names it; nil while it is not mounted here.
    public let device: FilePath?
    /// Whether the device goes past the page cache of the image; nil while it is not mounted here.
    public let isDirect: Bool?
    /// Bytes of the image.
    public let size: UInt64
    /// Bytes of the filesystem in it; nil while it is not mounted here.
    public let filesystemBytes: UInt64?
    /// Bytes of it that are free; nil while it is not mounted here.
    public let availableBytes: UInt64?
    /// Bytes that the image takes on the filesystem below.
    public let allocatedBytes: UInt64
    /// The type of the filesystem below, as mount(8) spells it.
    public let hostFilesystem: String
    /// Bytes left on the filesystem below.
    public let hostAvailableBytes: UInt64

    /// What is known of a loop image that is not mounted, and of one that is.
    init(
        root: FilePath, directory: Directory, image: FileStatus, mounted: FilesystemStatus? = nil,
        device: FilePath? = nil, isDirect: Bool? = nil
    ) throws(DriverError) {
        let below = try attempting("look at \(root)", try directory.descriptor.filesystem())
        self.image = root.appending(LoopImageLayout.image.description)
        (self.device, self.isDirect) = (device, isDirect)
        (size, allocatedBytes) = (image.size, image.allocatedBytes)
        (filesystemBytes, availableBytes) = (mounted?.totalBytes, mounted?.availableBytes)
        (hostFilesystem, hostAvailableBytes) = (below.typeName, below.availableBytes)
    }

    /// Whether the filesystem below is so full that layers can hardly be written.
    public var isShort: Bool { hostAvailableBytes < LoopImageSpace.spareBytes }
}

extension LoopImage {
    /// How the loop image fares.
    func status() throws(DriverError) -> LoopImageStatus {
        let (directory, image) = try imageStatus()
        let filesystem = try attempting(
            "look at \(path)", try tree.descriptor.filesystem())
        // Who may only read the store may not ask the device.
        let isDirect = try? LoopDevice.isDirect(BlockDevice(device, readOnly: true))
        return try LoopImageStatus(
            root: root, directory: directory, image: image, mounted: filesystem,
            device: FilePath("/dev/loop\(device.minor)"), isDirect: isDirect)
    }
}
