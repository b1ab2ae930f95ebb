// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

extension Subvolume {
    /// Has the kernel tell how this read-only subvolume differs from another one, without the
    /// contents of files, as a send stream; `BTRFS_IOC_SEND`, which needs privileges.
    ///
    /// The kernel writes into a pipe, on a thread of its own, while `take` gets what comes out of it,
    /// piece by piece, on the caller's. When that returns false the kernel is stopped, and this
    /// returns as at the end of the stream. `base` is the id of the other subvolume, of the same
    /// filesystem and read-only as well.
    ///
    /// - Throws: `EPERM` without privileges or where one of the two is not read-only.
    package func send(
        from base: UInt64, _ take: (Span<UInt8>) -> Bool
    ) throws(SyscallError) {
        var ends: [CInt] = [-1, -1]
        try checked("pipe2") { cgraph_pipe(&ends, 1 << 20) }
        let output = OwnedDescriptor(owning: ends[0])
        let input = ends[1]
        let (subvolume, outcome) = (self, Monitor<SyscallError?>(nil))
        let thread: WorkerThread
        do throws(SyscallError) {
            thread = try WorkerThread {
                let failure = subvolume.send(from: base, to: OwnedDescriptor(owning: input))
                outcome.change { $0 = failure }
            }
        } catch {
            _ = OwnedDescriptor(owning: input)
            throw error
        }
        let result = Self.readAll(output, take)
        // The pipe is closed: the kernel has ended, or does with EPIPE.
        thread.join()
        if try result.get(), let failure = outcome.change({ $0 }) { throw failure }
    }

    /// Sends and closes the pipe; returns what refused.
    private func send(from base: UInt64, to input: consuming OwnedDescriptor) -> SyscallError? {
        // A signal would make the kernel begin anew in the middle of the stream, and writing to a
        // pipe that nobody reads would end the process. Both go away with this thread.
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_BLOCK, &all, nil)
        do throws(SyscallError) {
            try checked("ioctl(BTRFS_IOC_SEND)") { cgraph_btrfs_send(raw, input.rawValue, base) }
            return nil
        } catch {
            return error
        }
    }

    /// Reads to the end and closes; tells whether the end was reached.
    private static func readAll(
        _ output: consuming OwnedDescriptor, _ take: (Span<UInt8>) -> Bool
    ) -> Result<Bool, SyscallError> {
        do throws(SyscallError) {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = try output.read(into: &buffer)
                if count == 0 { return .success(true) }
                if !take(buffer.span.extracting(0..<count)) { return .success(false) }
                // The kernel writes each command by itself, some hundred a millisecond: a reader that
                // waits for the next one costs it a wake-up each.
                if count < buffer.count { usleep(200) }
            }
        } catch {
            return .failure(error)
        }
    }
}
