// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphCore
import SystemPackage

/// Compares what the steps of a container's life cost in a small store and in a large one.
///
/// `store-scale FOLDER [SMALL LARGE ROUNDS]`: makes both stores below FOLDER, runs the rounds in
/// turn, so that both see the same moods of the machine, and prints medians and their ratios.
/// Ends with status 1 when a ratio is above 1.2.
@main
struct StoreScale {
    static let ratioMax = 1.2

    static func main() {
        do {
            try run()
        } catch {
            FileHandle.standardError.write(Data("store-scale: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run() throws {
        let arguments = CommandLine.arguments
        guard arguments.count > 1 else {
            throw DriverError(.invalidArgument, "usage: store-scale FOLDER [SMALL LARGE ROUNDS]")
        }
        let given = arguments.dropFirst(2).compactMap { Int($0) }
        let numbers = given + [10, 10_000, 500].dropFirst(given.count)
        let (smallCount, largeCount, rounds) = (numbers[0], numbers[1], numbers[2])
        let folder = FilePath(arguments[1])
        let small = try MeasuredStore(
            root: folder.appending("small"), layerCount: smallCount)
        let large = try MeasuredStore(
            root: folder.appending("large"), layerCount: largeCount)
        for round in 0..<(rounds + 20) {
            let isMeasured = round >= 20
            // Who goes first changes, so that neither always pays for the other.
            for store in round.isMultiple(of: 2) ? [small, large] : [large, small] {
                try store.runRound(isMeasured: isMeasured)
            }
        }
        try report(small, large, rounds)
    }

    private static func report(
        _ small: MeasuredStore, _ large: MeasuredStore, _ rounds: Int
    ) throws {
        print("\(rounds) rounds, medians in microseconds (90 % in brackets)")
        print("operation        \(small.layerCount) layers     \(large.layerCount) layers   ratio")
        var worst = 0.0
        for operation in MeasuredStore.Operation.allCases {
            let before = small.microseconds(operation, share: 0.5)
            let after = large.microseconds(operation, share: 0.5)
            let ratio = after / before
            worst = max(worst, ratio)
            print(
                String(
                    format: "%@ %8.0f (%6.0f) %8.0f (%6.0f) %7.2f",
                    operation.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0), before,
                    small.microseconds(operation, share: 0.9), after,
                    large.microseconds(operation, share: 0.9), ratio))
        }
        if worst > ratioMax {
            throw DriverError(
                .system, "an operation costs more than \(ratioMax) times as much in the large store"
            )
        }
    }
}
