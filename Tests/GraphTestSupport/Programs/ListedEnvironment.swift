// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
public import SystemPackage

/// What of a test's environment reaches the programs of a tree, of a namespace and of another kernel.
public enum ListedEnvironment {
    /// The script that runs a command with what it lists, and nothing else.
    public static let script = FilePath(#filePath)
        .removingLastComponent().removingLastComponent().removingLastComponent()
        .appending("scripts/listed-env.sh")
}
