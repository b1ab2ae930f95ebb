// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import Measure

/// A new filesystem on a loop device with direct I/O, mounted for this process alone.
///
/// Nothing of it outlives the process, however that ends: the image has no name any more, the
/// device is let go by the kernel with its last user, and the mount is in a namespace of its own.
/// Only after SIGKILL an empty directory is left.
final class Bed {
    enum Filesystem: String, CaseIterable {
        case ext4, xfs, btrfs

        static func parse(_ name: String) throws -> Filesystem {
            guard let known = Filesystem(rawValue: name) else {
                throw MeasureError("no filesystem \(name): ext4, xfs or btrfs")
            }
            return known
        }

        /// Makes everything now that would be made in the background later.
        var making: [String] {
            switch self {
            case .ext4:
                ["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"]
            case .xfs: ["mkfs.xfs", "-q", "-K", "-m", "reflink=1"]
            case .btrfs: ["mkfs.btrfs", "-q", "-K"]
            }
        }
    }

    let filesystem: Filesystem
    let sizeBytes: Int
    /// The mount point.
    let path: String
    /// `/dev/loopN`.
    let device: String
    private let directory: String
    private let deviceDescriptor: CInt
    private var root: CInt = -1

    /// Makes a filesystem in a new file below `directory`.
    init(_ filesystem: Filesystem, sizeBytes: Int, in parent: String) throws {
        (self.filesystem, self.sizeBytes) = (filesystem, sizeBytes)
        var template = Array("\(parent)/graphbench.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw failure("mkdtemp in \(parent)") }
        let directory = String(
            decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.directory = directory
        path = directory + "/bed"
        let image = directory + "/image"
        do {
            mkdir(path, 0o700)
            // Its blocks exist: the disk is not full halfway, and no write waits for a new block.
            try Tool.run("fallocate", "-l", "\(sizeBytes)", image)
            device = try Tool.run(
                "losetup", "--find", "--show", "--direct-io=on", image
            ).output
        } catch {
            unlink(image)
            rmdir(path)
            rmdir(directory)
            throw error
        }
        deviceDescriptor = cmeasure_open(device, O_RDONLY, 0)
        unlink(image)
        // Takes effect when nobody has it open any more.
        try Tool.run("losetup", "--detach", device)
        guard deviceDescriptor != -1 else { throw failure("open \(device)") }
        try Tool.run(filesystem.making + [device])
        try mount()
    }

    deinit { takeDown() }

    private func mount() throws {
        try Tool.run("mount", "-t", filesystem.rawValue, "-o", "noatime", device, path)
        root = cmeasure_open(path, O_RDONLY | O_DIRECTORY, 0)
        guard root != -1 else { throw failure("open \(path)") }
    }

    /// Unmounts and mounts again, so that nothing of it is in memory.
    func makeCold() throws {
        close(root)
        root = -1
        // Loop devices over its files go away after their last user, not with it.
        var tries = 0
        while umount2(path, 0) == -1 {
            guard errno == EBUSY, tries < 200 else { throw failure("umount \(path)") }
            tries += 1
            usleep(10_000)
        }
        try mount()
    }

    /// Unmounts whatever is mounted there, and gives the space back.
    func takeDown() {
        if root != -1 { close(root) }
        root = -1
        let mounted = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        for line in mounted.split(separator: "\n").reversed() {
            let point = String(line.split(separator: " ")[4])
            if point == path || point.hasPrefix(path + "/") { umount2(point, CInt(MNT_DETACH)) }
        }
        if deviceDescriptor != -1 { close(deviceDescriptor) }
        rmdir(path)
        rmdir(directory)
    }

    /// Writes all that is waiting to the device.
    func sync() throws {
        if cmeasure_sync_filesystem(root) == -1 { throw failure("syncfs \(path)") }
    }

    /// Bytes that the device was told to write so far: field 7 of `/sys/block/loopN/stat`.
    func writtenBytes() throws -> Double {
        let name = device.dropFirst("/dev/".count)
        let text = try String(contentsOfFile: "/sys/block/\(name)/stat", encoding: .utf8)
        let fields = text.split { $0 == " " || $0 == "\n" }
        guard fields.count > 6, let sectors = Double(fields[6]) else {
            throw MeasureError("no counters of \(device)")
        }
        return sectors * 512
    }

    /// Bytes in use.
    func usedBytes() throws -> Double {
        var status = statvfs()
        if fstatvfs(root, &status) == -1 { throw failure("fstatvfs \(path)") }
        return Double(status.f_blocks - status.f_bfree) * Double(status.f_frsize)
    }

    /// How it is mounted, as the kernel tells.
    var mountOptions: String {
        let mounted = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
        let line = mounted.split(separator: "\n").first { $0.contains(" \(path) ") }
        return line.map { String($0.split(separator: " ")[3]) } ?? "unknown"
    }
}

/// The failure of the last call, told with errno.
func failure(_ call: String) -> MeasureError {
    MeasureError("\(call): \(String(cString: strerror(errno)))")
}
