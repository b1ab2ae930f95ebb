// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage
import Testing

/// The most memory that any run may take, in bytes.
let memoryMax: UInt64 = 64 << 20

/// A store in which bad archives are tried, with something in it that must stay as it is.
struct BadInputStore {
    let command: GraphctlCommand
    private let emptyBytes: UInt64

    /// Makes a store with one layer, lends it, and removes it.
    static func with(
        _ subject: DriverUnderTest, below base: FilePath? = nil,
        _ body: (BadInputStore) throws -> Void
    ) throws {
        func lend(_ directory: FilePath) throws {
            try body(try BadInputStore(GraphctlCommand(driver: subject.name, directory: directory)))
        }
        if let base {
            try withScratchRoot(below: base, lend)
        } else {
            try subject.withDirectory(lend)
        }
    }

    private init(_ command: GraphctlCommand) throws {
        self.command = command
        let tar = command.directory.appending("good.tar")
        try RawTar.write(tar) { try $0.add("good", content: Array("good".utf8)) }
        try command.succeed("apply", "--id", "good", tar.string)
        // What the first failure makes, such as the directory for trash, stays, and what the first mount does.
        try command.withView(of: "good") { _ in }
        try command.succeed("rm", try command.succeed("create").text)
        try command.succeed("gc")
        emptyBytes = try command.diskBytes()
    }

    /// A path for an archive.
    func file(_ name: String) -> FilePath { command.directory.appending(name) }

    /// Fails the test unless applying a file is refused in one clear line and leaves nothing.
    ///
    /// `arguments` are those of `apply` besides the file, `words` what the line must say.
    ///
    /// - Returns: How many seconds it took.
    @discardableResult
    func expectRefusal(
        of tar: FilePath, _ what: String, _ arguments: [String] = [], saying words: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Double {
        let result = try command.run(["apply"] + arguments + [tar.string])
        #expect(result.status == 1, "\(what)", sourceLocation: sourceLocation)
        #expect(result.output == [], "\(what)", sourceLocation: sourceLocation)
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 1, "\(what): \(result.errors)", sourceLocation: sourceLocation)
        let start = "graphctl: apply \(tar.string): "
        #expect(
            result.errors.hasPrefix(start), "\(what): \(result.errors)",
            sourceLocation: sourceLocation)
        for word in words {
            #expect(
                result.errors.contains(word), "\(what): \(result.errors)",
                sourceLocation: sourceLocation)
        }
        #expect(result.peakBytes < memoryMax, "\(what)", sourceLocation: sourceLocation)
        try expectNothingLeft(what, sourceLocation: sourceLocation)
        return result.seconds
    }

    /// Applies a file, which must succeed within the memory, lends its id, and removes the layer.
    ///
    /// The command must warn once for each of `warnings`, in a line with all words of it, and no more.
    ///
    /// - Returns: How many seconds applying took.
    @discardableResult
    func withLayer(
        of tar: FilePath, _ arguments: String..., warnings: [[String]] = [],
        sourceLocation: SourceLocation = #_sourceLocation,
        _ body: (String) throws -> Void = { _ in }
    ) throws -> Double {
        let result = try command.run(["apply"] + arguments + [tar.string])
        let lines = result.errors.split(separator: "\n")
        try #require(
            result.status == 0 && lines.count == warnings.count, "\(result.errors)",
            sourceLocation: sourceLocation)
        for (line, words) in zip(lines, warnings) {
            let hasAll = line.contains(": warning: ") && words.allSatisfy { line.contains($0) }
            #expect(hasAll, "\(line)", sourceLocation: sourceLocation)
        }
        #expect(
            result.peakBytes < memoryMax, "\(result.peakBytes) bytes",
            sourceLocation: sourceLocation)
        try body(result.text)
        try command.succeed("rm", result.text)
        try expectNothingLeft("after removing", sourceLocation: sourceLocation)
        return result.seconds
    }

    /// Fails the test when the store is not as it was.
    func expectNothingLeft(
        _ what: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(
            try command.succeed("ls", "--quiet").lines == ["good"], "\(what)",
            sourceLocation: sourceLocation)
        #expect(
            try command.succeed("check").text == "", "\(what)", sourceLocation: sourceLocation)
        #expect(
            try command.diskBytes() == emptyBytes, "\(what)", sourceLocation: sourceLocation)
    }
}
