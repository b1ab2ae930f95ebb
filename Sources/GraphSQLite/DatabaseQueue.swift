// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

/// A connection that threads use one after the other.
///
/// A lock and no dispatch queue: libdispatch's threads read `/proc` and end the process where they
/// cannot, as with no descriptor left. The thread that has the connection may ask for it again.
package final class DatabaseQueue: @unchecked Sendable {
    // Safe by the lock: only its holder is lent the connection.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let database: Database

    /// Opens a database.
    package init(
        path: String, configuration: Configuration = Configuration()
    ) throws(DatabaseError) {
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, CInt(PTHREAD_MUTEX_RECURSIVE))
        pthread_mutex_init(lock, &attributes)
        pthread_mutexattr_destroy(&attributes)
        do throws(DatabaseError) {
            database = try Database(path: path, configuration)
        } catch {
            pthread_mutex_destroy(lock)
            lock.deallocate()
            throw error
        }
    }

    deinit {
        database.close()
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// Closes the connection.
    package func close() throws(DatabaseError) { withLock { database.close() } }

    /// Lends the connection.
    package func inDatabase<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try withLock { try body(database) }
    }

    /// Lends the connection for reading: what several statements see is one state of the database.
    package func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try inDatabase { database in
            if database.isInsideTransaction { return try body(database) }
            var result: Result<Value, any Error>?
            try database.inTransaction {
                result = Result { try body(database) }
                return .commit
            }
            guard let result else { throw DatabaseError(resultCode: .abort) }
            return try result.get()
        }
    }

    private func withLock<Value>(_ body: () throws -> Value) rethrows -> Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return try body()
    }
}
