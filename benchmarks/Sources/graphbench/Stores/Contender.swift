// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import Measure
import SystemPackage

/// The layer that all contenders apply, and the changes that all make above it.
struct LayerTar {
    let path: String
    let bytes: Int
    private let fileCount: Int
    private let changedCount: Int

    /// Writes a tar of files of a few KiB in directories of a hundred, with a large one in each.
    init(on bed: Bed, files: Int, changed: Int) throws {
        (fileCount, changedCount) = (files, changed)
        let tree = "\(bed.path)/tree"
        path = "\(bed.path)/layer.tar"
        for index in 0..<files {
            let directory = "\(tree)/dir\(index / 100)"
            if index.isMultiple(of: 100) {
                try FileManager.default.createDirectory(
                    atPath: directory, withIntermediateDirectories: true)
            }
            let size = index.isMultiple(of: 100) ? 1 << 20 : 1024 + index * 137 % 16_384
            try FileSet.write("\(directory)/file\(index)", size: size)
        }
        try Tool.run("tar", "--sort=name", "-C", tree, "-cf", path, ".")
        try Tool.run("rm", "-rf", tree)
        bytes = Int((try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
        try bed.sync()
    }

    /// Writes to the first files of some directories, and removes one.
    func change(in root: String) throws {
        let step = max(1, fileCount / changedCount)
        for index in stride(from: 1, to: fileCount, by: step) {
            try Trigger.write("\(root)/dir\(index / 100)/file\(index)", at: nil)
        }
        if unlink("\(root)/dir0/file0") == -1 { throw failure("unlink of a layer's file") }
    }
}

/// Someone who manages layers: this library, its command, or a peer.
protocol Contender {
    var subject: String { get }
    var mode: String { get }
    var bed: Bed { get }
    /// The life of a layer and of a container above it, each step measured once.
    func measureRound(_ tar: LayerTar, _ recorder: Recorder) throws
}

extension Contender {
    func key(_ operation: String, _ tar: LayerTar) -> Series.Key {
        Series.Key(
            command: "layers", subject: subject, operation: operation, mode: mode,
            parameterName: "layer bytes", parameter: tar.bytes)
    }
}

/// This library in this process.
struct StoreContender: Contender {
    let bed: Bed
    private let driver: String
    let mode = "in process"
    var subject: String { "graph-storage \(driver) on \(bed.filesystem)" }

    init(_ driver: String, on bed: Bed) { (self.driver, self.bed) = (driver, bed) }

    func measureRound(_ tar: LayerTar, _ recorder: Recorder) throws {
        // Peers sync no layers, so neither does this one here.
        let store = try openStore(driver, at: "\(bed.path)/inside-\(driver)", durability: .unsynced)
        try bed.sync()
        var layer = ""
        func timed(_ operation: String, _ body: () throws -> Void) throws {
            recorder.add(key(operation, tar), try nanoseconds(body))
        }
        try timed("apply") {
            let source = FileSource(try OwnedDescriptor.open(FilePath(tar.path), .readOnly))
            _ = try store.apply(source, id: "base")
        }
        try timed("diff of it") {
            let sink = FileSink(try OwnedDescriptor.open("/dev/null", .writeOnly))
            try store.writeDiff(of: "base", to: sink)
        }
        try timed("create") { layer = try store.create(parent: "base").id }
        var root = ""
        try timed("mount") { root = try store.mount(layer).path.string }
        try tar.change(in: root)
        try timed("unmount") { _ = try store.unmount(layer: layer) }
        try timed("changes") { _ = try store.changes(of: layer) }
        try timed("diff of 200 changes") {
            let sink = FileSink(try OwnedDescriptor.open("/dev/null", .writeOnly))
            try store.writeDiff(of: layer, to: sink)
        }
        try timed("list") { _ = try store.layers() }
        try timed("df") { _ = try store.diskUsage() }
        try timed("commit") { _ = try store.commit(layer, as: nil, observer: .none) }
        try timed("remove") { _ = try store.remove(layer) }
        try timed("remove the layer") { _ = try store.remove("base") }
        _ = try store.reclaim()
    }
}

/// A contender that is a command.
protocol CommandContender: Contender {}

extension CommandContender {
    var mode: String { "process" }

    /// Runs it and records its time and processor time.
    @discardableResult
    func timed(
        _ operation: String, _ words: [String], _ tar: LayerTar, _ recorder: Recorder
    ) throws -> String {
        let done = try Tool.run(words)
        recorder.add(
            key(operation, tar), done.nanoseconds, user: done.userTime, system: done.systemTime)
        return done.output
    }
}

/// The command of this project.
struct GraphctlContender: CommandContender {
    private let program: String
    private let driver: String
    let bed: Bed
    var subject: String { "graphctl \(driver) on \(bed.filesystem)" }

    init(_ program: String, _ driver: String, on bed: Bed) {
        (self.program, self.driver, self.bed) = (program, driver, bed)
    }

    func measureRound(_ tar: LayerTar, _ recorder: Recorder) throws {
        let root = "\(bed.path)/graphctl-\(driver)"
        let settings = [
            "--root", root, "--run-root", root + "-run", "--driver", driver, "--durability",
            "unsynced",
        ]
        func run(_ operation: String, _ words: String...) throws -> String {
            try timed(operation, [program] + settings + words, tar, recorder)
        }
        // The store exists before the clock runs.
        try Tool.run([program] + settings + ["create", "--id", "first"])
        try Tool.run([program] + settings + ["rm", "first"])
        try bed.sync()
        _ = try run("apply", "apply", "--id", "base", tar.path)
        _ = try run("diff of it", "diff", "--output", "/dev/null", "base")
        let layer = try run("create", "create", "--parent", "base")
        try tar.change(in: try run("mount", "mount", layer))
        _ = try run("unmount", "unmount", layer)
        _ = try run("changes", "changes", layer)
        _ = try run("diff of 200 changes", "diff", "--output", "/dev/null", layer)
        _ = try run("list", "ls")
        _ = try run("df", "df")
        _ = try run("commit", "commit", layer)
        _ = try run("remove", "rm", layer)
        _ = try run("remove the layer", "rm", "base")
        try Tool.run([program] + settings + ["gc"])
    }
}
