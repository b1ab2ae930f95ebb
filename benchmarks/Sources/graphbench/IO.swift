// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import CMeasure
import Foundation
import Measure

/// `graphbench io`: steady reading and writing in a mounted layer, against the plain directory.
struct IOCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "io",
        abstract:
            "Steady reads and writes in a mounted layer, against the plain directory beside it.",
        discussion: "With fio, where it is installed, too.")

    @OptionGroup var options: RunOptions

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Only these filesystems: ext4, xfs, btrfs.", valueName: "name"),
        transform: Bed.Filesystem.parse)
    var filesystems: [Bed.Filesystem] = []

    @Option(help: "How often all is measured in turn.")
    var rounds: Int?

    @Flag(help: "Leave out fio.")
    var withoutFio = false

    func run() throws {
        try options.run { result in
            let fileBytes = options.effort(64, 256, 256) << 20
            let bedBytes = (options.bedSize ?? 2048) << 20
            let kinds =
                filesystems.isEmpty
                ? options.effort([.ext4], Bed.Filesystem.allCases, Bed.Filesystem.allCases)
                : filesystems
            let recorder = Recorder()
            let hasFio = Tool.exists("fio") && !options.quick && !withoutFio
            if !hasFio {
                result.unmeasured.append(
                    .init("fio", Tool.exists("fio") ? "was left out" : "is not installed"))
            }
            result.machine.versions["fio"] = Tool.version(ofPackage: "fio")
            var subjects: [(bed: Bed, jobs: IOSubjects)] = []
            defer { for subject in subjects { subject.bed.takeDown() } }
            for kind in kinds {
                let bed = try Bed(kind, sizeBytes: bedBytes, in: options.directory)
                subjects.append((bed, try IOSubjects(bed, fileBytes: fileBytes)))
                result.machine.mounts["\(kind)"] = bed.mountOptions
            }
            for round in 0..<(rounds ?? options.effort(3, 7, 9)) {
                recorder.beginRound()
                for subject in subjects {
                    try subject.jobs.measure(round, withFio: hasFio, recorder)
                }
            }
            for subject in subjects { try subject.jobs.close() }
            result.series = recorder.all
        }
    }
}

/// The places on one filesystem where the same jobs run in turn.
final class IOSubjects {
    private let bed: Bed
    private let fileBytes: Int
    private var backends: [StoreBackend] = []
    private var places: [(name: String, path: String)] = []

    init(_ bed: Bed, fileBytes: Int) throws {
        (self.bed, self.fileBytes) = (bed, fileBytes)
        mkdir("\(bed.path)/plain", 0o755)
        places.append(("plain on \(bed.filesystem)", "\(bed.path)/plain"))
        for driver in bed.filesystem == .btrfs ? ["overlay", "btrfs"] : ["overlay"] {
            let backend = StoreBackend(driver, on: bed)
            let files = backend.files(of: 64 << 10)
            try backend.prepare(files)
            places.append(("\(driver) on \(bed.filesystem)", try backend.make(files)))
            backends.append(backend)
        }
        for place in places { try FileSet.write("\(place.path)/steady", size: fileBytes) }
        try bed.sync()
    }

    /// Each job everywhere, in slices so short that both of a pair meet the same moods of the machine.
    func measure(_ round: Int, withFio hasFio: Bool, _ recorder: Recorder) throws {
        for job in IOJob.allCases {
            for slice in 0..<job.slices {
                // Who begins changes, so that nobody always finds what the other left behind.
                for place in slice.isMultiple(of: 2) ? places : places.reversed() {
                    try checkInterrupted()
                    let sample = try job.run(
                        "\(place.path)/steady", fileBytes: fileBytes, slice: slice)
                    recorder.add(
                        key(job, place.name, "graphbench"), sample, unit: .bytesPerSecond)
                }
            }
            try bed.sync()
            if !hasFio { continue }
            for place in round.isMultiple(of: 2) ? places : places.reversed() {
                try checkInterrupted()
                recorder.add(
                    key(job, place.name, "fio"),
                    try job.runFio("\(place.path)/steady", fileBytes: fileBytes),
                    unit: .bytesPerSecond)
                try bed.sync()
            }
        }
    }

    private func key(_ job: IOJob, _ subject: String, _ mode: String) -> Series.Key {
        Series.Key(command: "io", subject: subject, operation: job.rawValue, mode: mode)
    }

