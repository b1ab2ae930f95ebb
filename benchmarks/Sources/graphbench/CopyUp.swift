// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import Measure

/// One run of the matrix of backends, sizes and triggers.
final class CopyUp {
    struct Plan {
        var sizes: [Int]
        var rounds: Int
        var samplesPerRound = 8
        /// After this time a cell gets no more samples in a round.
        var secondsPerRound = 0.1
        var triggers: [Trigger] = []
        /// Those that are measured beside plain files.
        var backends = CopyUp.backendNames
        var isColdToo = false
        /// Whether overlayfs is measured in all its modes of syncing, too.
        var hasSyncModes = true
        /// After this time no round is begun, and one that runs is left.
        var secondsMax = Double.infinity
    }

    static let backendNames = ["overlay", "bare-overlay", "vfs", "btrfs", "devicemapper"]
    static let quickTriggers = [
        "write-start", "append", "chmod", "rename", "write-1000-files", "rename-directory",
    ]
    /// What is measured with cold caches as well.
    static let coldTriggers = ["write-start", "chmod"]
    /// Where a sample takes longer than this, it is not repeated in every round.
    private static let slowNanoseconds = 0.4e9

    private let plan: Plan
    private let start = cmeasure_now()
    private let beds: [Bed]
    private let recorder = Recorder()
    private var backends: [any Backend] = []
    private var refused: Set<String> = []
    private var unmeasured: [BenchResult.Unmeasured] = []

    init(_ plan: Plan, beds: [Bed]) { (self.plan, self.beds) = (plan, beds) }

    func run(_ result: inout BenchResult) throws {
        defer { for backend in backends { backend.close() } }
        for bed in beds {
            chooseBackends(on: bed)
            result.machine.mounts["\(bed.filesystem)"] = bed.mountOptions
        }
        for tool in ["e2fsprogs", "xfsprogs", "btrfs-progs"] {
            result.machine.versions[tool] = Tool.version(ofPackage: tool)
        }
        for size in plan.sizes {
            for backend in backends where fits(size, backend) {
                try backend.prepare(backend.files(of: size))
            }
        }
        for round in 0..<plan.rounds {
            recorder.beginRound()
            for size in plan.sizes {
                FileHandle.standardError.write(
                    Data(
                        "round \(round + 1) of \(plan.rounds), files of \(size) bytes\n".utf8)
                )
                for case let plain as PlainFiles in backends where fits(size, plain) {
                    try measureFloors(size, plain.bed, recorder)
                }
                for trigger in plan.triggers where round == 0 || hasTime {
                    try measureInTurn(trigger, size, round)
                }
            }
        }
        result.series = recorder.all
        result.unmeasured = unmeasured
    }

    private var hasTime: Bool { Double(cmeasure_now() - start) / 1e9 < plan.secondsMax }

    private func chooseBackends(on bed: Bed) {
        defer {
            let unwanted = Set(Self.backendNames).subtracting(plan.backends)
            backends.removeAll { unwanted.contains($0.name) }
        }
        backends.append(PlainFiles(on: bed))
        let changing = Trigger.metadataNames + ["write-start", "rename-directory"]
        backends += [
            StoreBackend(
                "overlay", on: bed, mode: "metacopy=off",
                options: ["metacopy": "off", "redirect_dir": "off"]),
            StoreBackend(
                "overlay", on: bed, mode: "metacopy=on", options: ["metacopy": "on"],
                triggers: changing),
            StoreBackend(
                "overlay", on: bed, mode: "redirect_dir=on",
                options: ["metacopy": "off", "redirect_dir": "on"],
                triggers: ["rename", "rename-directory"]),
        ]
        let options = ["volatile", "fsync=volatile", "fsync=auto", "fsync=strict"]
        for option in plan.hasSyncModes ? options : ["volatile"] {
            if let reason = BareOverlay.refusal(of: option, on: bed) {
                skip("overlay on \(bed.filesystem), \(option)", reason)
            } else {
                let triggers = ["write-start", "chmod", "write-1000-files", "chown-1000-files"]
                backends.append(
                    BareOverlay(on: bed, mode: option, options: option, triggers: triggers))
            }
        }
        let whole = ["write-start", "chmod"]
        var drivers: [(String, [String: String], [String]?)] = [("vfs", [:], whole)]
        if bed.filesystem == .btrfs { drivers = [("btrfs", [:], nil)] }
        if bed.filesystem == .ext4 {
            let pool = ["dm.loopdatasize": "\(bed.sizeBytes >> 21)M", "dm.basesize": "2G"]
            drivers.append(("devicemapper", pool, nil))
        }
        for (driver, options, triggers) in drivers {
            if let reason = StoreBackend.refusal(of: driver, at: bed.path) {
                skip("\(driver) on \(bed.filesystem)", reason)
            } else {
                backends.append(
                    StoreBackend(driver, on: bed, options: options, triggers: triggers))
            }
        }
    }

    func skip(_ what: String, _ reason: String) {
        if refused.insert(what).inserted { unmeasured.append(.init(what, reason)) }
    }

    /// Whether the bed holds the files, a copy, and what this backend writes, and leaves a tenth free.
    private func fits(_ size: Int, _ backend: any Backend) -> Bool {
        let bed = backend.bed
        let stores = Set(backends.filter { $0.bed === bed }.map(\.subject)).count
        let kept = plan.sizes.filter { $0 <= size }
            .map { FileSet(size: $0, sharingOn: bed.filesystem).bytes }.reduce(0, +)
        let needed = kept * stores + size + backend.bytesTaken(by: backend.files(of: size))
        if needed < bed.sizeBytes / 10 * 9 { return true }
        skip(
            "\(backend.subject), files of \(size) bytes",
            "needs \(needed >> 20) MiB, the filesystem has \(bed.sizeBytes >> 20)")
        return false
    }

    /// All backends once; who begins changes from round to round.
    private func measureInTurn(_ trigger: Trigger, _ size: Int, _ round: Int) throws {
        let start = round % backends.count
        for backend in backends[start...] + backends[..<start]
        where backend.wants(trigger) && fits(size, backend) {
            try checkInterrupted()
            let files = backend.files(of: size)
            if [.many, .directory].contains(trigger.scope) && !files.hasMany { continue }
            if trigger.scope == .files && files.count < Trigger.threadCount { continue }
            try repeatedly(trigger, files, backend, isCold: false)
            if plan.isColdToo && Self.coldTriggers.contains(trigger.name) {
                try repeatedly(trigger, files, backend, isCold: true)
            }
        }
    }

    private func repeatedly(
        _ trigger: Trigger, _ files: FileSet, _ backend: any Backend, isCold: Bool
    ) throws {
        let cell = Cell(trigger: trigger, files: files, backend: backend, isCold: isCold)
        let name = "\(backend.subject) \(backend.mode) \(trigger.name)"
        if refused.contains(name) { return }
        let known = recorder.series[cell.key(cell.firstState)]?.samples ?? []
        if known.count > 2, Statistics.median(known) > Self.slowNanoseconds { return }
        let start = cmeasure_now()
        var count = 0
        while count < (isCold ? 1 : plan.samplesPerRound),
            Double(cmeasure_now() - start) / 1e9 < plan.secondsPerRound
        {
            if isCold { for other in backends where other.bed === backend.bed { other.close() } }
            do {
                count += try cell.measure(into: recorder)
            } catch let refusal as RefusedCall {
                try backend.discard()
                return skip(name, refusal.description)
            }
        }
    }
}
