// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc

/// Values that are appended one after the other.
///
/// Unlike an array's, its growth holds no second copy of what is large: the kernel moves the pages.
/// They are the kernel's own again as soon as nobody needs them, where an allocator would keep them.
final class GrowingBuffer<Element: BitwiseCopyable> {
    private var start: UnsafeMutablePointer<Element>?
    private var count = 0
    private var capacity = 0

    /// From so many bytes on the memory is of whole pages.
    private static var pagesBytesMin: Int { 1 << 20 }

    deinit {
        if bytes < Self.pagesBytesMin { free(start) } else { munmap(start, bytes) }
    }

    private var bytes: Int { capacity * MemoryLayout<Element>.stride }

    var values: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: start, count: count)
    }

    func append(_ value: Element) {
        reserve(1)
        start.unsafelyUnwrapped[count] = value
        count += 1
    }

    func append(contentsOf values: UnsafeBufferPointer<Element>) {
        if values.isEmpty { return }
        reserve(values.count)
        (start.unsafelyUnwrapped + count).update(
            from: values.baseAddress.unsafelyUnwrapped, count: values.count)
        count += values.count
    }

    private func reserve(_ more: Int) {
        if count + more <= capacity { return }
        let old = bytes
        // A cache line at first: most directories are small, and of a deep tree many are held.
        capacity = max(count + more, 2 * capacity, 64 / MemoryLayout<Element>.stride)
        let grown: UnsafeMutableRawPointer?
        if bytes < Self.pagesBytesMin {
            grown = realloc(start, bytes)
        } else if old < Self.pagesBytesMin {
            grown = cgraph_grow_pages(nil, 0, UInt(bytes))
            if let grown, let start {
                grown.copyMemory(from: start, byteCount: old)
                free(start)
            }
        } else {
            grown = cgraph_grow_pages(start, UInt(old), UInt(bytes))
        }
        guard let grown else { fatalError("out of memory") }
        start = grown.assumingMemoryBound(to: Element.self)
    }
}
