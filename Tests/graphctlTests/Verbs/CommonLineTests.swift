// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import Testing
import graphctl

/// The commands that are read without the argument parser.
@Suite struct CommonLineTests {
    /// What the argument parser tells of a command: its options and arguments.
    private struct Declared {
        let name: String
        /// Each with its names and whether a value follows.
        let options: [(names: [String], hasValue: Bool)]
        let argumentCount: Int
    }

    private static let names = [
        "create", "view", "commit", "rm", "mount", "unmount", "umount", "changes", "diff", "ls",
        "list", "inspect",
    ]

    /// Some that fit some options, some that fit none.
    private static let values = [
        "web", "a/b", "K=V", "K=", "durable", "unsynced", "10G", "1.5M", "gzip", "zstd", "debug",
        "-", "", "=", "-x", "--", "--json", "ls", "é", "/mnt/x", "vfs", "none", "K", "a=b=c", "3",
    ]

    @Test func `both ways to read a line agree on a thousand lines`() throws {
        let commands = try declared()
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        var commonCount = 0
        for _ in 0..<1_000 {
            let line = randomLine(commands, &random)
            let parsed = LineReading.parsed(line)
            guard let common = LineReading.common(line) else { continue }
            commonCount += 1
            #expect(common == parsed, "\(line)")
        }
        // Most lines have nonsense in them, and that is the parser's.
        #expect(commonCount > 200)
    }

    @Test(arguments: [
        ["create"], ["create", "--parent", "base", "--id", "x", "--label", "a=b", "--label=c="],
        ["mount", "web"], ["--root", "/r", "--run-root=/rr", "mount", "web", "/mnt"],
        ["unmount", "/mnt"], ["umount", "web", "--json"], ["rm", "a", "b", "--no-reclaim"],
        ["ls", "-q"], ["ls", "--filter", "a=b"], ["inspect", "web"], ["changes", "web"],
        ["diff", "web", "-o", "file", "--compress", "zstd", "--json"], ["diff", "web"],
        ["commit", "web", "--id", "x", "--storage-opt", "a.b=c"], ["view", "--parent", "base"],
    ])
    func `the lines that hosts run are common`(_ line: [String]) {
        #expect(LineReading.common(line) != nil)
        #expect(LineReading.common(line) == LineReading.parsed(line))
    }

    @Test(arguments: [
        ["diff", "web", "--json"], ["mount", "web", "/mnt", "--device"], ["rm"], ["inspect"],
        ["create", "web"], ["ls", "--help"], ["mount", "--driver"], ["ls", "--", "x"],
        ["ls", "--json", "--json=1"], ["create", "--size", "much"],
    ])
    func `what is no common line is left to the parser`(_ line: [String]) {
        #expect(LineReading.common(line) == nil)
    }

    @Test func `an option of a common command can stand in a common line`() throws {
        for command in try declared() {
            for option in command.options {
                guard let name = option.names.first(where: { $0.hasPrefix("--") }) else { continue }
                let fitting = Self.values.contains { value in
                    let words = option.hasValue ? [name, value] : [name]
                    return [[], ["x"], ["--output", "y", "x"]].contains { others in
                        LineReading.common([command.name] + words + others) != nil
                    }
                }
                #expect(
                    fitting || name == "--help" || name == "--version", "\(command.name) \(name)")
            }
        }
    }

    private func randomLine(_ commands: [Declared], _ random: inout SeededGenerator) -> [String] {
        guard let command = commands.randomElement(using: &random) else { return [] }
        var words: [[String]] = []
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            guard let option = command.options.randomElement(using: &random),
                let name = option.names.randomElement(using: &random)
            else { break }
            let value = Self.values.randomElement(using: &random) ?? ""
            if !option.hasValue || random.chance(4) {
                words.append([name])
            } else {
                words.append(random.chance(30) ? ["\(name)=\(value)"] : [name, value])
            }
        }
        let arguments = random.chance(70) ? command.argumentCount : 2
        for _ in 0..<arguments {
            words.append([
                random.chance(80) ? "x" : Self.values.randomElement(using: &random) ?? ""
            ])
        }
        words.shuffle(using: &random)
        let place = random.chance(80) ? 0 : Int.random(in: 0...words.count, using: &random)
        words.insert([command.name], at: place)
        return words.flatMap(\.self)
    }

    private func declared() throws -> [Declared] {
        let description = Data(LineReading.declarations.utf8)
        let document = try JSONSerialization.jsonObject(with: description) as? [String: Any]
        let root = document?["command"] as? [String: Any]
        let all = try #require(root?["subcommands"] as? [[String: Any]])
        let commands = all.compactMap { Self.declared($0) }.filter { Self.names.contains($0.name) }
        // Two of the names are other names of commands.
        try #require(commands.count == Self.names.count - 2)
        return commands
    }

    private static func declared(_ command: [String: Any]) -> Declared? {
        guard let name = command["commandName"] as? String,
            let arguments = command["arguments"] as? [[String: Any]]
        else { return nil }
        let options = arguments.filter { $0["kind"] as? String != "positional" }
        return Declared(
            name: name,
            options: options.map { option in
                let names = (option["names"] as? [[String: Any]] ?? []).compactMap { name in
                    (name["name"] as? String).map {
                        (name["kind"] as? String == "long" ? "--" : "-") + $0
                    }
                }
                return (names, option["kind"] as? String == "option")
            },
            argumentCount: arguments.count - options.count)
    }
}
