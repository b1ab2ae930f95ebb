// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Random histories of mounts, namespaces, run roots, holders, commits and removals.
@Suite(.serialized, .enabled(if: Machine.isRoot, "namespaces are looked into by root"))
struct UseCampaignTests {
    static let histories = SeededGenerator.isSoak ? 1_000 : 12

    @Test(arguments: UseTests.cases)
    func `no history changes a committed layer, or gives one upper directory to two overlays`(
        _ use: UseCase
    ) throws {
        try use.driver.withDirectory { directory in
            let command = GraphctlCommand(driver: use.driver.name, directory: directory)
            try command.succeed("create", "--id", "b")
            try command.succeed("commit", "b")
            var generator = SeededGenerator(
                seed: SeededGenerator.runSeed &+ UInt64(use.isBase ? 1_000 : 0))
            var steps = 0
            var refusals = 0
            let start = Date()
            for number in 0..<Self.histories {
                let history = UseHistory(use, command, "c\(number)", generator)
                do {
                    try history.run()
                } catch {
                    Issue.record("\(use), history \(number): \(history.log): \(error)")
                    return
                }
                generator = history.generator
                steps += history.log.count
                refusals += history.refusals
            }
            print(
                "use: \(use.testDescription): \(Self.histories) histories, \(steps) steps, "
                    + "\(refusals) refused, \(Int(Date().timeIntervalSince(start))) s")
        }
    }
}

/// One history of one layer.
private final class UseHistory {
    private struct Held {
        let holder: LayerHolder
        /// The filesystem that was mounted when it took hold.
        let device: DeviceNumber
    }
    private struct Pinned {
        let namespace: PinnedNamespace
        let device: DeviceNumber?
    }

    var generator: SeededGenerator
    private(set) var log: [String] = []
    private(set) var refusals = 0
    private let use: UseCase
    private let command: GraphctlCommand
    private let layer: String
    private let runRoots: [String]
    private let place: FilePath
    /// The run root by which the layer is mounted at the place.
    private var mounted: String?
    private var holders: [Held] = []
    private var pins: [Pinned] = []
    private var isCommitted = false
    private var isGone = false

    init(
        _ use: UseCase, _ command: GraphctlCommand, _ layer: String, _ generator: SeededGenerator
    ) {
        (self.use, self.command, self.layer, self.generator) = (use, command, layer, generator)
        runRoots = ["run", "run-2"].map { command.directory.appending($0).string }
        place = command.directory.appending("place")
    }

    func run() throws {
        if try !place.exists { try place.makeDirectory() }
        try command.succeed(
            use.isBase ? ["create", "--id", layer] : ["create", "--id", layer, "--parent", "b"])
        for _ in 0..<Int.random(in: 4...10, using: &generator) where !isGone && !isCommitted {
            try step()
            try requireOneOverlay()
        }
        try finish()
    }

    private func step() throws {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0, 1: try mount()
        case 2: try unmount()
        case 3, 4: try hold()
        case 5: try pin()
        case 6: try takeAway()
        case 7: endOne()
        case 8: try commit()
        default: try remove()
        }
    }

    @discardableResult
    private func tool(_ arguments: String...) throws -> Bool {
        let runRoot = runRoots.randomElement(using: &generator) ?? ""
        let result = try command.run(arguments + ["--json", "--run-root", runRoot])
        log.append(arguments.joined(separator: " ") + " \(runRoot.suffix(5)): \(result.status)")
        if result.status == 0 {
            if arguments.first == "mount" { mounted = runRoot }
            return true
        }
        refusals += 1
        let isExpected = ["layerInUse", "invalidArgument"].contains {
            result.text.contains("\"\($0)\"")
        }
        if !isExpected { throw UseFailure(description: result.errors + result.text) }
        return false
    }

    private var isMounted: Bool { (try? MountPoint(place).mountID()) ?? nil != nil }

    private func device() throws -> DeviceNumber {
        try Directory(opening: place).status().device
    }

    private func mount() throws {
        if isMounted { return }
        if try tool("mount", layer, place.string) {
            let file = place.appending("held")
            if try !file.exists { try file.write(String(repeating: "x", count: 4096)) }
        }
    }

    private func unmount() throws {
        if let mounted, isMounted {
            let result = try command.run(["unmount", layer, "--run-root", mounted])
            log.append("unmount: \(result.status)")
        }
    }

    private func hold() throws {
        if !isMounted || holders.count > 2 { return }
        let hold = LayerHolder.Hold.allCases.randomElement(using: &generator) ?? .file
        let unshares = generator.chance(40)
        let device = try device()
        let holder = try LayerHolder(hold, of: place, unshares: unshares)
        holders.append(Held(holder: holder, device: device))
        log.append("hold \(hold) \(unshares)")
    }

    private func pin() throws {
        if pins.count > 1 { return }
        let device = isMounted ? try device() : nil
        pins.append(
            Pinned(namespace: try PinnedNamespace(below: command.directory), device: device))
        log.append("pin \(device != nil)")
    }

    private func takeAway() throws {
        if !isMounted { return }
        try MountPoint(place).unmount(detaching: true)
        log.append("umount -l")
    }

    private func endOne() {
        if let index = holders.indices.randomElement(using: &generator) {
            holders.remove(at: index).holder.end()
            log.append("end holder")
        } else if let index = pins.indices.randomElement(using: &generator) {
            pins.remove(at: index).namespace.end()
            log.append("end pin")
        }
    }

    private func commit() throws {
        guard try tool("commit", layer) else { return }
        isCommitted = true
        let users = holders.count + pins.count { $0.device != nil && use.seesPins }
        if users > 0 || isMounted {
            throw UseFailure(description: "committed with \(users) users")
        }
    }

    private func remove() throws {
        guard try tool("rm", layer) else { return }
        isGone = true
        if isMounted { throw UseFailure(description: "removed while it is mounted") }
        if use.isExact && !holders.isEmpty { throw UseFailure(description: "removed in use") }
    }

    /// All that hold the layer's directory hold the same overlay.
    private func requireOneOverlay() throws {
        if !use.isExact { return }
        var devices = Set(holders.map(\.device)).union(pins.compactMap(\.device))
        if isMounted { devices.insert(try device()) }
        if devices.count > 1 { throw UseFailure(description: "overlays: \(devices)") }
    }

    /// Everybody writes and ends; then all can be done that was refused.
    private func finish() throws {
        for held in holders { _ = try held.holder.write() }
        if isCommitted { try command.succeed("check", "--deep") }
        for held in holders { held.holder.end() }
        for pin in pins { pin.namespace.end() }
        (holders, pins) = ([], [])
        if isMounted, let mounted {
            let result = try command.run(["unmount", layer, "--run-root", mounted])
            if result.status != 0 { throw UseFailure(description: result.errors) }
        }
        if isMounted { throw UseFailure(description: "it is still mounted") }
        if !isCommitted && !isGone {
            if try !tool("commit", layer) { throw UseFailure(description: "still in use") }
            try command.succeed("check", "--deep")
        }
        if !isGone, try !tool("rm", layer) { throw UseFailure(description: "not removed") }
    }
}
