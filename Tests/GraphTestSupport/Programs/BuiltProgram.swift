// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
package import SystemPackage

/// Programs of this package that are built together with the tests.
package enum BuiltProgram {
    /// Where a program of the package is: beside the bundle of the tests that run.
    package static func path(_ name: String) -> FilePath {
        // The bundle is a program itself, or a file that a runner loads from an argument.
        let arguments = ProcessInfo.processInfo.arguments
        let bundle = arguments.first { $0.contains(".xctest") } ?? arguments[0]
        let end = bundle.range(of: ".xctest").map { $0.lowerBound } ?? bundle.endIndex
        let directory = FilePath(String(bundle[..<end])).removingLastComponent()
        let path = directory.appending(name)
        if path.isAbsolute { return path }
        return FilePath(FileManager.default.currentDirectoryPath).pushing(path)
    }
}
