// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CISAL

/// Decodes gzip (RFC 1952) with ISA-L, which also checks each member's CRC and length.
@safe final class GzipDecoder: StreamDecoder {
    private let state = UnsafeMutablePointer<inflate_state>.allocate(capacity: 1)
    // Kept from call to call: `isal_inflate` would forget a header that its input ends inside of.
    private let header = UnsafeMutablePointer<isal_gzip_header>.allocate(capacity: 1)
    private var isInsideHeader = true

    init() {
        unsafe isal_inflate_init(state)
        startMember()
    }

    deinit {
        unsafe state.deallocate()
        unsafe header.deallocate()
    }

    private func startMember() {
        unsafe isal_inflate_reset(state)
        unsafe isal_gzip_header_init(header)
        // The header is read apart, the trailer is verified.
        unsafe state.pointee.crc_flag = UInt32(ISAL_GZIP_NO_HDR_VER)
        isInsideHeader = true
    }

    func decode(
        _ input: [UInt8], _ range: Range<Int>, into output: inout [UInt8], from position: Int,
        at offset: UInt64
    ) throws(ArchiveError) -> DecodeStep {
        let room = output.count - position
        let result = unsafe output.withUnsafeMutableBufferPointer { target in
            unsafe input.withUnsafeBufferPointer { source in
                let front = unsafe UnsafeMutablePointer(mutating: source.baseAddress)
                unsafe state.pointee.next_in = front.map { unsafe $0 + range.lowerBound }
                unsafe state.pointee.avail_in = UInt32(range.count)
                unsafe state.pointee.next_out = target.baseAddress.map { unsafe $0 + position }
                unsafe state.pointee.avail_out = UInt32(room)
                if isInsideHeader {
                    let result = unsafe isal_read_gzip_header(state, header)
                    if result == ISAL_END_INPUT { return ISAL_DECOMP_OK }
                    if result != ISAL_DECOMP_OK { return result }
                    isInsideHeader = false
                }
                return unsafe isal_inflate(state)
            }
        }
        // After an error the library may count bytes that it had taken by earlier calls.
        let consumed = max(0, range.count - Int(unsafe state.pointee.avail_in))
        if result != ISAL_DECOMP_OK && result != ISAL_END_INPUT {
            throw ArchiveError(
                .malformed, "the gzip stream is damaged: \(Self.reason(result))",
                offset: offset + UInt64(consumed))
        }
        let step = DecodeStep(
            consumed: consumed, produced: room - Int(unsafe state.pointee.avail_out),
            isFrameEnd: unsafe state.pointee.block_state == ISAL_BLOCK_FINISH)
        if step.isFrameEnd { startMember() }
        return step
    }

    private static func reason(_ result: CInt) -> String {
        switch result {
        case ISAL_INVALID_BLOCK: "invalid block"
        case ISAL_INVALID_SYMBOL: "invalid symbol"
        case ISAL_INVALID_LOOKBACK: "invalid distance"
        case ISAL_INVALID_WRAPPER: "invalid header"
        case ISAL_UNSUPPORTED_METHOD: "unknown method"
        case ISAL_INCORRECT_CHECKSUM: "wrong checksum"
        default: "status \(result)"
        }
    }
}
