// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import Testing

/// What the fuzzer has found to reach much code is read to its end or refused, whole and damaged.
@Suite struct CorpusTests {
    /// How often each input is damaged.
    private static let rounds = 500

    @Test(arguments: Parser.allCases)
    func `inputs of the corpus are read or refused, damaged ones too`(_ parser: Parser) throws {
        let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../corpus/\(parser.rawValue)")
        let inputs = try FileManager.default.contentsOfDirectory(
            at: directory, includingPropertiesForKeys: nil
        ).map { [UInt8](try Data(contentsOf: $0)) }
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        // Where a parser does not answer, its trap ends this process.
        let whole = inputs.map { parser.run($0) }
        let damaged = inputs.flatMap { input in
            (0..<Self.rounds).map { _ in parser.run(Self.damage(input, &random)) }
        }
        // The layer of this recipe is not there.
        #expect(parser == .recipe || whole.contains(true))
        #expect(damaged.contains(false))
    }

    /// Bytes flipped, cut off or doubled.
    private static func damage(_ input: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = input
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeLast(bytes.count - place)
            default:
                let end = min(bytes.count, place + Int.random(in: 1...600, using: &random))
                bytes.insert(contentsOf: bytes[place..<end], at: place)
            }
        }
        return bytes
    }
}
