// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphBuiltins
import GraphCore
import GraphStore
import Logging
import SystemPackage

/// Lets containers live in a process that has the store open, as a runtime does, and tells what each step took.
///
/// `LayerLife ROOT RUN-ROOT DRIVER ROUNDS [DEPTH] [volatile]` makes a store, in it a chain of DEPTH (1) committed layers, and on
/// that ROUNDS layers, one after the other: each is created, mounted, written to, unmounted, asked for and removed. It
/// prints a line for each step: the median, the least and the most of the microseconds. For who traces it, each step
/// begins with a write of its name to a descriptor that does not exist.
@main
struct LayerLife {
    static func main() throws { try run(CommandLine.arguments) }

    private static func run(_ arguments: [String]) throws {
        guard arguments.count >= 5, let rounds = Int(arguments[4]), rounds > 0 else {
            throw DriverError(
                .invalidArgument, "usage: LayerLife ROOT RUN-ROOT DRIVER ROUNDS [DEPTH] [volatile]")
        }
        let store = try LayerStore(
            LayerStore.Configuration(
                root: FilePath(arguments[1]), runRoot: FilePath(arguments[2]), driver: arguments[3],
                logger: Logger(label: "layer-life")),
            drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
        var top: String?
        for number in 0..<(arguments.count > 5 ? Int(arguments[5]) ?? 1 : 1) {
            let layer = try store.create(parent: top)
            try write(to: try store.mount(layer.id).path.appending("file-\(number)"))
            try store.unmount(layer: layer.id)
            top = try store.commit(layer.id).id
        }
        let isVolatile = arguments.last == "volatile"
        var life = Life()
        // The first ones make what later ones find.
        for round in -3..<rounds {
            if round == 0 { life = Life() }
            let layer = try life.step("create") {
                try store.create(parent: top, volatile: isVolatile)
            }
            let mounted = try life.step("mount") { try store.mount(layer.id) }
            try write(to: mounted.path.appending("written"))
            try life.step("unmount") { _ = try store.unmount(layer: layer.id) }
            _ = try life.step("get") { try store.layer(layer.id) }
            try life.step("remove") { _ = try store.remove(layer.id) }
            mark("end")
        }
        life.report()
        try store.reclaim()
    }

    private static func write(to path: FilePath) throws {
        let file = try FileDescriptor.open(
            path, .writeOnly, options: .create, permissions: .ownerReadWrite)
        try file.closeAfter { _ = try file.writeAll("written\n".utf8) }
    }
}

/// Says where a step begins.
private func mark(_ name: String) { _ = try? FileDescriptor(rawValue: -1).writeAll(name.utf8) }

/// What the steps took so far.
private struct Life {
    private var times: [(name: String, nanoseconds: [Int64])] = []

    mutating func step<Value>(_ name: String, _ body: () throws -> Value) rethrows -> Value {
        mark(name)
        let start = ContinuousClock.now
        defer {
            let took = (ContinuousClock.now - start).components
            let nanoseconds = took.seconds * 1_000_000_000 + took.attoseconds / 1_000_000_000
            if let index = times.firstIndex(where: { $0.name == name }) {
                times[index].nanoseconds.append(nanoseconds)
            } else {
                times.append((name, [nanoseconds]))
            }
        }
        return try body()
    }

    func report() {
        for (name, all) in times {
            let sorted = all.sorted()
            let figures = [sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1]]
            print(name, figures.map { "\($0 / 1_000).\($0 / 100 % 10)" }.joined(separator: " "))
        }
    }
}
