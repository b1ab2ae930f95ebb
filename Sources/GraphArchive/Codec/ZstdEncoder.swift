// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CZstd

/// Encodes zstd in one frame with a checksum.
@safe final class ZstdEncoder: StreamEncoder {
    /// The levels whose window every reader takes.
    static let levels = 1...19
    static let defaultLevel = 3

    private let context: OpaquePointer
    private var output = [UInt8](repeating: 0, count: TarLimits.bufferBytes)

    /// Bytes that one thread compresses at a time; the output depends on it, and not on how many
    /// threads there are.
    private static let jobBytes = 2 << 20

    /// With `threads` of 0 the caller's own does the work, which small streams want.
    init(level: Int, threads: Int) {
        guard let context = unsafe ZSTD_createCCtx() else { fatalError("out of memory") }
        unsafe self.context = context
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, CInt(level))
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
        if threads > 0 {
            // A library built without threads refuses both, and works alone.
            unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, CInt(threads))
            unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_jobSize, CInt(Self.jobBytes))
        }
    }

    deinit { unsafe ZSTD_freeCCtx(context) }

    func encode(
        _ input: Span<UInt8>, isLast: Bool, _ emit: (Span<UInt8>) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        let mode = isLast ? ZSTD_e_end : ZSTD_e_continue
        var start = 0
        while true {
            var produced = 0
            let result = unsafe output.withUnsafeMutableBytes { target in
                unsafe input.withUnsafeBytes { source in
                    var from = unsafe ZSTD_inBuffer(
                        src: source.baseAddress, size: source.count, pos: start)
                    var to = unsafe ZSTD_outBuffer(
                        dst: target.baseAddress, size: target.count, pos: 0)
                    let result = unsafe ZSTD_compressStream2(context, &to, &from, mode)
                    (start, produced) = unsafe (from.pos, to.pos)
                    return result
                }
            }
            if ZSTD_isError(result) != 0 {
                let reason = unsafe String(cString: ZSTD_getErrorName(result))
                throw ArchiveError(.unsupported, "zstd could not compress: \(reason)")
            }
            if produced > 0 { try emitFront(produced, emit) }
            if isLast ? result == 0 : start == input.count { return }
        }
    }

    /// Lends the front of the output.
    ///
    /// A class's property cannot be lent itself, an array that shares its storage can; it is gone
    /// again before the next call writes there.
    private func emitFront(
        _ count: Int, _ emit: (Span<UInt8>) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        let filled = output
        try emit(filled.span.extracting(0..<count))
    }
}
