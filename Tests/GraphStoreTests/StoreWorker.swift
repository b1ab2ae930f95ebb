// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Another process that works on a store: this test program, told by its environment to run one
/// test, which works until it is killed or its time is over.
struct StoreWorker {
    static let folderVariable = "GRAPH_STORE_WORKER_FOLDER"
    static let secondsVariable = "GRAPH_STORE_WORKER_SECONDS"
    private let process = Process()
    private let output = Pipe()

    /// Starts to work.
    init(in fixture: StoreFixture, seconds: Double) throws {
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe")
        process.arguments = ["--testing-library", "swift-testing", "--filter", "StoreWorkerTests"]
        process.environment = ProcessInfo.processInfo.environment.merging([
            Self.folderVariable: fixture.directory.string, Self.secondsVariable: "\(seconds)",
            // What it has begun when it is killed lies where the fixture removes it: also the probe
            // of a driver that has a filesystem of its own, see ``DriverUnderTest/base``.
            "TMPDIR": fixture.directory.string, "GRAPH_TEST_BTRFS": fixture.directory.string,
        ]) { $1 }
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    /// Ends it as a power cut ends it, but for the disk.
    func killNow() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Waits for its end; nil when all went well, else what it said.
    func finish() -> String? {
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return process.terminationStatus == 0 ? nil : text
    }

    /// Works on a store: makes, mounts, commits, applies, removes, and expects nothing to fail but
    /// what must fail when others do the same to the same layers.
    static func work(on store: LayerStore, name: String, until end: Date) throws {
        var random = SystemRandomNumberGenerator()
        var round = 0
        while Date.now < end {
            round += 1
            let id = "\(name)-\(round)"
            // All workers apply the same few layers, and remove what they like.
            let shared = try StoreFixture.tar("f", "\(UInt8.random(in: 0..<4, using: &random))")
            let base = try store.apply(MemorySource(shared)).layer
            // Somebody else may have removed the base meanwhile, or put a layer on it.
            let uses = Result { () throws(DriverError) in try useBase(base, store, id) }
            try Self.allow([.layerNotFound], uses)
            let removal = Result { () throws(DriverError) in _ = try store.remove(base.id) }
            try Self.allow([.layerNotFound, .layerInUse], removal)
            if round % 16 == 0 { try store.collectGarbage() }
        }
    }

    private static func useBase(
        _ base: Layer, _ store: LayerStore, _ id: String
    ) throws(DriverError) {
        let work = try store.create(id: id, parent: base.id, labels: ["by": id])
        if geteuid() == 0 {
            let mounted = try store.mount(id)
            expectTrue(mounted.count == 1)
            try store.unmount(layer: id)
        }
        let committed = try store.commit(id, as: id + "-done")
        expectTrue(committed.number == work.number && committed.parent == base.id)
        let view = try store.createView(parent: committed.id)
        try store.remove(view.id)
        try store.remove(committed.id)
    }

    private static func allow(
        _ codes: [DriverError.Code], _ result: Result<Void, DriverError>
    ) throws(DriverError) {
        guard case .failure(let error) = result, !codes.contains(error.code) else { return }
        throw error
    }

    private static func expectTrue(_ holds: Bool) { #expect(holds) }
}

/// What another process runs; nothing otherwise.
@Suite(.enabled(if: ProcessInfo.processInfo.environment[StoreWorker.folderVariable] != nil))
struct StoreWorkerTests {
    @Test func `works on a store`() throws {
        let environment = ProcessInfo.processInfo.environment
        let directory = try #require(environment[StoreWorker.folderVariable])
        let seconds = Double(environment[StoreWorker.secondsVariable] ?? "") ?? 1
        let root = FilePath(directory)
        let store = try LayerStore(
            LayerStore.Configuration(
                root: root.appending("root"), runRoot: root.appending("run")),
            drivers: [FolderDriver.self],
            chooseDriver: { (_) throws(DriverError) in FolderDriver.self })
        try StoreWorker.work(
            on: store, name: "p\(ProcessInfo.processInfo.processIdentifier)",
            until: Date.now + seconds)
    }
}
