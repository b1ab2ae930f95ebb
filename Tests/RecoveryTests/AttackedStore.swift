// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage

/// The graphctl that is attacked.
enum Graphctl {
    /// `GRAPHCTL`, or what was built here last for release or for debugging.
    static let path: String? = {
        let named = ProcessInfo.processInfo.environment["GRAPHCTL"]
        let candidates = [named, ".build/release/graphctl", ".build/debug/graphctl"]
        return candidates.compactMap { $0 }.first { access($0, X_OK) == 0 }
    }()

    /// Whether there is one, and strace to kill it with.
    static var isAttackable: Bool { path != nil && (try? run(["strace", "-V"]).isSuccess) == true }
}

/// A layer as `ls --json` prints it.
struct ListedLayer: Decodable {
    let id: String
    let kind: String
    let depth: Int
}

/// A finding as `check --json` prints it.
struct ListedFinding: Decodable {
    let kind: String
    let subject: String
    let message: String
}

/// A store that tests reach only as other processes do, by the command.
struct AttackedStore {
    let root: FilePath
    let runRoot: FilePath
    let driver: String

    /// The command line for a subcommand on this store.
    func line(_ arguments: [String]) -> [String] {
        [
            Graphctl.path ?? "graphctl", "--root", root.string, "--run-root", runRoot.string,
            "--driver", driver,
        ] + storageOptions + arguments
    }

    /// Settings that every store of the driver is made with, as arguments.
    private var storageOptions: [String] {
        let subject = DriverUnderTest.all.first { $0.name == driver }
        return (subject?.storageOptions ?? [:]).sorted { $0.key < $1.key }.flatMap {
            ["--storage-opt", "\($0.key)=\($0.value)"]
        }
    }

    /// Runs a subcommand; its words before it may be those of another program that runs it.
    func graphctl(_ arguments: [String], under wrapper: [String] = []) throws -> CommandResult {
        try run(wrapper + line(arguments))
    }

    /// Runs a subcommand that has to succeed, and returns what it printed.
    @discardableResult
    func succeed(_ arguments: String...) throws -> String {
        let result = try graphctl(arguments)
        if result.isSuccess { return result.output }
        throw UnexpectedResult("\(result)")
    }

    /// All layers.
    func layers() throws -> [ListedLayer] {
        try JSONDecoder().decode([ListedLayer].self, from: Data(succeed("ls", "--json").utf8))
    }

    /// The ids of all images.
    func images() throws -> [String] {
        try succeed("images", "-q").split(separator: "\n").map(String.init)
    }

    /// What `check` finds, which need not be damage.
    ///
    /// - Throws: When it ends with another status than its findings ask for.
    func findings(deep: Bool = true) throws -> [ListedFinding] {
        try findings(["check"] + (deep ? ["--deep"] : []))
    }

    /// What a collection would clear.
    func collectable() throws -> [ListedFinding] { try findings(["gc", "--dry-run"]) }

    private func findings(_ command: [String]) throws -> [ListedFinding] {
        struct Report: Decodable { let findings: [ListedFinding] }
        let result = try graphctl(command + ["--json"])
        if result.status != 0 { throw UnexpectedResult("damage: \(result)") }
        return try JSONDecoder().decode(Report.self, from: Data(result.output.utf8)).findings
    }

    /// What was removed and waits to be freed.
    var trash: [String] {
        get throws {
            let directory = root.appending("trash")
            return try directory.exists ? directory.names : []
        }
    }

    /// Makes sure that a check that reads everything finds nothing at all, and that nothing waits
    /// to be freed.
    func requireClean() throws {
        let found = try findings().map { "\($0.kind) \($0.subject): \($0.message)" }
        let left = try found + trash.map { "trash \($0)" }
        if !left.isEmpty { throw UnexpectedResult("check found " + left.joined(separator: "; ")) }
    }

    /// What is mounted below the run root and the store.
    var mountPoints: [String] {
        MountTable.current().filter {
            $0.hasPrefix(root.string + "/") || $0.hasPrefix(runRoot.string + "/")
        }
    }

    /// Unmounts what the store says is mounted, removes every layer, frees the space, and tells
    /// what is left that a new store does not have.
    func empty() throws -> [String] {
        for layer in try layers() where layer.kind != "committed" {
            while try graphctl(["unmount", layer.id]).isSuccess {}
        }
        for image in try images() { try succeed("rmi", image) }
        let ids = try layers().map(\.id)
        if !ids.isEmpty {
            let result = try graphctl(["rm"] + ids)
            if !result.isSuccess { throw UnexpectedResult("\(result)") }
        }
        try succeed("gc")
        var left = try layers().map { "layer \($0.id)" } + mountPoints.map { "mount \($0)" }
        if try root.exists { left += try residue(of: root, known: rootNames) }
        if try runRoot.exists { left += try residue(of: runRoot, known: runRootNames) }
        return left
    }

    private var rootNames: Set<String> {
        [
            "graph.db", "graph.db-wal", "graph.db-shm", "owners.lock", "reserve", "trash", driver,
            "recipes", "blobs",
        ]
    }

    private let runRootNames: Set<String> = [
        "mounts.db", "mounts.db-wal", "mounts.db-shm", "mounts.lock", "mnt",
    ]

    /// Files that nobody expects in a directory, and everything in its directories.
    private func residue(of directory: FilePath, known: Set<String>) throws -> [String] {
        var left: [String] = []
        for name in try directory.names {
            // The directory of a killed probe or diff goes when it is a minute old.
            let scratch = [".\(driver)-probe-", ".\(driver)-diff-"]
            if name.hasPrefix("boot-") || scratch.contains(where: name.hasPrefix) { continue }
            if !known.contains(name) {
                left.append("file \(directory)/\(name)")
            } else if name != "reserve", let below = try? directory.appending(name).names {
                // The overlay driver keeps an empty directory, for views of empty layers.
                left += below.filter { !($0 == "empty" && name == "overlay") }
                    .map { "file \(directory)/\(name)/\($0)" }
            }
        }
        return left
    }
}
