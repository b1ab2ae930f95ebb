// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import Synchronization
import SystemPackage

/// A shared library that is loaded when something of it is first called.
///
/// That it is missing is found out once. That there was no descriptor or no memory to load it is no reason not to
/// try again.
final class LazyLibrary<Functions: Sendable>: Sendable {
    private let name: String
    private let package: String
    /// Loads it, or tells why not, in words of `dlerror(3)`.
    private let open: @Sendable () -> (functions: Functions, reason: UnsafePointer<CChar>?)
    private let known = Mutex<Result<Functions, SyscallError>?>(nil)

    /// Names a library, and Debian's package that has it.
    init(
        _ name: String, package: String,
        open: @escaping @Sendable () -> (functions: Functions, reason: UnsafePointer<CChar>?)
    ) {
        (self.name, self.package, self.open) = (name, package, open)
    }

    /// What it offers.
    ///
    /// - Throws: `ELIBACC` with the name of its package where it is missing.
    func load() throws(SyscallError) -> Functions {
        try known.withLock { known throws(SyscallError) in
            if let known { return try known.get() }
            errno = 0
            let (functions, reason) = open()
            let number = errno
            guard let reason else {
                known = .success(functions)
                return functions
            }
            if [EMFILE, ENFILE, ENOMEM].contains(number) {
                throw SyscallError(call: "dlopen(\(name))", errno: Errno(rawValue: number))
            }
            let error = SyscallError.missingLibrary(
                name, package: package, String(cString: reason))
            known = .failure(error)
            throw error
        }
    }
}
