// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import SystemPackage
import Testing

/// A runtime may have threads in several mount namespaces.
@Suite struct MountNamespaceTests {
    private static let newNamespace = CInt(0x20000)  // CLONE_NEWNS

    @Test(.enabled(if: geteuid() == 0, "a mount namespace needs root"))
    func `each thread is told its own mount namespace`() throws {
        let ours = try MountPoint.currentNamespace()
        #expect(try MountPoint.currentNamespace() == ours)
        let theirs = try (0..<3).map { _ in
            try onThread {
                let before = try MountPoint.currentNamespace()
                try #require(Self.unshare(Self.newNamespace) == 0)
                let after = try MountPoint.currentNamespace()
                let link = try Directory(opening: "/proc/thread-self/ns").readLink("mnt")
                #expect(before == ours)
                #expect(link.description == "mnt:[\(after)]")
                #expect(try MountPoint.currentNamespace() == after)
                return after
            }
        }
        #expect(!theirs.contains(ours))
        #expect(try MountPoint.currentNamespace() == ours)
    }

    /// Glibc's, which its module hides.
    private static var unshare: @convention(c) (CInt) -> CInt {
        unsafeBitCast(dlsym(nil, "unshare"), to: (@convention(c) (CInt) -> CInt).self)
    }

    /// Runs something on a thread that ends with it.
    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) throws -> Value {
        let done = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var result: Result<Value, any Error>?
        Thread {
            result = Result { try body() }
            done.signal()
        }.start()
        done.wait()
        return try #require(result).get()
    }
}
