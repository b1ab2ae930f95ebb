// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation

/// Where a result was made: figures of different machines are not compared in silence.
public struct Machine: Codable, Hashable, Sendable {
    public var processor: String
    public var processors: Int
    public var memoryBytes: UInt64
    public var kernel: String
    public var system: String
    /// The load average of the last minute when the run began.
    public var load: Double
    /// Versions of the tools and peers, and the options of each mounted bed.
    public var versions: [String: String]
    public var mounts: [String: String]

    /// Asks this machine.
    public init() {
        func text(_ path: String) -> String {
            (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        }
        func value(_ key: String, in path: String, _ separator: Character) -> String {
            let line = text(path).split(separator: "\n").first { $0.hasPrefix(key) }
            return line?.split(separator: separator, maxSplits: 1).last
                .map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " \t\"")) } ?? "unknown"
        }
        processor = value("model name", in: "/proc/cpuinfo", ":")
        processors = ProcessInfo.processInfo.activeProcessorCount
        memoryBytes = ProcessInfo.processInfo.physicalMemory
        kernel = text("/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines)
        system = value("PRETTY_NAME", in: "/etc/os-release", "=")
        load = Double(text("/proc/loadavg").split(separator: " ").first ?? "0") ?? 0
        (versions, mounts) = ([:], [:])
    }
}
