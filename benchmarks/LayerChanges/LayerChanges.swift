// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphBuiltins
import GraphCore
import GraphStore
import Logging
import SystemPackage

/// Measures what listing the changes of layers costs a process that has the store open.
///
/// `layer-changes ROOT RUN-ROOT ROUNDS LAYER...` asks for each layer's changes in turn, 3 times to
/// warm up and ROUNDS times measured, and prints a line a layer: its id, how many changes there
/// are, and the median, the least and the most of the microseconds that the comparison took.
@main
struct LayerChanges {
    static func main() {
        do {
            try run(CommandLine.arguments)
        } catch {
            FileHandle.standardError.write(Data("layer-changes: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) throws {
        guard arguments.count > 4, let rounds = Int(arguments[3]), rounds > 0 else {
            throw DriverError(
                .invalidArgument, "usage: layer-changes ROOT RUN-ROOT ROUNDS LAYER...")
        }
        let store = try LayerStore(
            LayerStore.Configuration(
                root: FilePath(arguments[1]), runRoot: FilePath(arguments[2]),
                logger: Logger(label: "layer-changes")),
            drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
        let layers = arguments.dropFirst(4)
        var times: [String: [Double]] = [:]
        var counts: [String: Int] = [:]
        let clock = ContinuousClock()
        for round in -3..<rounds {
            for layer in layers {
                let start = clock.now
                counts[layer] = try store.changes(of: layer).count
                let (seconds, attoseconds) = (clock.now - start).components
                if round < 0 { continue }
                times[layer, default: []].append(
                    Double(seconds) * 1e6 + Double(attoseconds) / 1e12)
            }
        }
        for layer in layers {
            let sorted = (times[layer] ?? []).sorted()
            let all = [sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1]]
            let text = all.map { String(format: "%.0f", $0) }.joined(separator: " ")
            print(layer, counts[layer] ?? 0, text)
        }
    }
}
