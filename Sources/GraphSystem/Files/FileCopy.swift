// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// How the bytes of a file came into another.
package enum CopyMethod: Hashable, Sendable {
    /// Both share the blocks until one is written; `FICLONE`.
    case reflink
    /// The kernel copied; `copy_file_range(2)`.
    case inKernel
    /// The bytes went through this process.
    case throughMemory

    /// Tries whether two files in a directory can share blocks; `FICLONE` between two files without
    /// names, which needs no space.
    ///
    /// - Throws: What the kernel refused.
    package static func tryReflink(in directory: Directory) throws(SyscallError) {
        let flags = OpenFlags(rawValue: CInt(CGRAPH_O_TMPFILE)).union(.readWrite)
        let source = try directory.open(".", flags, permissions: 0o600)
        let target = try directory.open(".", flags, permissions: 0o600)
        try checked("ioctl(FICLONE)") { cgraph_ficlone(target.rawValue, source.rawValue) }
    }
}

/// Fills a new, empty file with the content of another, keeping holes.
///
/// `size` is the length of `source` in bytes. `progressed` is called with the bytes of each stretch
/// copied, and returns false to stop, which ends in `ECANCELED`. Returns the cheapest way that the
/// filesystems allowed.
@discardableResult
package func copyContent(
    from source: borrowing OwnedDescriptor, to target: borrowing OwnedDescriptor, size: UInt64,
    progressed: (UInt64) -> Bool = { _ in true }
) throws(SyscallError) -> CopyMethod {
    if size == 0 { return .inKernel }
    if cgraph_ficlone(target.rawValue, source.rawValue) == 0 { return .reflink }
    var method = CopyMethod.inKernel
    var offset: off_t = 0
    while offset < off_t(size) {
        let start = lseek(source.rawValue, offset, CGRAPH_SEEK_DATA)
        if start == -1 {
            if Glibc.errno == ENXIO { break }  // a hole up to the end
            throw SyscallError(call: "lseek(SEEK_DATA)", errno: Errno(rawValue: Glibc.errno))
        }
        let end = try checked("lseek(SEEK_HOLE)") {
            lseek(source.rawValue, start, CGRAPH_SEEK_HOLE)
        }
        try copyRange(from: source, to: target, start..<end, method: &method, progressed)
        offset = end
    }
    try target.truncate(to: size)
    return method
}

private func copyRange(
    from source: borrowing OwnedDescriptor, to target: borrowing OwnedDescriptor,
    _ range: Range<off_t>, method: inout CopyMethod, _ progressed: (UInt64) -> Bool
) throws(SyscallError) {
    // One call for all would copy for minutes without a look at the caller's wishes.
    let stretchBytes = 64 << 20
    var (from, to) = (Int64(range.lowerBound), Int64(range.lowerBound))
    while method == .inKernel && from < range.upperBound {
        do throws(SyscallError) {
            let want = Swift.min(stretchBytes, Int(range.upperBound - off_t(from)))
            let count = try checked("copy_file_range") {
                cgraph_copy_file_range(
                    source.rawValue, &from, target.rawValue, &to, UInt(want))
            }
            if count == 0 { return }  // the source became shorter
            try report(UInt64(count), progressed)
        } catch let error where refusesCopyRange(error.errno) {
            method = .throughMemory
        }
    }
    guard method == .throughMemory, from < range.upperBound else { return }
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while from < range.upperBound {
        let want = Swift.min(buffer.count, Int(range.upperBound - off_t(from)))
        let got = try source.read(into: &buffer, count: want, at: UInt64(from))
        if got == 0 { return }
        try target.write(buffer.span.extracting(0..<got), at: UInt64(from))
        from += Int64(got)
        try report(UInt64(got), progressed)
    }
}

/// Whether `copy_file_range(2)` cannot do it between these two files, whatever their content.
private func refusesCopyRange(_ errno: Errno) -> Bool {
    [.improperLink, .invalidArgument, .notSupported, .noFunction, .notSupportedOnSocket]
        .contains(errno)
}

private func report(_ count: UInt64, _ progressed: (UInt64) -> Bool) throws(SyscallError) {
    if !progressed(count) { throw SyscallError(call: "copy", errno: .canceled) }
}
