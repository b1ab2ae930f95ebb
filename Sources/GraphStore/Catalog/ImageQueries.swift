// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// The reading statements about images, on a connection of `graph.db`.
struct ImageQueries {
    let database: Database

    init(_ database: Database) { self.database = database }

    /// Whether the database has images; not one of an older version that could not be changed.
    func arePresent() throws -> Bool {
        let statement = try database.cachedStatement(sql: "PRAGMA user_version")
        return (try Int.fetchOne(statement) ?? 0) >= Schema.versionWithImages
    }

    /// Finds the image that has a name: all of it, or without its registry or `:latest`.
    func id(named name: String) throws -> String? {
        if name.isEmpty { return nil }
        let exact = try database.cachedStatement(
            sql: "SELECT image FROM image_names WHERE name = ?")
        if let id = try String.fetchOne(exact, arguments: [name]) { return id }
        let statement = try database.cachedStatement(
            sql: """
                SELECT name, image FROM image_names
                WHERE name = ?1 || ':latest' OR substr(name, -length(?1) - 1) = '/' || ?1
                    OR substr(name, -length(?1) - 8) = '/' || ?1 || ':latest'
                ORDER BY name
                """)
        let rows = try Row.fetchAll(statement, arguments: [name])
        let found = try rows.map { (name: try $0[0] as String, id: try $0[1] as String) }
        if Set(found.map(\.id)).count > 1 {
            throw DriverError(
                .invalidArgument,
                "\(name) may be any of several images: " + listed(found.map(\.name)))
        }
        return found.first?.id
    }

    /// Finds the image by its id, by the start of it that no other has, or by the digest of a manifest.
    func id(startingWith text: String) throws -> String? {
        let byManifest = try database.cachedStatement(
            sql: "SELECT image FROM manifests WHERE digest = ?")
        if let id = try String.fetchOne(byManifest, arguments: [text]) { return id }
        let digits = text.hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        let allowed = Set("0123456789abcdef".utf8)
        guard !digits.isEmpty, digits.utf8.count <= 64, digits.utf8.allSatisfy(allowed.contains)
        else { return nil }
        let statement = try database.cachedStatement(
            sql: "SELECT id FROM images WHERE id >= ? AND id < ? ORDER BY id LIMIT 3")
        // "g" sorts behind every digit.
        let found = try String.fetchAll(statement, arguments: [digits, digits + "g"])
        if found.count > 1 {
            throw DriverError(
                .invalidArgument,
                "\(text) is the start of several images' ids: " + listed(found))
        }
        return found.first
    }

    /// Finds the image that a caller means.
    func id(_ reference: String) throws -> String {
        if reference.isEmpty { throw DriverError(.invalidArgument, "an image's name is not empty") }
        if try arePresent() {
            if let id = try id(named: reference) { return id }
            if let id = try id(startingWith: reference) { return id }
        }
        throw Self.notFound(reference)
    }

    static func notFound(_ reference: String) -> DriverError {
        DriverError(.imageNotFound, "there is no image \(reference)")
    }

    /// The ids of all images, the oldest first.
    func ids() throws -> [String] {
        let statement = try database.cachedStatement(
            sql: "SELECT id FROM images ORDER BY created_at, id")
        return try String.fetchAll(statement)
    }

    /// Reads an image by its whole id.
    func image(_ id: String) throws -> StoredImage? {
        let statement = try database.cachedStatement(
            sql: """
                SELECT top, system, architecture, variant, configuration IS NOT NULL, created_at,
                    updated_at
                FROM images WHERE id = ?
                """)
        guard let row = try Row.fetchAll(statement, arguments: [id]).first else { return nil }
        guard let digest = Digest(parsing: id) else {
            throw DriverError(.storeDamaged, "an image's record has an id that is none: \(id)")
        }
        let top: UInt32? = try row[0]
        let chain = try top.map {
            try CatalogReader(database).chain(of: LayerNumber(rawValue: $0))
        }
        return StoredImage(
            id: digest, names: try names(of: id), top: chain?.first?.layer.id,
            layerCount: chain?.count ?? 0,
            usage: (chain ?? []).compactMap(\.layer.usage).reduce(LayerUsage(), +),
            system: try row[1], architecture: try row[2], variant: try row[3],
            manifests: try manifests(of: id), hasConfiguration: try row[4],
            created: Timestamp(record: try row[5]), updated: Timestamp(record: try row[6]))
    }

