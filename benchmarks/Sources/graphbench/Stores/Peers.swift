// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import Measure

/// Other managers of layers, where they are installed.
enum Peers {
    /// Those that have this driver; the others are listed as not measured.
    static func contenders(
        _ driver: String, on bed: Bed, _ result: inout BenchResult
    ) throws -> [any Contender] {
        var found: [any Contender] = []
        for package in ["containers-storage", "containerd"] {
            guard Tool.exists(package) else {
                result.unmeasured.append(.init("\(package) \(driver)", "is not installed"))
                continue
            }
            result.machine.versions[package] = Tool.version(ofPackage: package)
            do {
                found.append(
                    package == "containerd"
                        ? try ContainerdContender(driver, on: bed)
                        : ContainersStorageContender(driver, on: bed))
            } catch {
                result.unmeasured.append(.init("\(package) \(driver)", "\(error)"))
            }
        }
        return found
    }
}

/// `containers-storage`, the command of the library below podman and buildah.
struct ContainersStorageContender: CommandContender {
    private let driver: String
    let bed: Bed
    var subject: String { "containers-storage \(driver) on \(bed.filesystem)" }

    init(_ driver: String, on bed: Bed) { (self.driver, self.bed) = (driver, bed) }

    func measureRound(_ tar: LayerTar, _ recorder: Recorder) throws {
        let root = "\(bed.path)/storage-\(driver)"
        let settings = [
            "containers-storage", "--graph", root, "--run", root + "-run", "--storage-driver",
            driver,
        ]
        func run(_ operation: String, _ words: String...) throws -> String {
            let output = try timed(operation, settings + words, tar, recorder)
            return String(output.split(separator: "\n").first ?? "")
        }
        // Its apply is for a layer that exists.
        let made = try Tool.run(settings + ["create-layer"]).output
        let base = String(made.split(separator: "\n").first ?? "")
        try bed.sync()
        _ = try run("apply", "applydiff", "--file", tar.path, base)
        _ = try run("diff of it", "diff", "-f", "/dev/null", base)
        let layer = try run("create", "create-layer", base)
        try tar.change(in: try run("mount", "mount", layer))
        _ = try run("unmount", "unmount", layer)
        _ = try run("changes", "changes", layer)
        _ = try run("diff of 200 changes", "diff", "-f", "/dev/null", layer)
        _ = try run("list", "layers")
        _ = try run("remove", "delete-layer", layer)
        _ = try run("remove the layer", "delete-layer", base)
    }
}

/// containerd over its socket, by its command `ctr`.
///
/// It applies layers only as part of images, which is not measured here.
final class ContainerdContender: CommandContender {
    let bed: Bed
    private let driver: String
    private let snapshotter: String
    private let root: String
    private var daemon = pid_t()
    var subject: String { "containerd \(driver) on \(bed.filesystem)" }

    /// Starts a daemon of its own, on the bed.
    init(_ driver: String, on bed: Bed) throws {
        (self.driver, self.bed) = (driver, bed)
        let names = ["overlay": "overlayfs", "vfs": "native", "btrfs": "btrfs"]
        guard let name = names[driver] else { throw MeasureError("has no such driver") }
        snapshotter = name
        root = "\(bed.path)/containerd-\(driver)"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let settings = """
            version = 2
            root = "\(root)/root"
            state = "\(root)/state"
            disabled_plugins = ["io.containerd.grpc.v1.cri"]
            [grpc]
            address = "\(root)/socket"
            """
        try settings.write(toFile: root + "/config.toml", atomically: true, encoding: .utf8)
        guard let program = Tool.path(of: "containerd") else { throw failure("containerd") }
        daemon = cmeasure_start_daemon(program, root + "/config.toml", root + "/log")
        if daemon == -1 { throw failure("fork") }
        for _ in 0..<100 {
            usleep(100_000)
            if (try? Tool.run(control + ["list"])) != nil { return }
        }
        stop()
        throw MeasureError("the daemon did not answer in ten seconds")
    }

    deinit { stop() }

    private func stop() {
        if daemon <= 0 { return }
        kill(daemon, SIGTERM)
        var status: CInt = 0
        while waitpid(daemon, &status, 0) == -1 && errno == EINTR {}
        daemon = 0
    }

    private var control: [String] {
        ["ctr", "--address", root + "/socket", "snapshots", "--snapshotter", snapshotter]
    }

    func measureRound(_ tar: LayerTar, _ recorder: Recorder) throws {
        func run(_ operation: String, _ words: String...) throws {
            try timed(operation, control + words, tar, recorder)
        }
        // The base has the same content, put there by hand.
        let place = root + "/mount"
        mkdir(place, 0o755)
        let command = try Tool.run(control + ["prepare", "--target", place, "making"]).output
        try Tool.run("sh", "-c", command)
        try Tool.run("tar", "-C", place, "-xf", tar.path)
        try Tool.run("umount", place)
        try Tool.run(control + ["commit", "base", "making"])
        try bed.sync()
        try run("create", "prepare", "layer", "base")
        let mounting = try Tool.run(control + ["mounts", place, "layer"]).output
        try Tool.run("sh", "-c", mounting)
        try tar.change(in: place)
        try Tool.run("umount", place)
        try run("list", "list")
        try run("commit", "commit", "kept", "layer")
        try run("remove", "rm", "kept")
        try run("remove the layer", "rm", "base")
    }
}
