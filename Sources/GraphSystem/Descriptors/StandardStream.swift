// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// One of the three streams that a process starts with.
package enum StandardStream: CInt, Sendable, CaseIterable {
    case input = 0
    case output = 1
    case error = 2

    /// A descriptor of its own for the stream, so that closing it leaves the stream open.
    package func duplicate() throws(SyscallError) -> OwnedDescriptor {
        let copy = try checked("fcntl(F_DUPFD_CLOEXEC)") { fcntl(rawValue, F_DUPFD_CLOEXEC, 3) }
        return OwnedDescriptor(owning: copy)
    }

    /// Whether the stream is a terminal; `isatty(3)`.
    package var isTerminal: Bool { isatty(rawValue) == 1 }

    /// How many characters fit in a line of the terminal; nil when the stream is none, or does not
    /// know.
    package var columns: Int? {
        let columns = Int(cgraph_terminal_columns(rawValue))
        return columns > 0 ? columns : nil
    }

    /// Writes all bytes; `write(2)` as often as needed.
    package func write(_ bytes: Span<UInt8>) throws(SyscallError) {
        var done = 0
        while done < bytes.count {
            done += try checked("write") {
                bytes.withUnsafeBytes {
                    Glibc.write(rawValue, $0.baseAddress.map { $0 + done }, $0.count - done)
                }
            }
        }
    }

    /// Takes the numbers of streams that the process was started without, so that no file opened
    /// later gets one of them and is written to as if it were the stream.
    ///
    /// Using such a stream still fails, with `EBADF`.
    package static func fillGaps() {
        for stream in allCases where cgraph_get_descriptor_flags(stream.rawValue) == -1 {
            _ = open("/dev/null", stream == .input ? O_WRONLY : O_RDONLY)
        }
    }
}

extension OwnedDescriptor {
    /// Waits until there is something to read, or the end; `poll(2)`.
    ///
    /// - Returns: False when the time was over first.
    package func isReadable(withinMilliseconds timeout: CInt) throws(SyscallError) -> Bool {
        var request = pollfd(fd: rawValue, events: Int16(POLLIN), revents: 0)
        return try checked("poll") { poll(&request, 1, timeout) } > 0
    }
}
