// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
package import SystemPackage

/// What a process and its machine hold that a test must give back.
///
/// Other tests of the process run at the same time, so a test looks below its own scratch root.
package struct Holdings: Hashable, Sendable {
    /// Where each open descriptor leads.
    package var descriptors: [String]
    package var mounts: [String]
    /// Loop devices in use, with their files.
    package var loops: [String]

    /// Looks; with a path, only at what leads below it.
    package static func current(below path: FilePath? = nil) -> Holdings {
        let directory = "/proc/self/fd"
        let files = FileManager.default
        let numbers = (try? files.contentsOfDirectory(atPath: directory)) ?? []
        func isMeant(_ place: String) -> Bool {
            path.map { place.hasPrefix($0.string) } ?? true
        }
        // The descriptor of this very listing is gone by now, and has no destination.
        let descriptors = numbers.compactMap { number in
            (try? files.destinationOfSymbolicLink(atPath: "\(directory)/\(number)"))
                .flatMap { isMeant($0) ? $0 : nil }
        }
        let blocks = (try? files.contentsOfDirectory(atPath: "/sys/block")) ?? []
        let loops = blocks.compactMap { name -> String? in
            let backing = "/sys/block/\(name)/loop/backing_file"
            guard let file = try? String(contentsOfFile: backing, encoding: .utf8) else {
                return nil
            }
            return isMeant(file) ? "\(name) over \(file.dropLast())" : nil
        }
        return Holdings(
            descriptors: descriptors.sorted(),
            mounts: MountTable.current().filter(isMeant), loops: loops.sorted())
    }

    /// What there is now that was not there before, one line a thing.
    package func leaks(since before: Holdings) -> [String] {
        Self.added("descriptor", descriptors, before.descriptors)
            + Self.added("mount", mounts, before.mounts)
            + Self.added("loop device", loops, before.loops)
    }

    private static func added(_ kind: String, _ now: [String], _ before: [String]) -> [String] {
        var counts: [String: Int] = [:]
        for name in before { counts[name, default: 0] += 1 }
        var lines: [String] = []
        for name in now {
            let count = counts[name, default: 0]
            if count == 0 { lines.append("\(kind) \(name)") } else { counts[name] = count - 1 }
        }
        return lines
    }
}
