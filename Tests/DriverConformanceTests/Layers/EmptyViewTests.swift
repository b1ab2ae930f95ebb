// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A view without a parent, on every driver.
@Suite(.serialized) struct EmptyViewTests {
    @Test(arguments: DriverUnderTest.usable)
    func `a view of nothing is an empty tree that nobody can write to`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            #expect(try command.succeed("view", "--id", "v").text == "v")
            try command.withMount("v") { place in
                let second = directory.appending("second")
                try second.makeDirectory()
                try command.succeed("mount", "v", second.string)
                for place in [place, second] {
                    let tree = try TreeSnapshot(of: place)
                    #expect(tree.paths == [])
                    let root = tree.entries["."]?.status
                    #expect(root?.permissions == 0o755 && root?.uid == 0 && root?.gid == 0)
                    let error = #expect(throws: SyscallError.self) {
                        try Directory(opening: place).makeDirectory("new", permissions: 0o755)
                    }
                    #expect(error?.errno == .readOnlyFileSystem)
                }
                #expect(try command.run(["rm", "v"]).status == 1)
                try command.succeed("unmount", second.string)
            }
            let text = try command.succeed("inspect", "v", "--json").output
            let layer = try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any]
            #expect(layer?["parent"] is NSNull && layer?["kind"] as? String == "view")
            #expect(try command.succeed("check", "--deep").text == "")
            for refused in [
                ["commit", "v"], ["create", "--parent", "v"], ["mount", "--device", "v"],
            ] {
                #expect(try command.run(refused).status == 1, "\(refused)")
            }
            try command.succeed("rm", "v")
            #expect(try command.succeed("ls", "-q").lines == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a view of nothing is compared as the empty tree`(_ subject: DriverUnderTest) throws {
        try subject.withDirectory { directory in
            let command = GraphctlCommand(driver: subject.name, directory: directory)
            try command.succeed("view", "--id", "v")
            #expect(try command.succeed("changes", "v").text == "")
            #expect(try command.succeed("diff", "v").output == [UInt8](repeating: 0, count: 1_024))
            let tar = directory.appending("base.tar")
            try RawTar.write(tar, ["file = x"])
            try command.succeed("apply", "--id", "base", tar.string)
            #expect(try command.succeed("changes", "base", "--from", "v").text == "A /file")
            #expect(try command.succeed("changes", "v", "--from", "base").text == "D /file")
            #expect(try command.succeed("changes", "v", "--from", "v").text == "")
        }
    }
}
