// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import Testing

/// What docs/ARCHITECTURE.md and the glossary say of the code is so.
@Suite struct ArchitectureTests {
    private static func page(_ name: String) throws -> String {
        try String(
            contentsOf: TidyTests.root.appendingPathComponent("docs/\(name)"), encoding: .utf8)
    }

    private static func sources() throws -> String {
        try TidyTests.files(in: ["Sources"], ["swift"]).map(\.1).joined(separator: "\n")
    }

    /// The names of types between backticks.
    private static func types(in text: Substring) -> [String] {
        text.matches(of: /`([A-Z][A-Za-z]+)`/).map { String($0.1) }
    }

    /// Whether the sources declare a type.
    private static func declares(_ sources: String, _ type: String) -> Bool {
        ["class", "struct", "enum", "protocol"].contains { kind in
            sources.contains("\(kind) \(type) ") || sources.contains("\(kind) \(type):")
                || sources.contains("\(kind) \(type)<")
        }
    }

    @Test func `the picture of the targets is what they import`() throws {
        let script = TidyTests.root.appendingPathComponent("docs/draw-targets.py").path
        let drawn = try runCommand("python3", [script])
        #expect(drawn.hasPrefix("graph TD\n"))
        #expect(try Self.page("ARCHITECTURE.md").contains("```mermaid\n" + drawn + "```"))
    }

    @Test func `each way through the store passes at most seven types, which there are`() throws {
        let (page, sources) = (try Self.page("ARCHITECTURE.md"), try Self.sources())
        let start = try #require(page.range(of: "Five ways through it")).upperBound
        let end = try #require(page.range(of: "A mount passes five files")).lowerBound
        let ways = page[start..<end].components(separatedBy: "\n- **").dropFirst()
        #expect(ways.count == 5)
        for way in ways {
            let types = Self.types(in: way[...])
            #expect((3...7).contains(types.count), "\(way)")
            for type in types { #expect(Self.declares(sources, type), "there is no \(type)") }
        }
    }

    @Test func `the types of the store that the page names are its files`() throws {
        let (page, sources) = (try Self.page("ARCHITECTURE.md"), try Self.sources())
        let start = try #require(page.range(of: "## Inside the store")).upperBound
        let end = try #require(page.range(of: "Five ways through it")).lowerBound
        let types = Self.types(in: page[start..<end])
        #expect(types.count > 20)
        for type in types { #expect(Self.declares(sources, type), "there is no \(type)") }
    }

    @Test func `what the page says to decide something is there`() throws {
        let (page, sources) = (try Self.page("ARCHITECTURE.md"), try Self.sources())
        let start = try #require(page.range(of: "### Where is it decided?")).upperBound
        let end = try #require(page.range(of: "### Locks, in the order")).lowerBound
        let functions = page[start..<end].matches(of: /`([A-Z]\w+)\.(\w+)/)
        #expect(functions.count >= 9)
        for found in functions where found.2 != "swift" {
            #expect(Self.declares(sources, String(found.1)), "\(found.0)")
            let function = String(found.2)
            #expect(
                sources.contains(function == "init" ? "init(" : "func \(function)("), "\(found.0)")
        }
    }

    @Test func `the facade of the store has no more than its verbs`() throws {
        let files = try TidyTests.files(in: ["Sources/GraphStore"], ["swift"])
            .filter { $0.0.contains("/LayerStore") }
        #expect(files.count > 3)
        var methods = 0
        for (path, text) in files {
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ")
                guard words.contains("func"), !line.contains("///") else { continue }
                #expect(words.first == "public", "\(path): \(line)")
                methods += 1
            }
        }
        #expect((20...35).contains(methods), "\(methods)")
    }

    @Test func `what is public is little, and described`() throws {
        let script = TidyTests.root.appendingPathComponent("docs/structure.py").path
        let told = try runCommand("python3", [script])
        let line = try #require(told.firstMatch(of: /public declarations: (\d+) .* comment: (\d+)/))
        #expect((400...620).contains(try #require(Int(line.1))), "\(told)")
        #expect(line.2 == "0", "\(told)")
    }

    @Test func `a type has at most thirty-five methods, in all of its files`() throws {
        let script = TidyTests.root.appendingPathComponent("docs/structure.py").path
        let told = try runCommand("python3", [script])
        let line = try #require(told.firstMatch(of: /largest types, methods: (\w+) (\d+),/))
        #expect((20...35).contains(try #require(Int(line.2))), "\(line.1): \(told)")
    }

    @Test func `a type that the glossary names is there`() throws {
        let (page, sources) = (try Self.page("glossary.md"), try Self.sources())
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| ") }
        #expect(rows.count > 30)
        for row in rows {
            let cells = row.split(separator: "|", omittingEmptySubsequences: false)
            #expect(cells.count == 7, "\(row)")
            for found in cells[2].matches(of: /`([A-Z][A-Za-z]+)(\.[a-z]\w+)?`/) {
                let name = String(found.1)
                #expect(Self.declares(sources, name) || sources.contains("case \(name)"), "\(row)")
            }
        }
    }

    /// Words that engineers do not use for it, or that say nothing.
    private static var banned: Regex<Substring> {
        /\b(?:nobody|somebody|whoever|everybody|anybody|anew)\b/
    }

    @Test func `the words of messages and pages are the usual ones`() throws {
        // Apart from "there is no", which is the usual way to say it.
        let negated = /(there )?\b(?:is|are) no (?!longer)\w+/
        var strings = 0
        for (path, text) in try TidyTests.files(in: ["Sources"], ["swift"]) {
            for line in text.split(separator: "\n") where !line.contains("//") {
                for literal in line.matches(of: /"(?:[^"\\]|\\.)*"/) {
                    strings += 1
                    let text = literal.0
                    #expect(text.firstMatch(of: Self.banned) == nil, "\(path): \(text)")
                    for found in text.matches(of: negated) {
                        #expect(found.1 != nil, "\(path): \(text)")
                    }
                }
            }
        }
        #expect(strings > 1_000)
        for (path, text) in try TidyTests.files(in: ["docs"], ["md"]) {
            #expect(text.firstMatch(of: Self.banned) == nil, "\(path)")
        }
    }
}
