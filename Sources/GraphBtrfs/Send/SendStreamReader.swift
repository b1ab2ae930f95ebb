// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
import GraphSystem

/// Reads send streams of btrfs, of version 1 or 2, piece by piece.
///
/// Holds one command at a time, and of that no more than has come in. Whatever the bytes are, it
/// gives commands or one error, and names in paths that a directory could have.
package struct SendStreamReader {
    private enum State { case header, commands, ended }

    private static let magic = Array("btrfs-stream\0".utf8)
    private static let headerBytes = 17
    /// Length, number and checksum.
    private static let commandHeaderBytes = 10
    /// Of what follows the header: the kernel's buffer has 64 KiB for version 1, 144 for version 2.
    private static let commandBytesMax = 256 << 10

    private var state = State.header
    private var version: UInt32 = 0
    private var pending: [UInt8] = []
    /// Where in `pending` the next command begins.
    private var position = 0
    /// Where in the stream `pending` begins.
    private var offset: UInt64 = 0

    /// Begins a stream.
    package init() {}

    /// Takes the next bytes of the stream, and hands over the commands that are complete with them.
    ///
    /// - Throws: ``GraphArchive/ArchiveError/Code/malformed``, or `unsupported` for a version that is
    ///   not known; what `body` throws.
    package mutating func take(
        _ bytes: Span<UInt8>, _ body: (SendCommand) throws(ArchiveError) -> Void
    ) throws(ArchiveError) {
        pending.removeFirst(position)
        offset += UInt64(position)
        position = 0
        pending.reserveCapacity(pending.count + bytes.count)
        for index in bytes.indices { pending.append(bytes[index]) }
        if state == .header { try takeHeader() }
        while state == .commands, let command = try nextCommand() {
            if command.kind == .end { state = .ended }
            try body(command)
        }
        if state == .ended && position < pending.count { throw malformed("bytes after its end") }
    }

    /// Makes sure that the stream was complete.
    ///
    /// - Throws: ``GraphArchive/ArchiveError/Code/truncated``.
    package func finish() throws(ArchiveError) {
        if state == .ended { return }
        throw ArchiveError(
            .truncated, "the send stream ends early", offset: offset + UInt64(pending.count))
    }

    private mutating func takeHeader() throws(ArchiveError) {
        let known = min(pending.count, Self.magic.count)
        if pending[..<known] != Self.magic[..<known] { throw malformed("no magic") }
        guard pending.count >= Self.headerBytes else { return }
        version = pending.littleEndian(at: Self.magic.count, UInt32.self)
        guard version == 1 || version == 2 else {
            throw ArchiveError(
                .unsupported, "the send stream has version \(version), which is not known",
                offset: UInt64(Self.magic.count))
        }
        position = Self.headerBytes
        state = .commands
    }

    /// The next command; nil when it is not complete yet.
    private mutating func nextCommand() throws(ArchiveError) -> SendCommand? {
        guard pending.count - position >= Self.commandHeaderBytes else { return nil }
        let length = Int(pending.littleEndian(at: position, UInt32.self))
        if length > Self.commandBytesMax { throw malformed("a command of \(length) bytes") }
        let number = pending.littleEndian(at: position + 4, UInt16.self)
        guard let kind = SendCommand.Kind(rawValue: number) else {
            throw malformed("the command \(number), which is not known")
        }
        let start = position + Self.commandHeaderBytes
        guard pending.count - start >= length else { return nil }
        // The checksum is that of the command with zeros in place of the checksum.
        var checksum = SendChecksum()
        checksum.add(pending[position..<(position + 6)])
        checksum.add([0, 0, 0, 0])
        checksum.add(pending[start..<(start + length)])
        if checksum.value != pending.littleEndian(at: position + 6, UInt32.self) {
            throw malformed("a command with another checksum")
        }
        let command = try command(kind, pending[start..<(start + length)])
        position = start + length
        return command
    }

    /// Reads the attributes of a command.
    private func command(
        _ kind: SendCommand.Kind, _ bytes: ArraySlice<UInt8>
    ) throws(ArchiveError) -> SendCommand {
        var values: [UInt16: ArraySlice<UInt8>] = [:]
        var rest = bytes
        while !rest.isEmpty {
            guard rest.count >= 2 else { throw malformed("half an attribute") }
            let number = rest.littleEndian(at: rest.startIndex, UInt16.self)
            if number == 0 || number > SendAttribute.last {
                throw malformed("the attribute \(number), which is not known")
            }
            var value = rest.dropFirst(2)
            if version == 1 || number != SendAttribute.data {
                guard value.count >= 2 else { throw malformed("half an attribute") }
                let length = Int(value.littleEndian(at: value.startIndex, UInt16.self))
                value = value.dropFirst(2)
                guard value.count >= length else { throw malformed("half an attribute") }
                value = value.prefix(length)
            }
            rest = rest[value.endIndex...]
            if values.updateValue(value, forKey: number) != nil {
                throw malformed("the attribute \(number) twice")
            }
        }
        if kind == .end { return SendCommand(kind, "") }
        let path = try path(values[SendAttribute.path])
        switch kind {
        case .rename: return SendCommand(kind, path, try self.path(values[SendAttribute.pathTo]))
        case .link: return SendCommand(kind, path, try self.path(values[SendAttribute.pathLink]))
        default: return SendCommand(kind, path)
        }
    }

    private func path(_ bytes: ArraySlice<UInt8>?) throws(ArchiveError) -> RawPath {
        guard let bytes, bytes.count < 4_096, let path = RawPath(validating: bytes) else {
            throw malformed("a command without a path")
        }
        if path.isEmpty { return path }
        for name in bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            // Also with an overlong name no lookup would do harm, but what names one is no kernel.
            if name.isEmpty || name.count > 255 || name.elementsEqual(".".utf8)
                || name.elementsEqual("..".utf8)
            {
                throw malformed("a path that no file has")
            }
        }
        return path
    }

    private func malformed(_ what: String) -> ArchiveError {
        ArchiveError(
            .malformed, "the send stream has \(what)", offset: offset + UInt64(position))
    }
}

extension RandomAccessCollection<UInt8> where Index == Int {
    /// A number of this type; the bytes are there.
    fileprivate func littleEndian<Number: FixedWidthInteger>(
        at position: Int, _: Number.Type
    ) -> Number {
        var number: Number = 0
        for index in 0..<(Number.bitWidth / 8) {
            number |= Number(truncatingIfNeeded: self[position + index]) << (8 * index)
        }
        return number
    }
}
