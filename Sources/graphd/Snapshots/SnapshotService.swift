// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ContainerdProtocol
import GRPCCore
import GraphCore
import GraphStore
import GraphSystem
import Logging
import NIOPosix
import SwiftProtobuf

/// containerd's service of snapshots over a ``SnapshotStore``.
///
/// Calls of the store wait for disks: they run on threads of their own.
struct SnapshotService: Containerd_Services_Snapshots_V1_Snapshots.SimpleServiceProtocol {
    private let snapshots: SnapshotStore
    private let threads: NIOThreadPool
    private let logger: Logger

    init(_ snapshots: SnapshotStore, on threads: NIOThreadPool, logger: Logger) {
        (self.snapshots, self.threads, self.logger) = (snapshots, threads, logger)
    }

    /// Runs what a request asks for, and logs what becomes of it.
    private func run<Value: Sendable>(
        _ method: String, _ key: String,
        _ body: @escaping @Sendable (SnapshotStore) throws(SnapshotError) -> Value
    ) async throws -> Value {
        let snapshots = snapshots
        let result = try await threads.runIfActive {
            Result { () throws(SnapshotError) in try body(snapshots) }
        }
        do throws(SnapshotError) {
            let value = try result.get()
            logger.debug("\(method)", metadata: ["key": "\(key)"])
            return value
        } catch {
            let level: Logger.Level = error.isOfCaller ? .debug : .error
            logger.log(
                level: level, "\(method)", metadata: ["key": "\(key)", "error": "\(error)"])
            throw error.status
        }
    }

    // MARK: Requests

    func prepare(
        request: Containerd_Services_Snapshots_V1_PrepareSnapshotRequest, context: ServerContext
    ) async throws -> Containerd_Services_Snapshots_V1_PrepareSnapshotResponse {
        let mounts = try await run("Prepare", request.key) { (store) throws(SnapshotError) in
            try store.prepare(
                request.key, asView: false, parent: request.parent, labels: request.labels)
        }
        return .with { $0.mounts = mounts.map(Self.mount) }
    }

    func view(
        request: Containerd_Services_Snapshots_V1_ViewSnapshotRequest, context: ServerContext
    ) async throws -> Containerd_Services_Snapshots_V1_ViewSnapshotResponse {
        let mounts = try await run("View", request.key) { (store) throws(SnapshotError) in
            try store.prepare(
                request.key, asView: true, parent: request.parent, labels: request.labels)
        }
        return .with { $0.mounts = mounts.map(Self.mount) }
    }

    func mounts(
        request: Containerd_Services_Snapshots_V1_MountsRequest, context: ServerContext
    ) async throws -> Containerd_Services_Snapshots_V1_MountsResponse {
        let mounts = try await run("Mounts", request.key) { (store) throws(SnapshotError) in
            try store.mounts(request.key)
        }
        return .with { $0.mounts = mounts.map(Self.mount) }
    }

    func commit(
        request: Containerd_Services_Snapshots_V1_CommitSnapshotRequest, context: ServerContext
    ) async throws -> Google_Protobuf_Empty {
        try await run("Commit", request.key) { (store) throws(SnapshotError) in
            try store.commit(
                request.key, as: request.name, labels: request.labels, parent: request.parent)
        }
        return Google_Protobuf_Empty()
    }

    func remove(
        request: Containerd_Services_Snapshots_V1_RemoveSnapshotRequest, context: ServerContext
    ) async throws -> Google_Protobuf_Empty {
        try await run("Remove", request.key) { (store) throws(SnapshotError) in
            try store.remove(request.key)
        }
        return Google_Protobuf_Empty()
    }

    func stat(
        request: Containerd_Services_Snapshots_V1_StatSnapshotRequest, context: ServerContext
    ) async throws -> Containerd_Services_Snapshots_V1_StatSnapshotResponse {
        let snapshot = try await run("Stat", request.key) { (store) throws(SnapshotError) in
            try store.stat(request.key)
        }
        return .with { $0.info = Self.info(snapshot) }
    }

    func update(
        request: Containerd_Services_Snapshots_V1_UpdateSnapshotRequest, context: ServerContext
    ) async throws -> Containerd_Services_Snapshots_V1_UpdateSnapshotResponse {
        let key = request.info.name
        let fields = request.hasUpdateMask ? request.updateMask.paths : []
        let snapshot = try await run("Update", key) { (store) throws(SnapshotError) in
            try store.update(key, labels: request.info.labels, fields: fields)
        }
        return .with { $0.info = Self.info(snapshot) }
    }

    /// Snapshots of one message.
    private static let pageSnapshots = 100

    func list(
        request: Containerd_Services_Snapshots_V1_ListSnapshotsRequest,
        response: RPCWriter<Containerd_Services_Snapshots_V1_ListSnapshotsResponse>,
        context: ServerContext
    ) async throws {
        let all = try await run("List", "") { (store) throws(SnapshotError) in
            try store.list(request.filters)
        }
        for start in stride(from: 0, to: all.count, by: Self.pageSnapshots) {
            let page = all[start..<min(start + Self.pageSnapshots, all.count)]
            try await response.write(.with { $0.info = page.map(Self.info) })
        }
    }

    func usage(
        request: Containerd_Services_Snapshots_V1_UsageRequest, context: ServerContext
    ) async throws -> Containerd_Services_Snapshots_V1_UsageResponse {
        let usage = try await run("Usage", request.key) { (store) throws(SnapshotError) in
            try store.usage(request.key)
        }
        return .with {
            $0.size = Int64(clamping: usage.bytes)
            $0.inodes = Int64(clamping: usage.inodes)
        }
    }

    func cleanup(
        request: Containerd_Services_Snapshots_V1_CleanupRequest, context: ServerContext
    ) async throws -> Google_Protobuf_Empty {
        try await run("Cleanup", "") { (store) throws(SnapshotError) in try store.cleanUp() }
        return Google_Protobuf_Empty()
    }

    // MARK: Messages

    private static func mount(_ mount: MountArguments) -> Containerd_Types_Mount {
        .with {
            $0.type = mount.type
            $0.source = mount.source
            $0.options = mount.options
        }
    }

    private static func info(_ snapshot: Snapshot) -> Containerd_Services_Snapshots_V1_Info {
        .with {
            $0.name = snapshot.name
            $0.parent = snapshot.parent
            $0.kind =
                switch snapshot.kind {
                case .committed: .committed
                case .active: .active
                case .view: .view
                }
            $0.createdAt = time(snapshot.created)
            $0.updatedAt = time(snapshot.updated)
            $0.labels = snapshot.labels
        }
    }

    private static func time(_ time: Timestamp) -> Google_Protobuf_Timestamp {
        .with {
            $0.seconds = time.seconds
            $0.nanos = Int32(clamping: time.nanoseconds)
        }
    }
}
