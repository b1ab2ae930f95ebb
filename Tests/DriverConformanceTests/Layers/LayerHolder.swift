// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage

/// A process that keeps a mounted layer in use until it is told to end, and writes when it is told to.
final class LayerHolder {
    /// What it has of the layer.
    enum Hold: String, CaseIterable, Sendable {
        case file, directory, mapping, path
        case clone
    }

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    var id: Int32 { process.processIdentifier }

    /// Starts one, in a private mount namespace of its own if it is to be, and waits until it has what it
    /// is to hold.
    init(_ hold: Hold, of place: FilePath, unshares: Bool = false) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let line = ["python3", "-c", Self.program, hold.rawValue, place.string]
        process.arguments =
            (unshares ? ["unshare", "--mount", "--propagation", "private"] : []) + line
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        guard try answer() == "ready" else {
            throw UseFailure(description: "a holder of \(place) did not start")
        }
    }

    deinit { end() }

    /// Has it write to what it holds; whether it could.
    func write() throws -> Bool {
        try input.fileHandleForWriting.write(contentsOf: Data("write\n".utf8))
        return try answer() == "written"
    }

    /// Ends it, and waits for that.
    func end() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    private func answer() throws -> String {
        var line: [UInt8] = []
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first {
            if byte == UInt8(ascii: "\n") { break }
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }

    /// Holds nothing else of the layer: the file is closed once it is mapped.
    private static let program = """
        import ctypes, mmap, os, sys
        hold, place = sys.argv[1:3]
        data = place + '/held'
        directory = None
        if hold == 'mapping':
            file = os.open(data, os.O_RDWR)
            mapped = mmap.mmap(file, 4096)
            os.close(file)
        elif hold == 'file':
            file = os.open(data, os.O_RDWR)
        elif hold == 'directory':
            os.chdir(place)
            directory = os.open('.', os.O_RDONLY | os.O_CLOEXEC)
            os.close(directory)
        elif hold == 'path':
            directory = os.open(place, os.O_PATH | os.O_DIRECTORY)
        else:
            libc = ctypes.CDLL(None, use_errno=True)
            directory = libc.syscall(428, -100, place.encode(), 0x80001)
            if directory < 0: sys.exit('open_tree: ' + os.strerror(ctypes.get_errno()))
        print('ready', flush=True)
        for count, line in enumerate(sys.stdin):
            try:
                if hold == 'mapping': mapped[count:count + 1] = b'w'
                elif hold == 'file': os.pwrite(file, b'w', count)
                else:
                    where = {} if hold == 'directory' else {'dir_fd': directory}
                    os.close(os.open('new-%d' % count, os.O_CREAT | os.O_WRONLY, **where))
                print('written', flush=True)
            except OSError as error: print(error, flush=True)
        """
}

/// A mount namespace in which no process lives: a bind mount of its file keeps it.
final class PinnedNamespace {
    let pin: FilePath
    private let directory: FilePath

    /// Makes one, with a copy of all mounts.
    init(below base: FilePath) throws {
        directory = base.appending("pin-" + String(UInt64.random(in: .min ... .max), radix: 16))
        pin = directory.appending("namespace")
        try directory.makeDirectory()
        // The kernel takes no loops: the pin must not be seen in a namespace that it keeps.
        try runCommand("mount", ["-t", "tmpfs", "--make-private", "pins", directory.string])
        try pin.write("")
        // Whether it would is told from the order of the namespaces' numbers, which Linux 6.18 gives out to
        // each processor by the thousand: on the one on which this namespace was made the order is right.
        let line = [
            "unshare", "--mount=\(pin)", "--propagation", "private", "umount", directory.string,
        ]
        var failure: (any Error)?
        for processor in 0..<ProcessInfo.processInfo.processorCount {
            do {
                try runCommand("taskset", ["--cpu-list", "\(processor)"] + line)
                return
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    deinit { end() }

    /// The mounts in it.
    func mountinfo() throws -> String {
        try runCommand("nsenter", ["--mount=\(pin)", "cat", "/proc/self/mountinfo"])
    }

    /// Lets go of it: the kernel ends it then.
    func end() {
        try? MountPoint(pin).unmount()
        try? MountPoint(directory).unmount()
        try? directory.remove()
    }
}

/// What must not happen.
struct UseFailure: Error, CustomStringConvertible {
    let description: String
}
