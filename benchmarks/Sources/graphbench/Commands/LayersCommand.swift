// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import Foundation
import GraphBuiltins
import GraphCore
import GraphStore
import Logging
import Measure
import SystemPackage

/// `graphbench layers`: what is done with whole layers.
struct LayersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layers",
        abstract: "What making, mounting, applying, comparing and removing layers costs.",
        discussion: """
            By number of layers in the store, by depth of the chain, with several processes at \
            once, and beside the peers that are installed: containers-storage, and containerd \
            over its socket. All in turn in one run.
            """)

    @OptionGroup var options: RunOptions

    @Option(help: ArgumentHelp("The graphctl to measure as a command.", valueName: "file"))
    var graphctl: String?

    @Option(
        parsing: .upToNextOption,
        help: "Only these parts: scale, depth, processes, streams.")
    var parts = Part.allCases

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case scale, depth, processes, streams
    }

    func run() throws {
        try options.run { result in
            let recorder = Recorder()
            var beds: [Bed] = []
            defer { for bed in beds { bed.takeDown() } }
            let bedBytes = (options.bedSize ?? options.effort(2048, 8192, 12288)) << 20
            let kinds: [Bed.Filesystem] = options.quick ? [.ext4] : [.ext4, .btrfs]
            for kind in kinds {
                beds.append(try Bed(kind, sizeBytes: bedBytes, in: options.directory))
                result.machine.mounts["\(kind)"] = beds[beds.count - 1].mountOptions
            }
            for part in parts {
                tell("part \(part)")
                switch part {
                case .scale: try measureScale(beds, recorder)
                case .depth: try measureDepth(beds, recorder)
                case .processes: try measureProcesses(beds[0], recorder)
                case .streams: try measureStreams(beds, recorder, &result)
                }
            }
            result.series = recorder.all
        }
    }

    private func tell(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    private func measureScale(_ beds: [Bed], _ recorder: Recorder) throws {
        let counts = options.effort(
            [10, 1000], [10, 1000, 10_000], [10, 100, 1000, 10_000, 50_000])
        var stores = try counts.map {
            try FilledStore("overlay", on: beds[0], layers: $0)
        }
        if beds.count > 1 {
            for count in [10, 1000] {
                stores.append(try FilledStore("btrfs", on: beds[1], layers: count))
                stores.append(try FilledStore("vfs", on: beds[0], layers: count))
            }
        }
        for round in 0..<options.effort(3, 5, 8) {
            recorder.beginRound()
            for store in round.isMultiple(of: 2) ? stores : stores.reversed() {
                try store.measure(cycles: options.effort(5, 10, 20), recorder)
            }
        }
    }

    private func measureDepth(_ beds: [Bed], _ recorder: Recorder) throws {
        let depths = options.effort([1, 20], [1, 10, 50, 125], [1, 10, 50, 125, 250, 499])
        var chains = try depths.map { try LayerChain("overlay", on: beds[0], depth: $0) }
        if beds.count > 1 {
            chains += try [1, 10, 50].map { try LayerChain("btrfs", on: beds[1], depth: $0) }
        }
        for round in 0..<options.effort(3, 5, 8) {
            recorder.beginRound()
            for chain in round.isMultiple(of: 2) ? chains : chains.reversed() {
                try chain.measure(cycles: options.effort(5, 10, 20), recorder)
            }
        }
    }

    private func measureProcesses(_ bed: Bed, _ recorder: Recorder) throws {
        let group = try ProcessGroup(on: bed)
        for _ in 0..<options.effort(2, 3, 5) {
            recorder.beginRound()
            for count in options.effort([1, 4], [1, 2, 4, 8], [1, 2, 4, 8, 16]) {
                try checkInterrupted()
                try group.measure(processes: count, cycles: options.effort(10, 20, 40), recorder)
            }
        }
        recorder.beginRound()
        let bytes = options.effort(128 << 20, 1 << 30, 5 << 30)
        try group.measureBesideApply(processes: 4, bytes: bytes, recorder)
    }

    private func measureStreams(
        _ beds: [Bed], _ recorder: Recorder, _ result: inout BenchResult
    ) throws {
        let tar = try LayerTar(
            on: beds[0], files: options.effort(1000, 4000, 8000), changed: 200)
        result.machine.versions["graphctl"] = graphctl.flatMap {
            try? Tool.run($0, "--version").output
        }
        var contenders: [any Contender] = []
        for bed in beds {
            for driver in bed.filesystem == .btrfs ? ["btrfs"] : ["overlay", "vfs"] {
                contenders.append(StoreContender(driver, on: bed))
                if let graphctl {
                    contenders.append(GraphctlContender(graphctl, driver, on: bed))
                } else {
                    result.unmeasured.append(
                        .init("graphctl as a command, \(driver)", "no --graphctl was given"))
                }
                contenders += try Peers.contenders(driver, on: bed, &result)
            }
        }
        for round in 0..<options.effort(3, 5, 7) {
            recorder.beginRound()
            for contender in round.isMultiple(of: 2) ? contenders : contenders.reversed() {
                try checkInterrupted()
                try contender.measureRound(tar, recorder)
            }
        }
    }
}

/// A store of this library on a bed, in this process.
func openStore(
    _ driver: String, at path: String, durability: Durability = .durable
) throws -> LayerStore {
    try LayerStore(
        LayerStore.Configuration(
            root: FilePath(path), runRoot: FilePath(path + "-run"), driver: driver,
            durability: durability, logger: Logger(label: "graphbench")),
        drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
}
