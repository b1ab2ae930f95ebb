// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

// Variadic functions are not imported.

/// Has `"text"` mean a column and never a string.
static inline void cgraph_sqlite_refuse_quoted_strings(sqlite3 *database) {
    sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DDL, 0, (void *)0);
    sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DML, 0, (void *)0);
}
