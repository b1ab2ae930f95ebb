// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBtrfs
import GraphSystem

/// A send stream with the size of the pieces it comes in, and perhaps with sound checksums: what lies
/// behind them would hardly be reached otherwise.
struct SendInput {
    private var stream: [UInt8]
    private let pieceBytes: Int

    /// The first byte tells the pieces and, by its lowest bit, whether checksums are left alone.
    init(_ bytes: [UInt8]) {
        stream = Array(bytes.dropFirst())
        let first = Int(bytes.first ?? 0)
        pieceBytes = first < 128 ? first / 2 + 1 : first << 4
        if first & 1 == 0 { mendChecksums() }
    }

    func read() throws(ArchiveError) {
        var reader = SendStreamReader()
        var commands = 0
        var position = 0
        while position < stream.count {
            let end = min(stream.count, position + pieceBytes)
            try reader.take(Array(stream[position..<end]).span) { (command) in
                commands += 1
                for path in [command.path, command.otherPath] {
                    guard let path else { continue }
                    let isOpenable = path.components.allSatisfy {
                        $0 != "." && $0 != ".." && $0.count < 256
                    }
                    precondition(isOpenable && path.count < 4_096, "a path that no file has")
                }
            }
            position = end
        }
        try reader.finish()
        precondition(commands > 0 && commands <= stream.count / 10, "commands out of nothing")
    }

    private mutating func mendChecksums() {
        var position = 17
        while position + 10 <= stream.count {
            let length = (0..<4).reduce(0) { $0 | Int(stream[position + $1]) << (8 * $1) }
            let end = position + 10 + length
            guard end <= stream.count else { return }
            for index in 6..<10 { stream[position + index] = 0 }
            var sum: UInt32 = 0
            for byte in stream[position..<end] {
                sum = sum >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)]
            }
            for index in 0..<4 {
                stream[position + 6 + index] = UInt8(truncatingIfNeeded: sum >> (8 * index))
            }
            position = end
        }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in
            value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78
        }
    }
}
