// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// What of this machine's environment reaches what runs in an image, a namespace or another kernel.
@Suite struct EnvironmentTests {
    /// Somewhere that the scripts run commands.
    enum Place: String, CaseIterable, Sendable {
        case machine, debian, tree, guest, isolated, userNamespace

        /// The script that leads there, and its arguments before the command.
        func line(_ tree: FilePath) -> [String] {
            let scripts = ListedEnvironment.script.removingLastComponent()
            func path(_ name: String) -> String { scripts.appending(name).string }
            return switch self {
            case .machine, .debian: [ListedEnvironment.script.string, rawValue]
            case .tree: [ListedEnvironment.script.string, "tree=\(tree)"]
            case .guest: [path("uml-run.sh"), "-m", "256M", "-t", "60", "--"]
            case .isolated: [path("isolated.sh")]
            case .userNamespace: [path("in-userns.sh")]
            }
        }

        /// Variables that arrive as they were.
        var listed: Set<String> {
            let tests: Set = ["GRAPH_TEST_SEED", "GRAPH_ANYTHING", "GRAPHCTL", "NO_COLOR"]
            let network: Set = ["http_proxy", "https_proxy", "no_proxy"]
            let paths: Set = ["APT_CONFIG"]
            return switch self {
            case .machine, .isolated, .userNamespace: tests.union(network).union(paths)
            case .debian, .tree: network
            case .guest: tests
            }
        }

        /// Variables that the place has a value of its own for, or that shells make.
        var own: Set<String> {
            let shell: Set = ["PWD", "OLDPWD", "SHLVL", "_", "LC_ALL", "PATH", "HOME", "TERM"]
            return switch self {
            case .machine, .debian, .tree: shell.union(["TMPDIR", "DEBIAN_FRONTEND"])
            case .guest: shell.union(["LANG", "TMPDIR", "UML"])
            case .isolated: shell.union(["TMPDIR", "GRAPH_TEST_BTRFS"])
            case .userNamespace: shell.union(["TMPDIR", "GRAPH_IN_USERNS"])
            }
        }

        /// Whether what leads there works in this machine's directory for temporary files.
        var needsDirectory: Bool { self != .tree && self != .debian }
        /// Whether programs there have directories of their own.
        var isApart: Bool { self == .tree || self == .guest }
    }

    @Test(
        .enabled(if: Machine.isRoot, "enters a tree and namespaces"), arguments: Place.allCases)
    func `nothing of the environment but what is listed reaches`(_ place: Place) throws {
        try withScratchRoot { tree in
            try makeTree(tree)
            var environment = noise(seed: SeededGenerator.runSeed)
            for name in place.listed { environment[name] = "as 'it' \"is\" $HOME\n\\ é" }
            environment["PATH"] = ProcessInfo.processInfo.environment["PATH"]
            environment["HOME"] = ProcessInfo.processInfo.environment["HOME"]
            if place.needsDirectory { environment["TMPDIR"] = tree.string }
            let report = try run(place.line(tree), environment)

            let found = report.environment
            for (name, value) in found where !place.own.contains(name) {
                let isListed = place.listed.contains(name)
                #expect(isListed, "\(name)=\(value) reaches \(place)")
                if isListed { #expect(value == environment[name], "\(name) in \(place)") }
            }
            #expect(place.listed.isSubset(of: found.keys), "in \(place)")
            #expect(found["LC_ALL"] == "C.UTF-8")
            if place.isApart {
                #expect(found["TMPDIR"] != environment["TMPDIR"])
                #expect(found["HOME"] == "/root")
            }
            if place == .tree { #expect(report.facts.contains("folder /")) }
            #expect(report.facts.contains("umask 0022"))
            #expect(!report.facts.contains { $0.hasPrefix("descriptor") }, "\(report.facts)")
        }
    }

    @Test func `programs of a tree run by the script that lists what they get`() throws {
        let call = try Regex(#"^[^#]*\bchroot["',]* +[\["$/]"#)
        let files = try TidyTests.files(in: ["Tests", "benchmarks"], ["sh", "py", "swift"])
        let callers = files.filter { !$0.0.hasSuffix("EnvironmentTests.swift") }
            .filter { $0.1.split(separator: "\n").contains { $0.contains(call) } }
        #expect(callers.map(\.0) == ["Tests/scripts/listed-env.sh"])
    }

    /// What a command found where it ran.
    private struct Report {
        let environment: [String: String]
        let facts: [String]
    }

    /// Variables that nobody asked for: known ones that change what programs do, and random ones.
    private func noise(seed: UInt64) -> [String: String] {
        var environment = [
            "TMPDIR": "/nowhere/at all", "LANG": "de_DE.UTF-8", "LC_ALL": "POSIX",
            "LANGUAGE": "de", "GRAPHCTL_ROOT": "/nowhere", "GRAPHCTL_RUN_ROOT": "/nowhere",
            "GRAPHCTL_DRIVER": "none", "GRAPHCTL_DURABILITY": "none", "XDG_DATA_HOME": "/nowhere",
            "XDG_RUNTIME_DIR": "/nowhere", "XDG_CONFIG_HOME": "/nowhere", "PERL5LIB": "/nowhere",
            "PYTHONPATH": "/nowhere", "DPKG_ROOT": "/nowhere", "USER": "nobody", "MAIL": "/nowhere",
            "SUDO_USER": "nobody", "TZ": "Asia/Kathmandu", "POSIXLY_CORRECT": "1",
            "TAR_OPTIONS": "-v",
        ]
        var generator = SeededGenerator(seed: seed)
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefgh")
        let marks = ["'", "\"", "\n", "$(false)", "`false`", "\\", "=", "é", ";", " "]
        for _ in 0..<30 {
            let length = Int.random(in: 3...20, using: &generator)
            let name = String(
                (0..<length).compactMap { _ in letters.randomElement(using: &generator) })
            if name.hasPrefix("GRAPH_") { continue }
            environment["X" + name] = (0..<length)
                .map { _ in marks.randomElement(using: &generator) ?? "" }.joined()
        }
        return environment
    }

    /// Programs that can tell what they were given.
    private func makeTree(_ tree: FilePath) throws {
        for name in ["bin", "dev"] { try tree.appending(name).makeDirectory() }
        try tree.appending("dev/null").write("")
        let shell = try runCommand("sh", ["-c", "command -v busybox"])
            .trimmingCharacters(in: .whitespacesAndNewlines)
        try runCommand("cp", [shell, tree.appending("bin/busybox").string])
        for name in ["sh", "env", "true"] {
            try runCommand("ln", ["-s", "busybox", tree.appending("bin").appending(name).string])
        }
    }

    /// Runs a shell there, from one that has another umask and two descriptors more.
    private func run(_ line: [String], _ environment: [String: String]) throws -> Report {
        let told = """
            env -0
            echo; echo "umask $(umask)"; echo "folder $(pwd)"
            for i in 3 4 5 6 7 8 9; do
                if { true <&$i; } 2>/dev/null; then echo "descriptor $i"; fi
            done
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments =
            ["-c", #"umask 0077; exec 7</dev/null 9>&1; exec "$@""#, "bash"] + line
            + ["sh", "-c", told]
        process.environment = environment
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let parts = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\0")
        let pairs = parts.dropLast().map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        return Report(
            environment: Dictionary(pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") }) { $1 },
            facts: (parts.last ?? "").split(separator: "\n").map(String.init))
    }
}
