// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// One mount as `/proc/PID/mountinfo` describes it; `proc_pid_mountinfo(5)`.
struct MountInfoLine {
    /// The old id, which may be used again.
    let id: UInt64
    let device: DeviceNumber
    let root: RawPath
    let target: RawPath
    let type: String
    /// Those of the filesystem.
    let options: String

    /// The mounts of a namespace, in the order of the file.
    static func all(_ path: FilePath) throws(SyscallError) -> [MountInfoLine] {
        let table = try KernelTable(reading: OwnedDescriptor.open(path, [.readOnly]))
        return table.lines.compactMap { MountInfoLine($0) }
    }

    private init?(_ line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "))
        func text(_ index: Int) -> String { String(decoding: fields[index], as: UTF8.self) }
        // Between the sixth and the type there is any number of fields, and a hyphen behind them.
        guard fields.count > 9, let id = UInt64(text(0)),
            let hyphen = fields[6...].firstIndex(where: { $0.elementsEqual("-".utf8) }),
            fields.count > hyphen + 3
        else { return nil }
        let numbers = text(2).split(separator: ":").compactMap { UInt32($0) }
        guard numbers.count == 2 else { return nil }
        self.id = id
        device = DeviceNumber(major: numbers[0], minor: numbers[1])
        (root, target) = (Self.unescaped(fields[3]), Self.unescaped(fields[4]))
        (type, options) = (text(hyphen + 1), text(hyphen + 3))
    }

    /// Spaces, tabs, line ends and backslashes are written as three digits of base 8.
    private static func unescaped(_ field: ArraySlice<UInt8>) -> RawPath {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(3), as: UTF8.self)
            if byte == UInt8(ascii: "\\"), let value = UInt8(digits, radix: 8) {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return RawPath(trusted: bytes)
    }
}
