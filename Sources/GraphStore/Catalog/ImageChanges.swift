// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSQLite
import GraphSystem

/// The writing statements about images, inside a transaction on `graph.db`.
struct ImageChanges {
    let database: Database

    init(_ database: Database) { self.database = database }

    /// Adds an image, or what one that is there lacks.
    func record(_ image: NewImage, over top: LayerNumber?, at time: Timestamp) throws {
        try run(
            """
            INSERT INTO images
                (id, configuration, top, system, architecture, variant, created_at, updated_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)
            ON CONFLICT (id) DO UPDATE SET configuration = ?2, top = ?3, system = ?4,
                architecture = ?5, variant = ?6, updated_at = ?7
            """,
            [
                image.id.hex, image.configuration, top?.rawValue, image.system,
                image.architecture, image.variant, time.record,
            ])
        guard let (manifest, document) = image.manifest else { return }
        try run(
            """
            INSERT INTO manifests
                (digest, image, document, media_type, configuration_type, created_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (digest) DO UPDATE SET image = ?2, document = ?3, media_type = ?4,
                configuration_type = ?5
            """,
            [
                manifest.digest, image.id.hex, document, manifest.mediaType,
                manifest.configurationType, time.record,
            ])
        try run("DELETE FROM manifest_layers WHERE manifest = ?", [manifest.digest])
        for (position, layer) in manifest.layers.enumerated() {
            try run(
                """
                INSERT INTO manifest_layers
                    (manifest, position, diff_id, digest, bytes, media_type, compression)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    manifest.digest, position, layer.diffID.hex, layer.digest,
                    Int64(clamping: layer.bytes), layer.mediaType,
                    layer.compression?.rawValue,
                ])
        }
    }

    /// Gives a name to an image, and takes it from the one that has it.
    func setName(_ name: String, of id: String, manifest: String?) throws {
        try run(
            """
            INSERT INTO image_names (name, image, manifest) VALUES (?1, ?2, ?3)
            ON CONFLICT (name) DO UPDATE SET image = ?2, manifest = ?3
            """, [name, id, manifest])
    }

    /// Takes a name away.
    func removeName(_ name: String) throws {
        try run("DELETE FROM image_names WHERE name = ?", [name])
    }

    /// Records that something about an image changed.
    func touch(_ id: String, at time: Timestamp) throws {
        try run("UPDATE images SET updated_at = ? WHERE id = ?", [time.record, id])
    }

    /// Forgets an image, with its names and manifests.
    func delete(_ id: String) throws { try run("DELETE FROM images WHERE id = ?", [id]) }

    private func run(_ sql: String, _ arguments: StatementArguments) throws {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
    }
}
