// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import Synchronization
import SystemPackage

/// What this process is, and how it meets signals.
package enum CurrentProcess {
    /// The process's number.
    package static var id: Int { Int(getpid()) }

    /// The user whose rights the process has; `geteuid(2)`.
    package static var effectiveUser: UInt32 { geteuid() }

    /// The user that files of users seem to belong to whom this user namespace does not know; the
    /// kernel's own choice, which nobody changes (`/proc/sys/kernel/overflowuid`).
    package static let unmappedUser: UInt32 = 65_534

    /// Whether this user namespace does not know all users of the machine; user_namespaces(7).
    package static var lacksUsers: Bool {
        guard let file = try? OwnedDescriptor.open("/proc/self/uid_map", .readOnly),
            let bytes = try? file.readAll(limit: 1 << 16)
        else { return false }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        let counts = lines.compactMap { $0.split(separator: " ").last.flatMap { UInt64($0) } }
        return counts.reduce(0, +) < UInt64(UInt32.max)
    }

    /// An environment variable; nil when it is missing or empty.
    ///
    /// The bytes as they are, which need not be UTF-8.
    package static func environment(_ name: String) -> RawPath? {
        guard let value = getenv(name) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: value, count: strlen(value))
        return bytes.isEmpty ? nil : RawPath(validating: bytes)
    }

    /// The first argument of the command line that is not UTF-8; nil when all are.
    ///
    /// `CommandLine.arguments` has another text in its place.
    package static var argumentThatIsNoText: RawPath? {
        let all = UnsafeBufferPointer(
            start: CommandLine.unsafeArgv, count: Int(CommandLine.argc))
        // The first is the program's own name.
        for case let argument? in all.dropFirst() {
            if String(validatingCString: argument) == nil {
                let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
                return RawPath(validating: bytes)
            }
        }
        return nil
    }

    /// What tells this start of the machine from all others: 36 bytes.
    package static func bootID() throws(SyscallError) -> [UInt8] {
        let file = try OwnedDescriptor.open("/proc/sys/kernel/random/boot_id", [.readOnly])
        return Array(try file.readAll(limit: 4_096).prefix(36))
    }

    /// Lets writing to a pipe that nobody reads fail with `EPIPE`, instead of ending the process.
    package static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

    /// Raises the soft limit of open descriptors to the hard one, `getrlimit(2)`.
    ///
    /// The soft limit of 1,024 protects programs that use `select(2)`; a layer's directories may be
    /// deeper than that.
    package static func raiseDescriptorLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Has buffers of 256 KiB and more come from the kernel and go back to it; `mallopt(3)`.
    ///
    /// By itself glibc keeps what is freed once such a buffer was, in a place for each thread: a
    /// decoder's 8 MiB then stay with each thread that ever had one.
    package static func returnLargeBuffers() { cgraph_map_blocks_from(256 << 10) }

    /// Takes the next `SIGINT` or `SIGTERM` as a wish to stop, which ``isInterrupted`` then tells; the
    /// one after that ends the process as ever.
    package static func catchInterruption() {
        // A handler must not be the first to touch the flag, which would make it.
        interruption.store(false, ordering: .relaxed)
        // Parents with many threads start children with all signals blocked, and mean nothing by it.
        var wanted = sigset_t()
        sigemptyset(&wanted)
        for number in [SIGINT, SIGTERM] {
            sigaddset(&wanted, number)
            var current = sigaction()
            sigaction(number, nil, &current)
            // Started with signals ignored, as nohup and shells do in the background.
            if unsafeBitCast(current.__sigaction_handler.sa_handler, to: Int.self) == 1 { continue }
            signal(number) { _ in
                interruption.store(true, ordering: .relaxed)
                signal(SIGINT, SIG_DFL)
                signal(SIGTERM, SIG_DFL)
            }
        }
        pthread_sigmask(SIG_UNBLOCK, &wanted, nil)
    }

    /// Whether somebody asked the process to stop.
    package static var isInterrupted: Bool { interruption.load(ordering: .relaxed) }
}

/// Set by the signal handler.
private let interruption = Atomic(false)
