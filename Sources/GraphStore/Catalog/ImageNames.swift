// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSQLite
import GraphSystem

extension ImageName {
    /// Refuses what is no name.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument``.
    static func check(_ name: String) throws(DriverError) {
        if name.isEmpty || name.unicodeScalars.contains("\u{0}") {
            throw DriverError(.invalidArgument, "an image's name is not empty and has no NUL in it")
        }
        if name.utf8.count > bytesMax {
            throw DriverError(
                .invalidArgument,
                "the image's name has \(name.utf8.count) bytes, and at most \(bytesMax) are taken")
        }
    }
}

extension ImageQueries {
    /// The whole of a name of an image that may be given without its registry or `:latest`.
    ///
    /// - Throws: When it may be any of several of its names.
    func wholeName(_ name: String, of id: String) throws -> String? {
        let names = try names(of: id)
        if names.contains(name) { return name }
        let found = names.filter { full in
            [name, name + ":latest"].contains { full == $0 || full.hasSuffix("/" + $0) }
        }
        if found.count > 1 {
            throw DriverError(
                .invalidArgument,
                "\(name) may be any of several names: " + listed(found))
        }
        return found.first
    }
}
