// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage
import Testing

/// A store that an early version made (make.sh) opens, and answers as it did to that version.
@Suite struct OldStoreTests {
    @Test(.enabled(if: Machine.isRoot, "it has files of several users"))
    func `a store of an early version answers what it answered then`() throws {
        let files = FilePath(#filePath).removingLastComponent()
        let answers = try files.appending("answers.txt").readText()
        #expect(answers.split(separator: "\n").count > 40)
        try CommandRunner.with { graphctl in
            let archive = files.appending("store.tar.gz").string
            try runCommand(
                "tar",
                ["--xattrs", "--numeric-owner", "-C", graphctl.directory.string, "-xzf", archive])
            // The second time after the first has opened it for writing.
            for _ in 1...2 {
                let result = try graphctl.shell("bash '\(files.appending("ask.sh"))'")
                #expect(result.status == 0, "\(result.error)")
                let found = result.output.split(separator: "\n", omittingEmptySubsequences: false)
                let wanted = answers.split(separator: "\n", omittingEmptySubsequences: false)
                for change in found.difference(from: wanted) { Issue.record("\(change)") }
            }
        }
    }
}
