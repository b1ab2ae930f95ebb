// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import SystemPackage

extension LoopDevice {
    /// The major number of loop devices, fixed by the kernel (`LOOP_MAJOR`).
    package static let major: UInt32 = 7

    /// The loop device that shows a file now, whoever attached it; nil when there is none.
    ///
    /// It stays attached for as long as the result is held open.
    package static func showing(
        _ file: FileStatus, readOnly: Bool = false
    ) throws(SyscallError) -> BlockDevice? {
        for entry in try Directory(opening: "/sys/block").listing() {
            let name = entry.name.description
            guard name.hasPrefix("loop"), let minor = UInt32(name.dropFirst(4)) else { continue }
            // Minor numbers are multiples where the devices may have partitions.
            let directory = FilePath("/sys/block").appending(name)
            guard (try? Directory(opening: directory.appending("loop"))) != nil else { continue }
            let number = number(in: directory) ?? DeviceNumber(major: major, minor: minor)
            do throws(SyscallError) {
                let device = try BlockDevice(number, readOnly: readOnly)
                if try isBacked(device, by: file) { return device }
            } catch  where Self.isGone(error) {
                // Detached since it was listed.
            }
        }
        return nil
    }

    private static func isGone(_ error: SyscallError) -> Bool {
        [
            Errno.noSuchAddressOrDevice, .noSuchFileOrDirectory, .operationNotSupportedByDevice,
        ].contains(error.errno)
    }

    private static func number(in directory: FilePath) -> DeviceNumber? {
        guard let file = try? OwnedDescriptor.open(directory.appending("dev"), .readOnly),
            let bytes = try? file.readAll(limit: 64)
        else { return nil }
        return DeviceNumber(String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self))
    }

    /// Whether a loop device goes past the page cache of its file; `LO_FLAGS_DIRECT_IO`.
    package static func isDirect(_ device: borrowing BlockDevice) throws(SyscallError) -> Bool {
        let raw = device.descriptor.rawValue
        return try checked("ioctl(LOOP_GET_STATUS64)") { cgraph_loop_is_direct(raw) } == 1
    }
}
