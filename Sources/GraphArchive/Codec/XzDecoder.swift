// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CLZMA

/// Decodes xz with liblzma, which also verifies each block's checksum.
@safe final class XzDecoder: StreamDecoder {
    private let stream = UnsafeMutablePointer<lzma_stream>.allocate(capacity: 1)
    private let room: DecoderMemory

    init(_ room: DecoderMemory) {
        self.room = room
        unsafe stream.initialize(to: lzma_stream())
        startStream()
    }

    deinit {
        unsafe lzma_end(stream)
        unsafe stream.deallocate()
    }

    private func startStream() {
        // Beside the dictionary the decoder needs a few tens of kilobytes.
        let memory = (UInt64(1) << room.xzDictionaryLogMax) + (1 << 20)
        let result = unsafe lzma_stream_decoder(stream, memory, 0)
        if result != LZMA_OK { fatalError("out of memory") }
    }

    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from position: Int,
        at offset: UInt64
    ) throws(ArchiveError) -> DecodeStep {
        let space = output.count - position
        let result = unsafe output.withUnsafeMutableBufferPointer { target in
            unsafe input.withUnsafeBufferPointer { source in
                unsafe stream.pointee.next_in = source.baseAddress.map {
                    unsafe $0 + range.lowerBound
                }
                unsafe stream.pointee.avail_in = range.count
                unsafe stream.pointee.next_out = target.baseAddress.map { unsafe $0 + position }
                unsafe stream.pointee.avail_out = space
                return unsafe lzma_code(stream, LZMA_RUN)
            }
        }
        let step = DecodeStep(
            consumed: range.count - (unsafe stream.pointee.avail_in),
            produced: space - (unsafe stream.pointee.avail_out),
            isFrameEnd: result == LZMA_STREAM_END)
        switch result {
        case LZMA_OK, LZMA_BUF_ERROR: return step
        case LZMA_STREAM_END:
            startStream()
            return step
        default: throw failure(result, at: offset + UInt64(step.consumed))
        }
    }

    private func failure(_ result: lzma_ret, at place: UInt64) -> ArchiveError {
        switch result {
        case LZMA_MEMLIMIT_ERROR:
            room.takeRefusal()
            return ArchiveError(
                .unsupported,
                "the xz stream wants a dictionary of more than"
                    + " \(1 << (room.xzDictionaryLogMax - 20)) MiB", offset: place)
        case LZMA_OPTIONS_ERROR:
            return ArchiveError(
                .unsupported, "the xz stream uses filters that are not supported", offset: place)
        default:
            return ArchiveError(
                .malformed, "the xz stream is damaged: \(Self.reason(result))", offset: place)
        }
    }

    private static func reason(_ result: lzma_ret) -> String {
        switch result {
        case LZMA_FORMAT_ERROR: "invalid header"
        case LZMA_DATA_ERROR: "invalid data or wrong checksum"
        default: "status \(result.rawValue)"
        }
    }
}
