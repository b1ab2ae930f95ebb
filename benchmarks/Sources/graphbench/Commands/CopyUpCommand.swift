// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import Foundation
import Measure

/// `graphbench copy-up`: what the first change of a file of an image costs.
struct CopyUpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy-up",
        abstract: "What the first change of a file of a parent layer costs.",
        discussion: """
            Each backend, size and trigger in turn, round after round, on new filesystems. Beside
            them the same change of a file that nothing is shared with, and copies of the file.
            """)

    @OptionGroup var options: RunOptions

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Sizes of files, such as 4K 1M 1G.", valueName: "size"),
        transform: ByteSize.parse)
    var sizes: [Int] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Only these triggers.", valueName: "trigger"))
    var triggers: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Only these filesystems: ext4, xfs, btrfs.", valueName: "name"),
        transform: Bed.Filesystem.parse)
    var filesystems: [Bed.Filesystem] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Only these backends, and plain files: \(CopyUp.backendNames.joined(separator: ", ")).",
            valueName: "name"))
    var backends: [String] = []

    @Option(help: "How often all is measured in turn.")
    var rounds: Int?

    func validate() throws {
        for name in triggers where !Trigger.all.contains(where: { $0.name == name }) {
            throw ValidationError(
                "no trigger \(name); there are \(Trigger.all.map(\.name).joined(separator: ", "))")
        }
        for name in backends where !CopyUp.backendNames.contains(name) {
            throw ValidationError(
                "no backend \(name); there are \(CopyUp.backendNames.joined(separator: ", "))")
        }
        if let rounds, rounds < 1 { throw ValidationError("--rounds must be at least 1") }
    }

    func run() throws {
        try options.run { result in
            var plan = CopyUp.Plan(
                sizes: options.effort(
                    [4 << 10, 1 << 20, 32 << 20],
                    [4 << 10, 1 << 20, 64 << 20, 1 << 30],
                    [4 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20, 1 << 30]),
                rounds: rounds ?? options.effort(3, 3, 5))
            plan.samplesPerRound = options.effort(4, 8, 8)
            plan.secondsPerRound = options.effort(0.01, 0.1, 0.1)
            plan.isColdToo = !options.quick
            plan.hasSyncModes = !options.quick
            plan.secondsMax = options.effort(40, .infinity, .infinity)
            if !sizes.isEmpty { plan.sizes = sizes.sorted() }
            if !backends.isEmpty { plan.backends = backends }
            let wanted =
                !triggers.isEmpty
                ? triggers
                : options.quick ? CopyUp.quickTriggers : Trigger.all.map(\.name)
            plan.triggers = Trigger.all.filter { wanted.contains($0.name) }
            let bedBytes = (options.bedSize ?? options.effort(1536, 8192, 10240)) << 20
            var beds: [Bed] = []
            defer { for bed in beds { bed.takeDown() } }
            for kind in filesystems.isEmpty ? Bed.Filesystem.allCases : filesystems {
                beds.append(try Bed(kind, sizeBytes: bedBytes, in: options.directory))
            }
            try CopyUp(plan, beds: beds).run(&result)
        }
    }
}

/// Sizes as people write them.
enum ByteSize {
    static func parse(_ text: String) throws -> Int {
        let units = ["K": 10, "M": 20, "G": 30]
        let shift = text.last.flatMap { units[String($0).uppercased()] }
        let digits = shift == nil ? text[...] : text.dropLast()
        guard let number = Int(digits), number > 0, number < 1 << 30 else {
            throw ValidationError("\(text) is no size such as 4K, 1M or 1G")
        }
        let size = number << (shift ?? 0)
        guard size >= 4096 else { throw ValidationError("\(text) is less than the 4K written") }
        return size
    }
}
