// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import CMeasure
import Foundation
import GraphArchive
import GraphCore
import GraphStore
import Measure

/// Several processes that use one store at once.
final class ProcessGroup {
    private let path: String
    private let subject: String
    private let base: String

    init(on bed: Bed) throws {
        path = "\(bed.path)/processes"
        subject = "overlay on \(bed.filesystem)"
        let store = try openStore("overlay", at: path)
        base = try store.commit(try store.create().id, as: "base", observer: .none).id
    }

    /// Starts them together and collects what each measured.
    ///
    /// Each writes its samples to a file, begins when all are ready, and is waited for.
    func measure(processes: Int, cycles: Int, mode: String = "process", _ recorder: Recorder) throws
    {
        let gate = path + "-gate"
        let outputs = (0..<processes).map { "\(path)-samples\($0)" }
        let words = [
            "/proc/self/exe", "worker", path, base, "\(cycles)", gate,
        ]
        var children: [pid_t] = []
        defer { unlink(gate) }
        for output in outputs {
            var child = pid_t()
            let arguments = (words + [output]).map { strdup($0) } + [nil]
            defer { for argument in arguments { free(argument) } }
            let status = posix_spawn(&child, "/proc/self/exe", nil, nil, arguments, environ)
            guard status == 0 else {
                throw MeasureError("posix_spawn: \(String(cString: strerror(status)))")
            }
            children.append(child)
        }
        while !outputs.allSatisfy({ access($0, F_OK) == 0 }) { usleep(1000) }
        try FileSet.write(gate, size: 1)
        let elapsed = try nanoseconds {
            for child in children {
                var status: CInt = 0
                while waitpid(child, &status, 0) == -1 && errno == EINTR {}
                if status != 0 { throw MeasureError("a worker ended with status \(status)") }
            }
        }
        try collect(outputs, mode, recorder)
        recorder.add(
            key("cycles", mode, processes), Double(processes * cycles) / (elapsed / 1e9),
            unit: .perSecond)
    }

    private func key(_ operation: String, _ mode: String, _ processes: Int) -> Series.Key {
        Series.Key(
            command: "layers", subject: subject, operation: operation, mode: mode,
            parameterName: "processes", parameter: processes)
    }

    private func collect(_ outputs: [String], _ mode: String, _ recorder: Recorder) throws {
        for output in outputs {
            let text = try String(contentsOfFile: output, encoding: .utf8)
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ")
                guard words.count == 2, let sample = Double(words[1]) else {
                    throw MeasureError("a worker told no sample: \(line)")
                }
                recorder.add(key(String(words[0]), mode, outputs.count), sample)
            }
            unlink(output)
        }
    }

    /// The same while this process applies a layer of so many bytes.
    func measureBesideApply(processes: Int, bytes: Int, _ recorder: Recorder) throws {
        let store = try openStore("overlay", at: path, durability: .unsynced)
        let source = GrowingTar(bytes: bytes)
        let mode = "process, beside an apply of \(Figure.bytes(Double(bytes)))"
        let outcome = Outcome()
        let thread = Thread {
            do {
                _ = try store.apply(source)
                outcome.set(nil)
            } catch { outcome.set("\(error)") }
        }
        thread.stackSize = 8 << 20
        thread.start()
        defer { source.stop() }
        repeat {
            try checkInterrupted()
            try measure(processes: processes, cycles: 10, mode: mode, recorder)
        } while !outcome.isSet
        if let text = outcome.text { throw MeasureError("the apply failed: \(text)") }
    }
}

/// What became of a thread.
private final class Outcome: @unchecked Sendable {
    private let lock = NSLock()
    private var isDone = false
    private var failure: String?

    func set(_ failure: String?) {
        lock.withLock { (isDone, self.failure) = (true, failure) }
    }
    var isSet: Bool { lock.withLock { isDone } }
    var text: String? { lock.withLock { failure } }
}

/// A tar of files of 8 MiB that is made while it is read.
private final class GrowingTar: ByteSource, @unchecked Sendable {
    private static let fileBytes = 8 << 20
    private var left: Int
    private var index = 0
    private var pending: [UInt8] = []
    private var at = 0
    private var inFile = 0
    private let lock = NSLock()
    private var isStopped = false

    init(bytes: Int) { left = max(1, bytes / Self.fileBytes) }

    func stop() { lock.withLock { isStopped = true } }

    func read(into buffer: inout [UInt8]) throws(ArchiveError) -> Int {
        if at == pending.count {
            refill()
            if pending.isEmpty { return 0 }
        }
        let count = min(buffer.count, pending.count - at)
        for offset in 0..<count { buffer[offset] = pending[at + offset] }
        at += count
        return count
    }

    private func refill() {
        at = 0
        if inFile > 0 {
            pending = FileSet.block
            inFile -= pending.count
        } else if left > 0, !lock.withLock({ isStopped }) {
            pending = TarHeader.file("file\(index)", size: Self.fileBytes)
            inFile = Self.fileBytes
            (left, index) = (left - 1, index + 1)
        } else if left >= 0 {
            pending = [UInt8](repeating: 0, count: 1024)
            left = -1
        } else {
            pending = []
        }
    }
}

/// The block before a member of a ustar archive.
enum TarHeader {
    static func file(_ name: String, size: Int) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            block.replaceSubrange(offset..<(offset + text.utf8.count), with: text.utf8)
        }
        func octal(_ number: Int, _ digits: Int) -> String {
            let text = String(number, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put("0000644", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        put(octal(size, 11), at: 124)
        put("00000000000", at: 136)
        put("        0", at: 148)
        put("ustar\u{0}00", at: 257)
        put(octal(block.reduce(0) { $0 + Int($1) }, 6) + "\u{0} ", at: 148)
        return block
    }
}

/// One of the processes of ``ProcessGroup``.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", shouldDisplay: false)

    @Argument var path: String
    @Argument var base: String
    @Argument var cycles: Int
    @Argument var gate: String
    @Argument var output: String

    func run() throws {
        // Ends with the process that started it, however that ended.
        cmeasure_end_with_parent()
        let store = try openStore("overlay", at: path)
        var lines = ""
        try "".write(toFile: output, atomically: false, encoding: .utf8)
        while access(gate, F_OK) != 0 {
            if getppid() == 1 { return }
            usleep(200)
        }
        for _ in 0..<cycles {
            var layer = ""
            let waited = try nanoseconds {
                layer = try store.create(parent: base).id
                _ = try store.mount(layer)
            }
            let left = try nanoseconds {
                _ = try store.unmount(layer: layer)
                _ = try store.remove(layer)
            }
            lines += "create+mount \(waited)\nunmount+remove \(left)\n"
        }
        try lines.write(toFile: output, atomically: false, encoding: .utf8)
    }
}
