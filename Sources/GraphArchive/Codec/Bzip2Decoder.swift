// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CBzip2

/// Decodes bzip2 with libbz2, which also verifies the checksums of blocks and stream.
@safe final class Bzip2Decoder: StreamDecoder {
    private let stream = UnsafeMutablePointer<bz_stream>.allocate(capacity: 1)

    init() {
        unsafe stream.initialize(to: bz_stream())
        startStream()
    }

    deinit {
        unsafe BZ2_bzDecompressEnd(stream)
        unsafe stream.deallocate()
    }

    private func startStream() {
        if unsafe BZ2_bzDecompressInit(stream, 0, 0) != BZ_OK { fatalError("out of memory") }
    }

    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from position: Int,
        at offset: UInt64
    ) throws(ArchiveError) -> DecodeStep {
        let space = output.count - position
        let result = unsafe output.withUnsafeMutableBytes { target in
            unsafe input.withUnsafeBytes { source in
                let front = unsafe UnsafeMutableRawPointer(mutating: source.baseAddress)
                unsafe stream.pointee.next_in = front.map {
                    unsafe ($0 + range.lowerBound).assumingMemoryBound(to: CChar.self)
                }
                unsafe stream.pointee.avail_in = UInt32(range.count)
                unsafe stream.pointee.next_out = target.baseAddress.map {
                    unsafe ($0 + position).assumingMemoryBound(to: CChar.self)
                }
                unsafe stream.pointee.avail_out = UInt32(space)
                return unsafe BZ2_bzDecompress(stream)
            }
        }
        let step = DecodeStep(
            consumed: range.count - Int(unsafe stream.pointee.avail_in),
            produced: space - Int(unsafe stream.pointee.avail_out),
            isFrameEnd: result == BZ_STREAM_END)
        switch result {
        case BZ_OK: return step
        case BZ_STREAM_END:
            unsafe BZ2_bzDecompressEnd(stream)
            unsafe stream.initialize(to: bz_stream())
            startStream()
            return step
        default:
            throw ArchiveError(
                .malformed, "the bzip2 stream is damaged: \(Self.reason(result))",
                offset: offset + UInt64(step.consumed))
        }
    }

    private static func reason(_ result: CInt) -> String {
        switch result {
        case BZ_DATA_ERROR: "invalid data or wrong checksum"
        case BZ_DATA_ERROR_MAGIC: "invalid header"
        default: "status \(result)"
        }
    }
}
