// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

/// Values that are appended one after the other.
///
/// Unlike an array's, its growth holds no second copy of what is large: the allocator moves the
/// pages (mremap(2)).
final class GrowingBuffer<Element: BitwiseCopyable> {
    private var start: UnsafeMutablePointer<Element>?
    private var count = 0
    private var capacity = 0

    deinit { free(start) }

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
        capacity = max(count + more, 2 * capacity, 64)
        guard let grown = realloc(start, capacity * MemoryLayout<Element>.stride) else {
            fatalError("out of memory")
        }
        start = grown.assumingMemoryBound(to: Element.self)
    }
}