    /// The number of an image's topmost layer.
    func top(of id: String) throws -> LayerNumber? {
        let statement = try database.cachedStatement(sql: "SELECT top FROM images WHERE id = ?")
        return try UInt32.fetchOne(statement, arguments: [id]).map { LayerNumber(rawValue: $0) }
    }

    /// What an image is called, sorted.
    func names(of id: String) throws -> [String] {
        let statement = try database.cachedStatement(
            sql: "SELECT name FROM image_names WHERE image = ? ORDER BY name")
        return try String.fetchAll(statement, arguments: [id])
    }

    /// The images over a layer that is their topmost.
    func ids(over top: LayerNumber) throws -> [String] {
        let statement = try database.cachedStatement(
            sql: "SELECT id FROM images WHERE top = ? ORDER BY created_at, id")
        return try String.fetchAll(statement, arguments: [top.rawValue])
    }

    /// What people would call the images over a layer.
    func described(over top: LayerNumber) throws -> [String] {
        guard try arePresent() else { return [] }
        return try ids(over: top).map { try names(of: $0).first ?? String($0.prefix(12)) }
    }

    /// An image's configuration; nil where only its digest is known.
    func configuration(of id: String) throws -> [UInt8]? {
        let statement = try database.cachedStatement(
            sql: "SELECT configuration FROM images WHERE id = ?")
        return try [UInt8].fetchOne(statement, arguments: [id])
    }

    /// The bytes of a manifest; nil where only its digest is known, or not even that.
    func document(ofManifest digest: String) throws -> [UInt8]? {
        let statement = try database.cachedStatement(
            sql: "SELECT document FROM manifests WHERE digest = ?")
        return try [UInt8].fetchOne(statement, arguments: [digest])
    }

    /// Whether a manifest is recorded with its bytes.
    func hasDocument(ofManifest digest: String) throws -> Bool {
        let statement = try database.cachedStatement(
            sql: "SELECT 1 FROM manifests WHERE digest = ? AND document IS NOT NULL")
        return try Int.fetchOne(statement, arguments: [digest]) != nil
    }

    /// Whether a manifest has a blob.
    func isNamed(blob digest: String) throws -> Bool {
        guard try arePresent() else { return true }
        let statement = try database.cachedStatement(
            sql: "SELECT 1 FROM manifest_layers WHERE digest = ? LIMIT 1")
        return try Int.fetchOne(statement, arguments: [digest]) != nil
    }

    /// The manifest that a name stands for.
    func manifest(named name: String) throws -> String? {
        let statement = try database.cachedStatement(
            sql: "SELECT manifest FROM image_names WHERE name = ?")
        return try String.fetchOne(statement, arguments: [name])
    }

    private func manifests(of id: String) throws -> [StoredManifest] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT digest, media_type, configuration_type FROM manifests WHERE image = ?
                ORDER BY created_at DESC, digest
                """)
        return try Row.fetchAll(statement, arguments: [id]).map { row in
            let digest: String = try row[0]
            return StoredManifest(
                digest: digest, mediaType: try row[1], configurationType: try row[2],
                layers: try blobs(of: digest))
        }
    }

    private func blobs(of manifest: String) throws -> [StoredBlob] {
        let statement = try database.cachedStatement(
            sql: """
                SELECT diff_id, digest, bytes, media_type, compression FROM manifest_layers
                WHERE manifest = ? ORDER BY position
                """)
        return try Row.fetchAll(statement, arguments: [manifest]).map { row in
            let text: String = try row[0]
            guard let diffID = Digest(parsing: text) else {
                throw DriverError(.storeDamaged, "a manifest's record has a digest that is none")
            }
            let compression: String? = try row[4]
            return StoredBlob(
                diffID: diffID, digest: try row[1], bytes: UInt64(bitPattern: try row[2]),
                mediaType: try row[3],
                compression: compression.flatMap { Compression(rawValue: $0) })
        }
    }
}
