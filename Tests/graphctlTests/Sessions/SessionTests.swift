// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// What scripts read of `--json` stays as it was recorded in the files beside this one.
///
/// `GRAPH_TEST_RECORD=1` records anew; the difference is for a reviewer to judge.
@Suite struct SessionTests {
    @Test(arguments: DriverUnderTest.usable.filter { $0.name != "devicemapper" })
    func `a session has the names, codes and statuses that it had`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            var session = Session(command)
            try session.run()
            let place = FilePath(#filePath).removingLastComponent()
                .appending("\(subject.name).txt")
            if ProcessInfo.processInfo.environment["GRAPH_TEST_RECORD"] != nil {
                try place.write(session.text)
            }
            let recorded = try place.readText().components(separatedBy: "\n")
            let found = session.text.components(separatedBy: "\n")
            #expect(recorded.count > 300)
            for change in found.difference(from: recorded) {
                switch change {
                case .insert(let offset, let line, _): Issue.record("\(offset): new: \(line)")
                case .remove(let offset, let line, _): Issue.record("\(offset): gone: \(line)")
                }
            }
        }
    }
}

/// Commands and what they print, without what differs from run to run.
private struct Session {
    private let command: GraphctlCommand
    private(set) var text = ""

    init(_ command: GraphctlCommand) { self.command = command }

    mutating func run() throws {
        let tar = command.directory.appending("layer.tar")
        let damaged = command.directory.appending("damaged.tar")
        try command.directory.appending("tree").makeDirectory()
        try command.directory.appending("tree/file").write("content")
        try runCommand(
            "tar",
            [
                "--sort=name", "--mtime=@1000000000", "--owner=0", "--group=0", "-C",
                command.directory.appending("tree").string, "-cf", tar.string, ".",
            ])
        try damaged.write(String(repeating: "x", count: 1_024))
        try run("init")
        try run("apply", "--id", "base", "--label", "a=b", tar.string)
        try run("apply", "--id", "base", tar.string)
        try run("apply", damaged.string)
        try run("create", "--id", "box", "--parent", "base", "--label", "role=test")
        try run("create", "--id", "box")
        try run("create", "--id", "not valid")
        try run("create", "--parent", "nothing")
        try run("mount", "base")
        try run("mount", "box")
        let points = command.runRoot.appending("mnt")
        let point = try FileManager.default.contentsOfDirectory(atPath: points.string).first
        try points.appending("\(try #require(point))/new").write("new")
        try run("mount", "box")
        try run("inspect", "box")
        try run("commit", "box")
        try run("unmount", "box")
        try run("unmount", "box")
        try run("unmount", "box")
        try run("changes", "box")
        try run("commit", "box", "--id", "top")
        try run("commit", "top")
        try run("view", "--id", "look", "--parent", "top")
        try run("label", "top", "x=y", "a-")
        for verb in ["ls", "tree", "df", "images", "info", "check"] { try run(verb) }
        try run("usage", "top")
        try run("inspect", "base")
        try run("rm", "base")
        try run("rm", "look", "top", "base", "nothing")
        try run("ls")
        try run("gc")
        try run("export", "nothing", "oci:" + command.directory.appending("out").string)
        try run("rmi", "nothing")
    }

    private mutating func run(_ arguments: String...) throws {
        let result = try command.run(arguments + ["--json"])
        let shown = arguments.map { $0.replacing(command.directory.string, with: "FOLDER") }
        text += "$ graphctl \(shown.joined(separator: " "))\n"
        // One value, or one a line.
        let values = Self.json(result.text).map { [$0] } ?? result.lines.compactMap(Self.json)
        #expect(!values.isEmpty || result.lines.allSatisfy(\.isEmpty), "\(shown)")
        for value in values { text += try pretty(value) }
        text += "status \(result.status)\n"
    }

    private static func json(_ text: String) -> Any? {
        try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    }

    private func pretty(_ value: Any) throws -> String {
        let data = try JSONSerialization.data(
            withJSONObject: normal(value, key: ""),
            options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed])
        return String(decoding: data, as: UTF8.self) + "\n"
    }

    /// Sizes are those of a filesystem, sentences are for people, and what the machine has is not the store's.
    private func normal(_ value: Any, key: String) -> Any {
        switch value {
        case let members as [String: Any]:
            if key == "capabilities" || key == "libraries" { return members.keys.sorted() }
            return members.reduce(into: [String: Any]()) { all, member in
                all[member.key] = normal(member.value, key: member.key)
            }
        case let items as [Any]: return items.map { normal($0, key: key) }
        case let text as String:
            if ["message", "error", "hint", "errno", "filesystem", "warnings"].contains(key) {
                return "SENTENCE"
            }
            return normal(text)
        case let number as NSNumber:
            let isCounted = ["bytes", "inodes", "available", "size", "device", "freeing"].contains {
                key.contains($0)
            }
            return isCounted ? 0 : number
        default: return value
        }
    }

    private func normal(_ text: String) -> String {
        text.replacing(command.directory.string, with: "FOLDER")
            .replacing(/\d{4}-\d{2}-\d{2}T[0-9:.]+Z/, with: "TIME")
            .replacing(/\b[0-9a-f]{12,64}\b/, with: "HEX")
    }
}
