// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSQLite

/// The tables of `graph.db`, as an ordered list of named steps.
///
/// `PRAGMA user_version` counts the steps taken, so that opening an up-to-date store reads one
/// number. A step is never changed once released: a later one corrects it.
enum Schema {
    /// `PRAGMA application_id` of every store: "GRPH".
    static let applicationID: Int32 = 0x4752_5048

    /// One change of the tables.
    struct Migration {
        let name: String
        let statements: [String]
    }

    static let migrations = [
        Migration(
            name: "layers, labels and facts about the store",
            statements: [
                """
                CREATE TABLE meta (
                    key TEXT NOT NULL PRIMARY KEY,
                    value TEXT NOT NULL
                ) WITHOUT ROWID
                """,
                // AUTOINCREMENT: a number is never given out twice, not even the highest one after
                // its layer is gone.
                """
                CREATE TABLE layers (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    id TEXT UNIQUE,
                    kind TEXT NOT NULL CHECK (kind IN ('committed', 'active', 'view')),
                    state TEXT NOT NULL
                        CHECK (state IN ('ready', 'creating', 'committing', 'removing')),
                    owner INTEGER,
                    parent INTEGER REFERENCES layers (number),
                    depth INTEGER NOT NULL CHECK (depth > 0),
                    diff_id TEXT,
                    chain_id TEXT,
                    content_digest TEXT,
                    diff_bytes INTEGER,
                    recipe_bytes INTEGER,
                    own_bytes INTEGER,
                    own_inodes INTEGER,
                    limit_bytes INTEGER,
                    durability TEXT CHECK (durability IN ('durable', 'unsynced')),
                    created_at INTEGER NOT NULL,
                    updated_at INTEGER NOT NULL,
                    CHECK (state <> 'ready' OR id IS NOT NULL),
                    CHECK (parent IS NULL OR parent < number)
                )
                """,
                "CREATE INDEX layers_by_parent ON layers (parent) WHERE parent IS NOT NULL",
                "CREATE INDEX layers_by_chain ON layers (chain_id) WHERE chain_id IS NOT NULL",
                // Empty unless something is going on: recovery reads this and nothing else.
                "CREATE INDEX layers_unfinished ON layers (state) WHERE state <> 'ready'",
                """
                CREATE TABLE labels (
                    layer INTEGER NOT NULL REFERENCES layers (number) ON DELETE CASCADE,
                    key TEXT NOT NULL,
                    value TEXT NOT NULL,
                    PRIMARY KEY (layer, key)
                ) WITHOUT ROWID
                """,
                "CREATE INDEX labels_by_key ON labels (key, value)",
            ]),
        Migration(name: "images", statements: imageTables + imagesOutOfLabels),
    ]

    /// How many steps a database has seen that has the tables of images.
    static let versionWithImages = 2

    private static let imageTables = [
        // An image is what its configuration says; the configuration is NULL where only its digest
        // came out of a label. It may have no layers.
        """
        CREATE TABLE images (
            id TEXT NOT NULL PRIMARY KEY,
            configuration BLOB,
            top INTEGER REFERENCES layers (number),
            system TEXT,
            architecture TEXT,
            variant TEXT,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL
        )
        """,
        "CREATE INDEX images_by_top ON images (top) WHERE top IS NOT NULL",
        """
        CREATE TABLE manifests (
            digest TEXT NOT NULL PRIMARY KEY,
            image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
            document BLOB,
            media_type TEXT,
            configuration_type TEXT,
            created_at INTEGER NOT NULL
        )
        """,
        "CREATE INDEX manifests_by_image ON manifests (image)",
        // What a manifest says of its layers, the base first.
        """
        CREATE TABLE manifest_layers (
            manifest TEXT NOT NULL REFERENCES manifests (digest) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            diff_id TEXT NOT NULL,
            digest TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            media_type TEXT NOT NULL,
            compression TEXT,
            PRIMARY KEY (manifest, position)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX manifest_layers_by_digest ON manifest_layers (digest)",
        """
        CREATE TABLE image_names (
            name TEXT NOT NULL PRIMARY KEY,
            image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
            manifest TEXT REFERENCES manifests (digest) ON DELETE SET NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX image_names_by_image ON image_names (image)",
        "CREATE INDEX image_names_by_manifest ON image_names (manifest)",
    ]

    /// The labels that an import used to leave on the top layer become images.
    ///
    /// Where two layers have one name, the newer has it.
    private static let imagesOutOfLabels = [
        """
        INSERT OR IGNORE INTO images (id, top, created_at, updated_at)
        SELECT substr(c.value, 8), l.number, l.created_at, l.updated_at
        FROM labels c JOIN layers l ON l.number = c.layer
        WHERE c.key = 'graph.image.config' AND l.kind = 'committed' AND l.state = 'ready'
            AND length(c.value) = 71 AND substr(c.value, 1, 7) = 'sha256:'
            AND substr(c.value, 8) NOT GLOB '*[^0-9a-f]*'
        ORDER BY l.number DESC
        """,
        """
        INSERT OR IGNORE INTO manifests (digest, image, created_at)
        SELECT m.value, i.id, i.created_at
        FROM images i JOIN labels m ON m.layer = i.top AND m.key = 'graph.image.manifest'
        ORDER BY i.top DESC
        """,
        """
        INSERT OR IGNORE INTO image_names (name, image, manifest)
        SELECT n.value, i.id, m.digest
        FROM images i
        JOIN labels n ON n.layer = i.top AND n.key = 'org.opencontainers.image.ref.name'
        LEFT JOIN manifests m ON m.image = i.id
        ORDER BY i.top DESC
        """,
        """
        DELETE FROM labels
        WHERE layer IN (SELECT top FROM images)
            AND key IN ('graph.image.config', 'graph.image.manifest',
                'org.opencontainers.image.ref.name')
        """,
    ]

    /// Takes the steps that the database has not seen, inside the caller's transaction.
    static func migrate(_ database: Database, from version: Int) throws {
        for (index, migration) in migrations.enumerated() where index >= version {
            for statement in migration.statements { try database.execute(sql: statement) }
            try database.execute(
                sql: "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
                arguments: ["migration.\(index + 1)", migration.name])
        }
        try database.execute(sql: "PRAGMA user_version = \(migrations.count)")
    }

    /// Whether nobody ever made a table.
    static func isEmpty(_ database: Database) throws -> Bool {
        try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0
    }

    /// How many steps the database has seen; 0 for an empty one.
    static func version(_ database: Database) throws -> Int {
        try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    }
}
