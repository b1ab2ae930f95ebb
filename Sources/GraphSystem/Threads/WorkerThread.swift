// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// A thread that does one thing and ends.
///
/// Unlike a queue's there is always one more, so threads that wait for each other do not wait for
/// ever.
package final class WorkerThread: @unchecked Sendable {
    private var thread = pthread_t()
    private var isJoined = false

    /// Starts a thread.
    ///
    /// - Throws: `EAGAIN` when the user has too many.
    package init(_ body: @escaping @Sendable () -> Void) throws(SyscallError) {
        let start = Unmanaged.passRetained(ThreadStart(body))
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        pthread_attr_init(attributes)
        // As on the main thread of most machines, whatever the limit of this process is.
        pthread_attr_setstacksize(attributes, 8 << 20)
        defer {
            pthread_attr_destroy(attributes)
            attributes.deallocate()
        }
        let result = pthread_create(
            &thread, attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, start.toOpaque())
        if result != 0 {
            start.release()
            throw SyscallError(call: "pthread_create", errno: Errno(rawValue: result))
        }
    }

    /// Waits for the thread's end; called once, by the thread's owner.
    package func join() {
        if !isJoined { pthread_join(thread, nil) }
        isJoined = true
    }

    deinit { if !isJoined { pthread_detach(thread) } }
}

/// Does something on a thread whose umask is 0, and waits for it.
///
/// The umask belongs to all threads of a process; this one leaves them (`unshare(2)` with
/// `CLONE_FS`), so nobody else notices. `body` is told whether that worked.
package func withoutMask<Value>(_ body: (_ isWithoutMask: Bool) -> Value) throws(SyscallError)
    -> Value
{
    var value: Value?
    try withoutActuallyEscaping(body) { (body) throws(SyscallError) in
        try withUnsafeMutablePointer(to: &value) { (place) throws(SyscallError) in
            // Nobody touches either before the thread has ended.
            nonisolated(unsafe) let (body, place) = (body, place)
            let thread = try WorkerThread {
                let isOwn = cgraph_unshare_fs() == 0
                if isOwn { umask(0) }
                place.pointee = body(isOwn)
            }
            thread.join()
        }
    }
    return value.unsafelyUnwrapped
}

private final class ThreadStart {
    let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }
}
