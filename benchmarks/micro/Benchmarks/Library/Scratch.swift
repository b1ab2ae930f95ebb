// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphBuiltins
import GraphCore
import GraphStore
import GraphSystem
import Logging
import SystemPackage

/// A directory for one benchmark, in `TMPDIR`.
struct Scratch {
    /// The layer that every store has.
    static let base = "base"

    private let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/graph-micro-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }

    /// Makes directories with a hundred files of 100 bytes, all of one time, so that two such trees are the
    /// same.
    func tree(_ name: String, files: Int) throws -> Directory {
        let content = Data(repeating: 7, count: 100)
        let time = [FileAttributeKey.modificationDate: Date(timeIntervalSince1970: 1_000_000_000)]
        for number in 0..<(files / 100) {
            let directory = "\(path)/\(name)/\(number)"
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
            for file in (0..<100).map({ "\(directory)/\($0)" }) {
                try content.write(to: URL(fileURLWithPath: file))
                try FileManager.default.setAttributes(time, ofItemAtPath: file)
            }
            try FileManager.default.setAttributes(time, ofItemAtPath: directory)
        }
        return try Directory(opening: FilePath("\(path)/\(name)"))
    }

    /// Makes a store with ``base`` and a number of views of it, which waits for no disk.
    func store(views: Int = 0) throws -> LayerStore {
        let store = try LayerStore(
            LayerStore.Configuration(
                root: FilePath(path + "/root"), runRoot: FilePath(path + "/run"),
                driver: "overlay", durability: .unsynced, logger: Logger(label: "micro")),
            drivers: BuiltinDrivers.all, chooseDriver: BuiltinDrivers.automatic)
        _ = try store.commit(try store.create().id, as: Self.base, observer: .none)
        for _ in 0..<views { _ = try store.createView(parent: Self.base) }
        return store
    }
}

/// Bytes to encode.
enum TestBytes {
    /// Half of it repeats.
    static func compressible(count: Int) -> [UInt8] {
        var state: UInt64 = 1
        return (0..<count).map { index in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return index & 64 == 0 ? UInt8(truncatingIfNeeded: state >> 56) : UInt8(index & 63)
        }
    }

    static func encoded(_ bytes: [UInt8], _ compression: Compression) throws -> [UInt8] {
        let sink = MemorySink()
        let encoder = Compressor(sink, compression)
        try encoder.write(bytes.span)
        try encoder.finish()
        return sink.bytes
    }
}

/// Forgets what it is given.
final class CountingSink: ByteSink {
    private(set) var count = 0

    func write(_ bytes: Span<UInt8>) throws(ArchiveError) { count += bytes.count }
    func finish() throws(ArchiveError) {}
}
