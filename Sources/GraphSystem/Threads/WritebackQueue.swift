// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Closes files that have been written, and has the kernel begin to put them on disk.
///
/// Beginning takes as long as writing did, so a thread of its own does it.
package final class WritebackQueue {
    private let queue: Monitor<Queue>?
    private let thread: WorkerThread?
    /// Handed over together: waking the thread for each file would cost more than closing it.
    private var complete: [CInt] = []

    private struct Queue {
        var files: [CInt] = []
        var isAtEnd = false
        var failure: SyscallError?
    }

    private static let waitingMax = 256
    /// Files of fewer bytes are left to the sync at the end: beginning with each by itself costs more
    /// than it saves.
    private static let smallBytes: UInt64 = 32 << 10
    private static let batchCount = 32

    /// Closes files at once, or on another thread that starts write-back.
    package init(startsWriteback: Bool) throws(SyscallError) {
        guard startsWriteback else {
            (queue, thread) = (nil, nil)
            return
        }
        let queue = Monitor(Queue())
        self.queue = queue
        thread = try WorkerThread { Self.run(queue) }
    }

    deinit { end() }

    /// Takes a file over that is complete, and of which so many bytes were written.
    ///
    /// - Throws: What `close(2)` says of this file or an earlier one.
    package func close(
        _ file: consuming OwnedDescriptor, writtenBytes: UInt64
    ) throws(SyscallError) {
        guard let queue, writtenBytes >= Self.smallBytes else { return try file.close() }
        complete.append(file.release())
        if complete.count < Self.batchCount { return }
        let files = complete
        complete = []
        let failure = queue.wait { queue -> Waiting<SyscallError?> in
            if queue.files.count >= Self.waitingMax { return .again }
            queue.files += files
            return .done(queue.failure)
        }
        if let failure { throw failure }
    }

    /// Waits until all files are closed.
    package func finish() throws(SyscallError) {
        end()
        if let failure = queue?.change({ $0.failure }) { throw failure }
    }

    private func end() {
        let files = complete
        complete = []
        queue?.change { queue in
            queue.files += files
            queue.isAtEnd = true
        }
        thread?.join()
    }

    private static func run(_ queue: Monitor<Queue>) {
        while true {
            let files = queue.wait { queue -> Waiting<[CInt]> in
                if queue.files.isEmpty && !queue.isAtEnd { return .again }
                let files = queue.files
                queue.files = []
                return .done(files)
            }
            if files.isEmpty { return }
            for number in files {
                let file = OwnedDescriptor(owning: number)
                file.startWriteback()
                do throws(SyscallError) {
                    try file.close()
                } catch {
                    queue.change { $0.failure = $0.failure ?? error }
                }
            }
        }
    }
}
