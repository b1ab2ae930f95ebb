// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive

extension WorkTimings {
    /// What time goes into.
    enum Part: String, CaseIterable {
        case read, decompress, hash, write, verify, sync
    }

    private func duration(_ part: Part) -> Duration {
        switch part {
        case .read: read
        case .decompress: decompress
        case .hash: hash
        case .write: write
        case .verify: verify
        case .sync: sync
        }
    }

    /// One line for a person.
    func line(_ parts: [Part] = Part.allCases) -> String {
        parts.map { "\($0.rawValue) \(duration($0).microseconds / 1_000) ms" }
            .joined(separator: ", ")
    }

    /// As `--json` prints it: microseconds.
    func member(_ parts: [Part] = Part.allCases) -> (key: String, value: JSON) {
        var members: [String: JSON] = [:]
        for part in parts {
            members[part.rawValue + "_us"] = JSON(Int(duration(part).microseconds))
        }
        return ("timings", .object(members))
    }
}

extension Duration {
    /// Rounded down.
    var microseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
