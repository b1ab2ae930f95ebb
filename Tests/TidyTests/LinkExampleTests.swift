// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// The program that docs/linking.md shows.
@Suite struct LinkExampleTests {
    @Test func `the program of the page on linking runs`() throws {
        let directory = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let binary = directory.appendingPathComponent("LinkExample")
        try withScratchRoot { root in
            let tar = root.appending("layer.tar")
            let member = LayerMember(
                ArchiveEntry(path: "motd", kind: .file(size: 0), permissions: 0o644),
                content: Array("hello\n".utf8))
            try Data(LayerTar.bytes(of: [member])).write(to: URL(fileURLWithPath: tar.string))
            let process = Process()
            process.executableURL = binary
            process.arguments = [root.string, tar.string]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            let text = String(
                decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            #expect(text.hasPrefix("A /hello\nkept as "))
        }
    }
}
