// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphArchive
import GraphBuiltins
import GraphCore
import GraphImage
import GraphStore
import GraphSystem
import GraphTestSupport
import Logging
import SystemPackage
import Testing

/// A store, and a place for images beside it.
struct ImportFixture {
    let directory: FilePath
    let store: LayerStore

    /// Lends an empty store, and removes it with everything around it.
    static func with(_ body: (ImportFixture) throws -> Void) throws {
        try withScratchRoot { directory in
            let configuration = LayerStore.Configuration(
                root: directory.appending("root"), runRoot: directory.appending("run"),
                durability: .unsynced,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let store = try LayerStore(
                configuration, drivers: BuiltinDrivers.all,
                chooseDriver: BuiltinDrivers.automatic)
            try body(ImportFixture(directory: directory, store: store))
        }
    }

    /// Imports from a directory.
    func importLayout(_ image: TestImage, name: String? = nil) throws -> Layer {
        let path = directory.appending("layout-\(UUID().uuidString)")
        try path.makeDirectory()
        try image.write(to: path)
        return try importFile(path, name: name)
    }

    /// Imports from an archive.
    func importArchive(_ bytes: [UInt8], name: String? = nil) throws -> Layer {
        let path = directory.appending("archive-\(UUID().uuidString)")
        try Data(bytes).write(to: URL(fileURLWithPath: path.string))
        return try importFile(path, name: name)
    }

    /// Imports from a path.
    func importFile(
        _ path: FilePath, name: String? = nil, observer: WorkObserver = .none
    ) throws -> Layer {
        let source = try ImageSource(opening: path, spoolingTo: directory)
        let imported = try importImage(source, name: name, into: store, observer: observer)
        return try #require(imported.top)
    }

    /// What the images are called whose topmost layer a layer is.
    func names(over top: Layer) throws -> [String] {
        try store.images.over(top).flatMap(\.names)
    }

    /// The names and contents of the files that a layer adds.
    func files(of layer: Layer) throws -> [String: String] {
        let sink = MemorySink()
        try store.writeDiff(of: layer.id, to: sink)
        var files: [String: String] = [:]
        for member in try LayerTar.members(of: sink.bytes) {
            guard case .file = member.entry.kind else { continue }
            files[member.entry.path.description] = String(decoding: member.content, as: UTF8.self)
        }
        return files
    }

    /// Expects that something fails with a code, and that the store is as empty as before.
    func expectFailure(
        _ code: DriverError.Code, saying text: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Layer
    ) throws {
        let before = try store.layers().map(\.id)
        let error = #expect(throws: DriverError.self, sourceLocation: sourceLocation) {
            _ = try body()
        }
        #expect(error?.code == code, "\(error as Any)", sourceLocation: sourceLocation)
        if let text, let error {
            #expect(
                error.description.contains(text), "\(error)", sourceLocation: sourceLocation)
        }
        #expect(try store.layers().map(\.id) == before, sourceLocation: sourceLocation)
        #expect(try store.check(deep: false).isEmpty, sourceLocation: sourceLocation)
    }
}
