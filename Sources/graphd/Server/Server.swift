// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Dispatch
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
import GraphStore
import Logging
import NIOPosix
import SystemPackage

/// Serves a store until the process is asked to end.
struct Server {
    private let snapshots: SnapshotStore
    private let address: FilePath
    private let logger: Logger

    /// Requests that wait for disks at one time; others wait for them.
    private static let threadCount = 16

    init(_ snapshots: SnapshotStore, at address: FilePath, _ logger: Logger) {
        (self.snapshots, self.address, self.logger) = (snapshots, address, logger)
    }

    /// Serves, and ends what is going on when SIGTERM or SIGINT comes.
    ///
    /// Calls `listening` once the socket is there.
    func run(listening: @Sendable () throws -> Void) async throws {
        let threads = NIOThreadPool(numberOfThreads: Self.threadCount)
        threads.start()
        let server = GRPCServer(
            transport: .http2NIOPosix(
                address: .unixDomainSocket(path: address.string), transportSecurity: .plaintext),
            services: [
                SnapshotService(snapshots, on: threads, logger: logger), HealthService(),
            ])
        let signals = Self.signals { signal in
            logger.info("ending on a signal", metadata: ["signal": "\(signal)"])
            server.beginGracefulShutdown()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.serve() }
            _ = try await server.listeningAddress
            try listening()
            logger.info("serving", metadata: ["address": "\(address)"])
            try await group.waitForAll()
        }
        for signal in signals { signal.cancel() }
        try await threads.shutdownGracefully()
    }

    private static func signals(
        _ body: @escaping @Sendable (CInt) -> Void
    ) -> [any DispatchSourceSignal] {
        [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { body(number) }
            source.activate()
            return source
        }
    }
}