    func close() throws {
        for backend in backends {
            try backend.discard()
            backend.close()
        }
    }
}

/// One way to read or write a file that exists.
enum IOJob: String, CaseIterable {
    case sequentialWrite = "write 1M, fsync"
    case sequentialWriteDirect = "write 1M, direct"
    case sequentialReadDirect = "read 1M, direct"
    case sequentialReadCached = "read 1M, cached"
    case randomWriteDirect = "random write 4K, direct"
    case randomReadDirect = "random read 4K, direct"
    case randomReadCached = "random read 4K, cached"

    private var isDirect: Bool { rawValue.hasSuffix("direct") }
    private var isRandom: Bool { rawValue.hasPrefix("random") }
    private var isWrite: Bool { rawValue.contains("write") }
    private var blockBytes: Int { isRandom ? 4096 : 1 << 20 }
    private var fioSeconds: Double { 0.25 }
    private var sliceSeconds: Double { 0.02 }
    /// How many samples a round has; a file that is written whole is long enough for one.
    var slices: Int { isSynced ? 2 : 10 }

    /// Bytes for each second.
    func run(_ path: String, fileBytes: Int, slice: Int) throws -> Double {
        let file = cmeasure_open(
            path, (isWrite ? O_RDWR : O_RDONLY) | (isDirect ? cmeasure_o_direct : 0), 0)
        guard file != -1 else { throw failure("open \(path)") }
        defer { close(file) }
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: blockBytes, alignment: 4096)
        defer { buffer.deallocate() }
        for index in 0..<blockBytes {
            buffer.storeBytes(of: FileSet.block[index], toByteOffset: index, as: UInt8.self)
        }
        if !isWrite && !isDirect && slice == 0 {
            // All of it is in memory before the clock runs.
            for offset in stride(from: 0, to: fileBytes, by: blockBytes) {
                pread(file, buffer, blockBytes, off_t(offset))
            }
        }
        var random = SeededRandom(seed: UInt64(slice))
        var (done, offset) = (0, 0)
        var refused = false
        let start = cmeasure_now()
        repeat {
            if isRandom {
                offset = Int.random(in: 0..<(fileBytes / blockBytes), using: &random) * blockBytes
            } else if offset == fileBytes {
                offset = 0
            }
            let count =
                isWrite
                ? pwrite(file, buffer, blockBytes, off_t(offset))
                : pread(file, buffer, blockBytes, off_t(offset))
            refused = count != blockBytes
            done += blockBytes
            if !isRandom { offset += blockBytes }
        } while !refused && (isSynced ? done < fileBytes : elapsed(since: start) < sliceSeconds)
        if refused { throw failure("\(rawValue) of \(path)") }
        if isSynced && fsync(file) == -1 { throw failure("fsync \(path)") }
        return Double(done) / elapsed(since: start)
    }

    private var isSynced: Bool { self == .sequentialWrite }

    private func elapsed(since start: UInt64) -> Double { Double(cmeasure_now() - start) / 1e9 }

    /// The same by fio, as it counts.
    func runFio(_ path: String, fileBytes: Int) throws -> Double {
        var words = [
            "fio", "--name=job", "--filename=\(path)", "--size=\(fileBytes)", "--ioengine=psync",
            "--bs=\(blockBytes)", "--rw=\(isRandom ? "rand" : "")\(isWrite ? "write" : "read")",
            "--direct=\(isDirect ? 1 : 0)", "--output-format=json", "--overwrite=1",
            "--invalidate=0",
            "--randrepeat=1",
        ]
        words +=
            isSynced
            ? ["--end_fsync=1"] : ["--runtime=\(Int(fioSeconds * 1000))ms", "--time_based"]
        let text = try Tool.run(words).output
        struct Output: Decodable {
            struct Job: Decodable {
                struct Direction: Decodable {
                    let bandwidth: Double
                    enum CodingKeys: String, CodingKey { case bandwidth = "bw_bytes" }
                }
                let read: Direction
                let write: Direction
            }
            let jobs: [Job]
        }
        // Notes of fio's may come first.
        let json = text[(text.firstIndex(of: "{") ?? text.startIndex)...]
        let output = try JSONDecoder().decode(Output.self, from: Data(json.utf8))
        guard let job = output.jobs.first else { throw MeasureError("fio told of no job") }
        return isWrite ? job.write.bandwidth : job.read.bandwidth
    }
}
