// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// libbtrfsutil, loaded when something of it is first called.
package enum BtrfsUtility {
    private static let library = LazyLibrary("libbtrfsutil.so.1", package: "libbtrfsutil1") {
        var functions = cgraph_btrfsutil()
        let reason = cgraph_btrfsutil_load(&functions)
        return (functions, reason)
    }

    /// Loads the library.
    ///
    /// - Throws: `ELIBACC` with the name of its package where it is missing.
    package static func requireLibrary() throws(SyscallError) { _ = try library.load() }

    /// The version of the library, such as `1.2.0`: it tells none itself, and its file's name does.
    ///
    /// - Throws: `ELIBACC` where it is missing.
    package static func libraryVersion() throws(SyscallError) -> String {
        var functions = try library.load()
        guard let path = cgraph_btrfsutil_file(&functions), let file = realpath(path, nil) else {
            return "unknown"
        }
        defer { free(file) }
        let name = String(cString: file)
        return name.firstRange(of: ".so.").map { String(name[$0.upperBound...]) } ?? "unknown"
    }

    /// Calls a function of the library, whose failures leave their number in `errno`.
    static func call(
        _ name: @autoclosure () -> String, _ body: (cgraph_btrfsutil) -> btrfs_util_error
    ) throws(SyscallError) {
        let functions = try library.load()
        try checked(name()) { body(functions) == BTRFS_UTIL_OK ? 0 : -1 }
    }
}
