// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// What started the daemon, if it is one that wants to be told; sd_notify(3).
enum ServiceManager {
    /// Sends a line such as `READY=1` to the socket that `NOTIFY_SOCKET` names; does nothing without one.
    static func tell(_ line: String) throws(SyscallError) {
        guard let path = CurrentProcess.environment("NOTIFY_SOCKET") else { return }
        try DatagramSocket.send(line, to: path)
    }
}
