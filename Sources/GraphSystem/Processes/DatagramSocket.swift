// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux

/// A unix socket to which single messages are sent; unix(7).
package enum DatagramSocket {
    /// Sends one message; a path that begins with `@` is an abstract name.
    package static func send(_ text: String, to path: RawPath) throws(SyscallError) {
        let bytes = Array(text.utf8)
        try checked("sendto(\(path))") {
            path.withCString { cgraph_send_datagram($0, bytes, bytes.count) }
        }
    }
}
