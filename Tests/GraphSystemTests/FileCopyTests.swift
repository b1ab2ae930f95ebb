// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What `copyContent` promises.
@Suite struct FileCopyTests {
    @Test func `content and holes are copied, and the length is kept`() throws {
        try withScratchRoot { root in
            let directory = try Directory(opening: root)
            let source = try directory.open("source", [.create, .readWrite], permissions: 0o600)
            try source.write([UInt8](repeating: 9, count: 70_000).span, at: 3 << 20)
            try source.truncate(to: 64 << 20)
            let target = try directory.open("target", [.create, .readWrite], permissions: 0o600)
            try copyContent(from: source, to: target, size: 64 << 20)
            let status = try target.status()
            #expect(status.size == 64 << 20)
            #expect(status.allocatedBytes < 1 << 20)
            #expect(try target.readAll(limit: 1 << 30) == source.readAll(limit: 1 << 30))
        }
    }

    @Test func `a copy can be stopped`() throws {
        try withScratchRoot { root in
            let directory = try Directory(opening: root)
            let source = try directory.open("source", [.create, .readWrite], permissions: 0o600)
            try source.write([UInt8](repeating: 9, count: 1 << 20).span)
            let target = try directory.open("target", [.create, .readWrite], permissions: 0o600)
            // Blocks that are shared are there at once, and nothing is left to be stopped.
            do throws(SyscallError) {
                let method = try copyContent(from: source, to: target, size: 1 << 20) { _ in false }
                #expect(method == .reflink)
            } catch {
                #expect(error.errno == .canceled)
            }
        }
    }
}
