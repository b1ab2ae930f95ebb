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
            ])
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
