// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import Logging
import SystemPackage

/// What a store tells its caller's logger.
struct StoreLog: Sendable {
    let logger: Logger
    let root: FilePath

    /// Tells of something that could not be cleared and stops nobody.
    func warn(_ message: String, _ number: LayerNumber?, _ error: DriverError) {
        logger.warning(
            "\(message)",
            metadata: [
                "root": "\(root)", "number": "\(number?.description ?? "-")", "error": "\(error)",
            ])
    }

    /// Tells of what an operator should know.
    func warn(_ message: String, _ number: LayerNumber? = nil) {
        var metadata: Logger.Metadata = ["root": "\(root)"]
        if let number { metadata["number"] = "\(number)" }
        logger.warning("\(message)", metadata: metadata)
    }

    /// Tells that what a dead process left was cleared.
    func cleared(_ record: LayerRecord) {
        logger.info(
            "cleared an interrupted operation",
            metadata: ["number": "\(record.number)", "was": "\(record.state.rawValue)"])
    }
}
