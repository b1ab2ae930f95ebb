// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
package import SystemPackage

/// What of a test's environment reaches the programs of a tree, of a namespace and of another kernel.
package enum ListedEnvironment {
    /// The script that runs a command with what it lists, and nothing else.
    package static let script = FilePath(#filePath)
        .removingLastComponent().removingLastComponent().removingLastComponent()
        .appending("scripts/listed-env.sh")
}
