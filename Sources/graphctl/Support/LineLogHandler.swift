// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Logging

/// Writes what the store has to tell as lines on standard error: `graphctl: warning: …`.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    init(logLevel: Logger.Level) { self.logLevel = logLevel }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let details = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
        Failure.printLine("graphctl: \(event.level): \(event.message)\(details.joined())")
    }
}
