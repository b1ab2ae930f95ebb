// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import Testing

/// What the sources look like: the rules that a reader relies on, kept by a test.
@Suite struct TidyTests {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Path below the root and text of every file with one of these endings that a person wrote.
    static func files(in directories: [String], _ endings: [String]) throws -> [(String, String)] {
        var found: [(String, String)] = []
        for directory in directories {
            let start = root.appendingPathComponent(directory)
            let names = try #require(FileManager.default.enumerator(atPath: start.path))
            for case let name as String in names
            where endings.contains((name as NSString).pathExtension)
                && !name.contains(".build/") && !name.contains("/Generated/")
            {
                let text = try String(
                    contentsOf: start.appendingPathComponent(name), encoding: .utf8)
                found.append(("\(directory)/\(name)", text))
            }
        }
        return found
    }

    @Test func `a file is one noun under four hundred lines`() throws {
        let files = try Self.files(in: ["Sources", "Tests"], ["swift", "c", "h"])
        #expect(files.count > 100)
        for (path, text) in files {
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
            #expect(lines <= 400, "\(path) has \(lines) lines")
        }
    }

    @Test func `a directory is a concern, of at most sixteen files`() throws {
        let arguments = ["-C", Self.root.path, "ls-files", "-co", "--exclude-standard"]
        let directories = try runCommand("git", arguments).components(separatedBy: "\n")
            .map { ($0 as NSString).deletingLastPathComponent }
        let counts = Dictionary(grouping: directories) { $0 }.mapValues(\.count)
        #expect(counts.count > 50)
        for (directory, count) in counts where !directory.hasPrefix("Tests/Fuzz/corpus") {
            #expect(count <= 16, "\(directory) has \(count) files")
        }
    }

    @Test func `the top of the tree is what the design names`() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.root.path)
            .filter { !$0.hasPrefix(".") && $0 != "Package.resolved" }
        #expect(
            Set(names) == [
                "CONTRIBUTING.md", "LICENSE", "Makefile", "Package.swift", "README.md", "Sources",
                "Tests", "benchmarks", "docs",
            ])
    }

    @Test func `a function fits on a screen`() throws {
        for (path, text) in try Self.files(in: ["Sources", "Tests"], ["swift"]) {
            for (line, length) in Self.functions(in: text) {
                #expect(length <= 70, "\(path):\(line) is a function of \(length) lines")
            }
        }
    }

    /// First line and length of each function, told by indentation, which the formatter keeps.
    private static func functions(in text: String) -> [(line: Int, length: Int)] {
        var found: [(Int, Int)] = []
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let indent = line.prefix { $0 == " " }
            let words = line.split(separator: " ")
            let isFunction =
                words.contains("func")
                || words.contains { $0.hasPrefix("init(") } && !line.contains(".init(")
            guard isFunction, words.first?.hasPrefix("//") == false else { continue }
            let end = lines[index...].firstIndex { $0 == indent + "}" }
            if let end { found.append((index + 1, end - index + 1)) }
        }
        return found
    }

    @Test func `every source file carries its licence`() throws {
        for (path, text) in try Self.files(in: ["Sources", "Tests"], ["swift", "c", "h", "sh"]) {
            let head = text.split(separator: "\n").prefix(3)
            #expect(head.contains { $0.contains("SPDX-License-Identifier: Apache-2.0") }, "\(path)")
        }
    }

    @Test func `nothing is left undone or looks into another target`() throws {
        // Written apart, so that this file does not find itself.
        let forbidden = ["TO" + "DO", "FIX" + "ME", "@" + "testable"]
        for (path, text) in try Self.files(in: ["Sources", "Tests"], ["swift", "c", "h"]) {
            for word in forbidden { #expect(!text.contains(word), "\(path) has \(word)") }
        }
    }

    @Test func `the page on linking shows the program that is built`() throws {
        let page = try String(
            contentsOf: Self.root.appendingPathComponent("docs/linking.md"), encoding: .utf8)
        let program = try String(
            contentsOf: Self.root.appendingPathComponent("Tests/LinkExample/LinkExample.swift"),
            encoding: .utf8)
        let body = try #require(program.range(of: "\n\n")).upperBound
        #expect(page.contains("```swift\n" + program[body...] + "```"))
    }

    @Test func `every driver has its page`() throws {
        let text = try String(
            contentsOf: Self.root.appendingPathComponent(
                "Sources/GraphBuiltins/BuiltinDrivers.swift"),
            encoding: .utf8)
        for name in ["overlay", "btrfs", "devicemapper", "vfs"] {
            #expect(text.lowercased().contains(name))
            let page = Self.root.appendingPathComponent("docs/drivers/\(name).md").path
            #expect(FileManager.default.fileExists(atPath: page), "\(page) is missing")
        }
    }
}
