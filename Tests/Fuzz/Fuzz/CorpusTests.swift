// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import Testing

/// What the fuzzer has found to reach much code is read to its end or refused, whole and damaged.
@Suite struct CorpusTests {
    /// How often each input is damaged.
    private static let rounds = 500

    @Test(arguments: Parser.allCases)
    func `inputs of the corpus are read or refused, damaged ones too`(_ parser: Parser) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../corpus/\(parser.rawValue)")
        let files = try FileManager.default.contentsOfDirectory(
            at: folder, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        let seed = ProcessInfo.processInfo.environment["GRAPH_TEST_SEED"].flatMap(UInt64.init) ?? 1
        var random = Damage(state: seed)
        for file in files {
            let input = [UInt8](try Data(contentsOf: file))
            // A trap ends the process; what runs says so before.
            parser.run(input)
            for _ in 0..<Self.rounds { parser.run(random.damaged(input)) }
        }
    }
}

/// Random damage; SplitMix64.
private struct Damage: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    /// Bytes flipped, cut off or doubled.
    mutating func damaged(_ input: [UInt8]) -> [UInt8] {
        var bytes = input
        for _ in 0..<Int.random(in: 1...4, using: &self) where !bytes.isEmpty {
            let place = Int.random(in: bytes.indices, using: &self)
            switch Int.random(in: 0..<4, using: &self) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &self)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
            case 2: bytes.removeLast(bytes.count - place)
            default:
                let end = min(bytes.count, place + Int.random(in: 1...600, using: &self))
                bytes.insert(contentsOf: bytes[place..<end], at: place)
            }
        }
        return bytes
    }
}
