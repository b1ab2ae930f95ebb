// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

/// What came of a look at a ``Monitor``'s state.
package enum Waiting<Value> {
    /// Nothing yet.
    case again
    case done(Value)
}

/// State that several threads share and wait for changes of.
package final class Monitor<State>: @unchecked Sendable {
    private var state: State
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// Guards a first state.
    package init(_ state: sending State) {
        self.state = state
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(changed)
        lock.deallocate()
        changed.deallocate()
    }

    /// Looks at the state, and leaves it as it is.
    package func look<Value>(_ body: (borrowing State) -> sending Value) -> sending Value {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body(state)
    }

    /// Looks at the state or changes it, and wakes those that wait for a change.
    package func change<Value>(_ body: (inout State) -> sending Value) -> sending Value {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        return body(&state)
    }

    /// Looks at the state again after each change until `body` is done, and returns what came of
    /// it.
    package func wait<Value>(_ body: (inout State) -> sending Waiting<Value>) -> sending Value {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(lock)
        }
        while true {
            if case .done(let value) = body(&state) { return value }
            pthread_cond_wait(changed, lock)
        }
    }
}
