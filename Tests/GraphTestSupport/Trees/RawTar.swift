// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
package import SystemPackage

/// A tar written block by block to a file, with whatever its headers shall say.
///
/// Not the project's own writer, which refuses to write what readers must refuse.
package final class RawTar {
    private var buffer: [UInt8] = []
    private let file: FileHandle
    /// Bytes written.
    package private(set) var byteCount: UInt64 = 0

    /// Begins a file.
    package init(_ path: FilePath) throws {
        try Data().write(to: URL(fileURLWithPath: path.string))
        guard let file = FileHandle(forWritingAtPath: path.string) else {
            throw CocoaError(.fileWriteUnknown)
        }
        self.file = file
    }

    /// Writes a whole archive.
    package static func write(_ path: FilePath, _ body: (RawTar) throws -> Void) throws {
        let tar = try RawTar(path)
        try body(tar)
        try tar.finish()
    }

    /// Adds a member: its header with a right checksum, and its content, if it has any.
    ///
    /// `size` is what the header says where that is not the size of the content.
    package func add(
        _ name: String, type: Character = "0", link: String = "", content: [UInt8] = [],
        size: UInt64? = nil, device: (major: Int, minor: Int) = (0, 0), mode: Int = 0o644
    ) throws {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ bytes: some Sequence<UInt8>, at place: Int) {
            for (index, byte) in bytes.enumerated() { block[place + index] = byte }
        }
        func octal(_ value: UInt64, digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array(String(repeating: "0", count: digits - text.count).utf8) + Array(text.utf8)
        }
        put(name.utf8.prefix(100), at: 0)
        put(octal(UInt64(mode), digits: 7), at: 100)
        put(octal(0, digits: 7), at: 108)
        put(octal(0, digits: 7), at: 116)
        put(octal(size ?? UInt64(content.count), digits: 11), at: 124)
        put(octal(1_700_000_000, digits: 11), at: 136)
        put(type.utf8, at: 156)
        put(link.utf8.prefix(100), at: 157)
        put("ustar\u{0}00".utf8, at: 257)
        put(octal(UInt64(device.major), digits: 7), at: 329)
        put(octal(UInt64(device.minor), digits: 7), at: 337)
        put(repeatElement(UInt8(ascii: " "), count: 8), at: 148)
        let sum = block.reduce(UInt64(0)) { $0 + UInt64($1) }
        put(octal(sum, digits: 6) + [0], at: 148)
        try add(block)
        try add(content)
        try add([UInt8](repeating: 0, count: (512 - content.count % 512) % 512))
    }

    /// Adds an extension header of the PAX format for the member that follows, or with `g` for all.
    package func addRecords(
        _ records: [(key: String, value: [UInt8])], type: Character = "x"
    ) throws {
        var body: [UInt8] = []
        for (key, value) in records {
            let rest = key.utf8.count + value.count + 3
            var length = rest + String(rest).utf8.count
            if String(length).utf8.count > String(rest).utf8.count { length += 1 }
            body += Array("\(length) \(key)=".utf8) + value + [UInt8(ascii: "\n")]
        }
        try add("extension", type: type, content: body)
    }

    /// Adds bytes as they are.
    package func add(_ bytes: [UInt8]) throws {
        buffer += bytes
        byteCount += UInt64(bytes.count)
        if buffer.count > 1 << 20 { try flush() }
    }

    /// Adds the end marker and closes the file.
    package func finish() throws {
        try add([UInt8](repeating: 0, count: 1024))
        try close()
    }

    /// Closes the file as it is.
    package func close() throws {
        try flush()
        try file.close()
    }

    private func flush() throws {
        try file.write(contentsOf: Data(buffer))
        buffer.removeAll(keepingCapacity: true)
    }
}
