// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphBuiltins
import GraphCore
import GraphStore
import Logging
import SystemPackage

/// Measures what a look for users of a layer costs, which mounting, committing and removing begin with.
///
/// `layer-use ROOT RUN-ROOT DRIVER ROUNDS` makes a store, and in it a layer with a parent and one without, which
/// are mounted, unmounted and asked for in turn. It prints a line for each layer and step: the median, the
/// least and the most of the microseconds that the look took, and how many processes there were.
@main
struct LayerUse {
    static func main() {
        do {
            try run(CommandLine.arguments)
        } catch {
            FileHandle.standardError.write(Data("layer-use: \(error)\n".utf8))
            exit(1)
        }
    }

    private static let steps: [(name: String, step: LayerStep)] = [
        ("mounting", .mounting), ("committing", .committing), ("removing", .removing),
    ]

    private static func run(_ arguments: [String]) throws {
        guard arguments.count == 5, let rounds = Int(arguments[4]), rounds > 0 else {
            throw DriverError(
                .invalidArgument, "usage: layer-use ROOT RUN-ROOT DRIVER ROUNDS")
        }
        let store = try LayerStore(
            LayerStore.Configuration(
                root: FilePath(arguments[1]), runRoot: FilePath(arguments[2]), driver: arguments[3],
                logger: Logger(label: "layer-use")),
            drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
        let base = try store.commit(try store.create().id)
        let layers = [("child", try store.create(parent: base.id)), ("base", try store.create())]
        var times: [String: [Double]] = [:]
        let clock = ContinuousClock()
        for round in -3..<rounds {
            for (name, layer) in layers {
                let mounted = try store.mount(layer.id)
                try Data("x".utf8).write(
                    to: URL(fileURLWithPath: mounted.path.appending("f").string))
                try store.unmount(layer: layer.id)
                for (step, value) in steps {
                    let start = clock.now
                    let use = try store.driver.unrecordedUse(
                        of: layer.number, before: value, hasLostMount: false)
                    let (seconds, attoseconds) = (clock.now - start).components
                    precondition(use == nil, "nobody uses it")
                    if round < 0 { continue }
                    times["\(name) \(step)", default: []].append(
                        Double(seconds) * 1e6 + Double(attoseconds) / 1e12)
                }
            }
        }
        let processes = try FileManager.default.contentsOfDirectory(atPath: "/proc")
            .count { Int($0) != nil }
        for (name, all) in times.sorted(by: { $0.key < $1.key }) {
            let sorted = all.sorted()
            let text = [sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1]]
                .map { String(format: "%.1f", $0) }.joined(separator: " ")
            print(name, text, "us,", processes, "processes")
        }
        for (_, layer) in layers { try store.remove(layer.id) }
        try store.remove(base.id)
    }
}
