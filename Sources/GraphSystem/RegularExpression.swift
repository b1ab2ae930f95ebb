// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import SystemPackage

/// An extended regular expression of POSIX, as the C library has them; regex(3).
package final class RegularExpression: @unchecked Sendable {
    // Safe: regexec(3) locks what it changes in it.
    private let compiled: UnsafeMutablePointer<regex_t>

    /// Compiles a pattern.
    ///
    /// - Throws: `EINVAL` with the C library's sentence.
    package init(_ pattern: String) throws(SyscallError) { compiled = try Self.compile(pattern) }

    private static func compile(
        _ pattern: String
    ) throws(SyscallError) -> UnsafeMutablePointer<regex_t> {
        let place = UnsafeMutablePointer<regex_t>.allocate(capacity: 1)
        place.initialize(to: regex_t())
        let code = regcomp(place, pattern, REG_EXTENDED | REG_NOSUB)
        if code == 0 { return place }
        place.deallocate()
        throw SyscallError(call: "regcomp", errno: .invalidArgument, detail: sentence(code))
    }

    deinit {
        regfree(compiled)
        compiled.deallocate()
    }

    /// Whether it is found anywhere in a text, of which what is behind a zero is not looked at.
    package func matches(_ text: String) -> Bool { regexec(compiled, text, 0, nil, 0) == 0 }

    private static func sentence(_ code: CInt) -> String {
        var text = [CChar](repeating: 0, count: 128)
        regerror(code, nil, &text, text.count)
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
