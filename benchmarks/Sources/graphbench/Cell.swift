// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CMeasure
import Foundation
import Measure

/// One trigger, on files of one size, at one backend.
struct Cell {
    let trigger: Trigger
    let files: FileSet
    let backend: any Backend
    let isCold: Bool

    var firstState: String { isCold ? "cold" : "warm" }

    func key(_ state: String, operation: String? = nil) -> Series.Key {
        Series.Key(
            command: "copy-up", subject: backend.subject, operation: operation ?? trigger.name,
            mode: backend.mode, state: state, parameterName: "file bytes", parameter: files.size)
    }

    /// Makes a writable copy, does the trigger to each file of it, and once more.
    ///
    /// The device's counters are read when everything is written, before the first operation and
    /// after the last; each operation is told its part of the bytes.
    ///
    /// - Returns: How many samples it gave.
    func measure(into recorder: Recorder) throws -> Int {
        let bed = backend.bed
        try backend.sync()
        let written = try bed.writtenBytes()
        var root = ""
        let making = try nanoseconds { root = try backend.make(files) }
        try backend.sync()
        // Writing plain files is not what a layer is made by.
        if !(backend is PlainFiles) {
            recorder.add(
                key("warm", operation: "create"), making,
                bytesWritten: try bed.writtenBytes() - written)
        }
        if isCold {
            root = try backend.makeCold()
            try backend.sync()
        }
        let isForEach = trigger.scope == .file && !isCold
        let paths = (0..<(isForEach ? files.count : 1)).map { files.path($0, in: root) }
        for isSecond in isCold ? [false] : [false, true] {
            let subjects = paths.map {
                Trigger.Subject(root: root, path: $0, size: files.size, isSecond: isSecond)
            }
            try measure(subjects, isSecond ? "second" : firstState, bed, recorder)
        }
        try backend.discard()
        return paths.count
    }

    private func measure(
        _ subjects: [Trigger.Subject], _ state: String, _ bed: Bed, _ recorder: Recorder
    ) throws {
        let (written, used) = (try bed.writtenBytes(), try bed.usedBytes())
        let times = try subjects.map { subject in try nanoseconds { try trigger.run(subject) } }
        try backend.sync()
        let count = Double(times.count)
        let bytes = (try bed.writtenBytes() - written) / count
        let space = (try bed.usedBytes() - used) / count
        for time in times {
            recorder.add(key(state), time, bytesWritten: bytes, spaceUsed: space)
        }
    }
}

/// What the filesystem takes for a copy of a file, made in each way that there is.
extension CopyUp {
    enum Floor: String, CaseIterable {
        case reflink = "FICLONE"
        case copyRange = "copy_file_range"
        case copyRangeSynced = "copy_file_range, fsync"
        case readWrite = "read and write"

        func copy(_ source: CInt, _ target: CInt, _ size: Int, _ buffer: inout [UInt8]) throws {
            switch self {
            case .reflink: try Trigger.check("ioctl(FICLONE)", cmeasure_clone(target, source))
            case .copyRange, .copyRangeSynced:
                var left = size
                while left > 0 {
                    let count = cmeasure_copy_range(source, target, left)
                    if count <= 0 { throw RefusedCall(call: "copy_file_range", errno: errno) }
                    left -= count
                }
                if self == .copyRangeSynced { try Trigger.check("fsync", fsync(target)) }
            case .readWrite:
                while true {
                    let count = read(source, &buffer, buffer.count)
                    if count == 0 { return }
                    if count < 0 || write(target, buffer, count) != count {
                        throw RefusedCall(call: "write", errno: errno)
                    }
                }
            }
        }
    }

    /// Copies the files of the bed's plain directory.
    func measureFloors(_ size: Int, _ bed: Bed, _ recorder: Recorder) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        let files = FileSet(size: size, sharingOn: nil)
        let target = "\(bed.path)/floor"
        for floor in Floor.allCases {
            try bed.sync()
            let (written, used) = (try bed.writtenBytes(), try bed.usedBytes())
            var times: [Double] = []
            do {
                for index in 0..<files.count {
                    let source = files.path(index, in: "\(bed.path)/plain/\(files.size)")
                    times.append(
                        try nanoseconds {
                            let from = cmeasure_open(source, O_RDONLY, 0)
                            let to = cmeasure_open("\(target)\(index)", O_WRONLY | O_CREAT, 0o644)
                            defer {
                                close(from)
                                close(to)
                            }
                            guard from != -1, to != -1 else { throw failure("open \(source)") }
                            try floor.copy(from, to, files.size, &buffer)
                        })
                }
            } catch let refusal as RefusedCall {
                skip("\(floor.rawValue) on \(bed.filesystem)", refusal.description)
            }
            try bed.sync()
            let bytes = try bed.writtenBytes() - written
            let space = try bed.usedBytes() - used
            let key = Series.Key(
                command: "copy-up", subject: "floor on \(bed.filesystem)",
                operation: floor.rawValue, state: "warm", parameterName: "file bytes",
                parameter: files.size)
            for time in times {
                recorder.add(
                    key, time, bytesWritten: bytes / Double(times.count),
                    spaceUsed: space / Double(times.count))
            }
            for index in 0..<files.count { unlink("\(target)\(index)") }
        }
    }
}
