// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

/// Copies all of `bytes` into `buffer` from `offset`, in one move.
///
/// A loop over a span checks every byte's bounds; this checks them once.
func copy(_ bytes: Span<UInt8>, into buffer: inout [UInt8], at offset: Int) {
    precondition(offset >= 0 && bytes.count <= buffer.count - offset, "the bytes fit")
    if bytes.isEmpty { return }
    unsafe buffer.withUnsafeMutableBytes { target in
        unsafe bytes.withUnsafeBytes { source in
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset...])
            unsafe rest.copyMemory(from: source)
        }
    }
}

extension [UInt8] {
    /// Appends all of `bytes`, in one move.
    mutating func append(copying bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
