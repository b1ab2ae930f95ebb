// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CZstd

/// Decodes zstd (RFC 8878), skippable frames included.
@safe final class ZstdDecoder: StreamDecoder {
    private let context: OpaquePointer
    private let room: DecoderMemory

    init(_ room: DecoderMemory) {
        self.room = room
        guard let context = unsafe ZSTD_createDCtx() else { fatalError("out of memory") }
        unsafe self.context = context
        unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, CInt(room.windowLogMax))
    }

    deinit { unsafe ZSTD_freeDCtx(context) }

    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from position: Int,
        at offset: UInt64
    ) throws(ArchiveError) -> DecodeStep {
        var (consumed, produced) = (0, 0)
        let result = unsafe output.withUnsafeMutableBytes { target in
            unsafe input.withUnsafeBytes { source in
                var from = unsafe ZSTD_inBuffer(
                    src: source.baseAddress, size: range.upperBound, pos: range.lowerBound)
                var to = unsafe ZSTD_outBuffer(
                    dst: target.baseAddress, size: target.count, pos: position)
                let result = unsafe ZSTD_decompressStream(context, &to, &from)
                (consumed, produced) = unsafe (from.pos - range.lowerBound, to.pos - position)
                return result
            }
        }
        if ZSTD_isError(result) == 0 {
            return DecodeStep(consumed: consumed, produced: produced, isFrameEnd: result == 0)
        }
        let place = offset + UInt64(consumed)
        switch ZSTD_getErrorCode(result) {
        case ZSTD_error_frameParameter_windowTooLarge:
            room.takeRefusal()
            throw ArchiveError(
                .unsupported,
                "the zstd stream wants a window of more than"
                    + " \(1 << (room.windowLogMax - 20)) MiB", offset: place)
        case ZSTD_error_dictionary_wrong:
            throw ArchiveError(
                .unsupported, "the zstd stream wants a dictionary", offset: place)
        default:
            let reason = unsafe String(cString: ZSTD_getErrorName(result))
            throw ArchiveError(
                .malformed, "the zstd stream is damaged: \(reason)", offset: place)
        }
    }
}
