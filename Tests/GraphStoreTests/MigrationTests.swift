// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphStore
import GraphSystem
import SystemPackage
import Testing

/// Stores from before images were recorded.
@Suite struct MigrationTests {
    private static let configuration = String(repeating: "ab", count: 32)
    private static let manifest = "sha256:" + String(repeating: "cd", count: 32)

    /// Makes a store as it was, with an image told by labels.
    private func withOldStore(_ body: (StoreFixture, Layer) throws -> Void) throws {
        let fixture = try StoreFixture()
        let top: Layer
        do {
            let store = try fixture.open()
            top = try store.apply(
                MemorySource(StoreFixture.tar("one", "1")),
                labels: [
                    "graph.image.config": "sha256:" + Self.configuration,
                    "graph.image.manifest": Self.manifest,
                    "org.opencontainers.image.ref.name": "app:1", "mine": "kept",
                ]
            ).layer
            _ = try store.create(id: "box", parent: top.id, labels: ["graph.image.config": "x"])
        }
        for table in ["image_names", "manifest_layers", "manifests", "images"] {
            try fixture.tamper("DROP TABLE \(table)")
        }
        try fixture.tamper("DELETE FROM meta WHERE key = 'migration.2'")
        try fixture.tamper("PRAGMA user_version = 1")
        try body(fixture, top)
    }

    @Test func `images that were told by labels are recorded`() throws {
        try withOldStore { fixture, top in
            for _ in 0..<2 {
                let store = try fixture.open()
                #expect(try store.info().formatVersion == 2)
                let image = try #require(try store.images.all().first)
                #expect(image.id.hex == Self.configuration)
                #expect(image.names == ["app:1"])
                #expect(image.top == top.id)
                #expect(image.manifests.map(\.digest) == [Self.manifest])
                #expect(!image.hasConfiguration)
                let error = #expect(throws: DriverError.self) {
                    try store.images.configuration(of: image)
                }
                #expect(error?.message.contains("import it again") == true)
                // Other labels are their owner's.
                #expect(try store.layer(top.id).labels == ["mine": "kept"])
                #expect(try store.layer("box").labels == ["graph.image.config": "x"])
                #expect(try store.check(deep: true).isEmpty)
                #expect(try store.layer("app:1").id == top.id)
            }
        }
    }

    @Test func `an old store that is only read is read as it is`() throws {
        try withOldStore { fixture, top in
            // Somebody else has it open: the index of SQLite's log is there.
            let other = try DatabaseQueue(path: fixture.root.appending("graph.db").string)
            defer { withExtendedLifetime(other) {} }
            let version = try other.read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
            #expect(version == 1)
            let store = try fixture.open(readOnly: true)
            #expect(try store.info().formatVersion == 1)
            #expect(try store.layer(top.id).labels.count == 4)
            #expect(try store.images.over(top).isEmpty)
            #expect(try store.check().isEmpty)
            let error = #expect(throws: DriverError.self) { try store.images.all() }
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains("use it once where it can be written") == true)
            #expect(throws: DriverError.self) { try store.images.find("app:1") }
        }
    }

    @Test func `a layer that an image names is not removed, even by an older version`() throws {
        try withOldStore { fixture, top in
            let store = try fixture.open()
            try store.remove("box")
            let error = #expect(throws: DriverError.self) { try store.remove(top.id) }
            #expect(error?.code == .layerInUse)
            #expect(error?.message.contains("app:1") == true)
            // What that does: the foreign key refuses it.
            #expect(throws: (any Error).self) {
                try fixture.tamper("DELETE FROM layers WHERE number = \(top.number)")
            }
            #expect(try store.layer(top.id) == store.layer("app:1"))
        }
    }
}
