// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CISAL

/// Encodes gzip with ISA-L, with an empty name and time in the header.
@safe final class GzipEncoder: StreamEncoder {
    /// What ISA-L has, without its level 0, which compresses little and is no faster here.
    static let levels = 1...3
    static let defaultLevel = 2
    /// `ISAL_DEF_LVL3_LARGE`, the most that any of the levels wants; the importer cannot compute it.
    private static let levelBufferBytes = 340 * 1024

    private let stream = UnsafeMutablePointer<isal_zstream>.allocate(capacity: 1)
    private let levelBuffer = UnsafeMutablePointer<UInt8>.allocate(capacity: levelBufferBytes)
    private var output = [UInt8](repeating: 0, count: TarLimits.bufferBytes)

    init(level: Int) {
        unsafe isal_deflate_init(stream)
        unsafe stream.pointee.gzip_flag = UInt16(IGZIP_GZIP)
        unsafe stream.pointee.level = UInt32(level)
        unsafe stream.pointee.level_buf = levelBuffer
        unsafe stream.pointee.level_buf_size = UInt32(Self.levelBufferBytes)
    }

    deinit {
        unsafe stream.deallocate()
        unsafe levelBuffer.deallocate()
    }

    func encode(
        _ input: Span<UInt8>, isLast: Bool, _ emit: (Span<UInt8>) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        unsafe stream.pointee.end_of_stream = isLast ? 1 : 0
        var start = 0
        while true {
            let rest = input.extracting(start...)
            let room = output.count
            let result = unsafe output.withUnsafeMutableBufferPointer { target in
                unsafe rest.withUnsafeBufferPointer { source in
                    unsafe stream.pointee.next_in = UnsafeMutablePointer(
                        mutating: source.baseAddress)
                    unsafe stream.pointee.avail_in = UInt32(source.count)
                    unsafe stream.pointee.next_out = target.baseAddress
                    unsafe stream.pointee.avail_out = UInt32(room)
                    return unsafe isal_deflate(stream)
                }
            }
            precondition(result == COMP_OK, "the encoder was set up and called as it wants")
            start = input.count - Int(unsafe stream.pointee.avail_in)
            let produced = room - Int(unsafe stream.pointee.avail_out)
            if produced > 0 { try emitFront(produced, emit) }
            let isDone =
                unsafe isLast
                ? stream.pointee.internal_state.state == ZSTATE_END
                : start == input.count && produced < room
            if isDone { return }
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
