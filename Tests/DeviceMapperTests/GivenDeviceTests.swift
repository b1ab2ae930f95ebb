// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Layers as block devices, for those who mount them themselves.
@Suite(.serialized, .usable("devicemapper")) struct GivenDeviceTests {
    private func with(_ body: (GraphctlCommand) throws -> Void) throws {
        try SmallPool.subject.withDirectory {
            try body(GraphctlCommand(driver: SmallPool.subject.name, directory: $0))
        }
    }

    /// What a refused command says as its code.
    private func code(_ command: GraphctlCommand, _ arguments: String...) throws -> String? {
        let result = try command.run(arguments + ["--json"])
        #expect(result.status == 1)
        let object = try JSONSerialization.jsonObject(with: Data(result.output))
        return (object as? [String: Any])?["code"] as? String
    }

    /// Has somebody else mount a device, as a virtual machine does.
    private func inside(_ device: String, _ options: String, _ script: String) throws {
        let type = SmallPool.subject.storageOptions["dm.fs"] ?? ""
        let all = options + (type == "xfs" ? ",nouuid" : "")
        try withScratchRoot { place in
            _ = try runCommand(
                "bash",
                [
                    "-euc",
                    "mount -t $2 -o $3 $1 $0; trap 'cd /; umount $0' EXIT; cd $0/root; \(script)",
                    place.string, device, type, all,
                ])
        }
    }

    @Test func `what is written to a layer's device is in the layer`() throws {
        try with { command in
            try command.succeed("create", "--id", "disk")
            try command.withMount("disk") { try $0.appending("first").write("1") }
            let device = try command.succeed("mount", "--device", "disk").text
            #expect(try command.succeed("mount", "--device", "disk").text == device)
            try inside(device, "rw", "grep 1 first >/dev/null; echo 2 >second")
            #expect(try command.succeed("unmount", "disk").text == device)
            // It is given out once more.
            for refused in [
                ["mount", "disk"], ["rm", "disk"], ["commit", "disk"], ["changes", "disk"],
            ] {
                let result = try command.run(refused + ["--json"])
                #expect(result.status == 1 && result.text.contains("layerInUse"), "\(refused)")
            }
            #expect(try command.succeed("inspect", "disk").text.contains(device))
            #expect(try command.succeed("check").text == "")
            try command.succeed("gc")
            #expect(try command.succeed("unmount", device).text == device)
            #expect(try code(command, "unmount", "disk") == "invalidArgument")
            let names = try command.withMount("disk") { try $0.names.sorted() }
            #expect(names == ["first", "second"])
            #expect(try command.succeed("changes", "disk").lines == ["A /first", "A /second"])
            try command.succeed("commit", "disk")
            #expect(try command.succeed("check", "--deep").text == "")
        }
    }

    @Test func `the device of a view refuses writing, each view has its own`() throws {
        try with { command in
            try command.succeed("create", "--id", "disk")
            try command.withMount("disk") { try $0.appending("file").write("1") }
            #expect(try code(command, "mount", "--device", "nothing") == "layerNotFound")
            try command.succeed("commit", "disk")
            #expect(try code(command, "mount", "--device", "disk") == "wrongKind")
            var devices: Set<String> = []
            for view in ["one", "two"] {
                try command.succeed("view", "--id", view, "--parent", "disk")
                let device = try command.succeed("mount", "--device", view).text
                devices.insert(device)
                #expect(try runCommand("blockdev", ["--getro", device]) == "1\n")
                try inside(device, "ro", "grep 1 file >/dev/null; ! touch new 2>/dev/null")
            }
            #expect(devices.count == 2)
            // Its parent goes on being of use.
            try command.succeed("create", "--id", "next", "--parent", "disk")
            let names = try command.withMount("next") { try $0.names }
            #expect(names == ["file"])
            #expect(try command.succeed("changes", "next").text == "")
            for view in ["one", "two"] { try command.succeed("unmount", view) }
            try command.succeed("rm", "one", "two", "next", "disk")
            #expect(try command.succeed("check").text == "")
        }
    }

    @Test func `a mounted layer is not given out, nor an open device taken back`() throws {
        try with { command in
            try command.succeed("create", "--id", "disk")
            try command.succeed("mount", "disk")
            #expect(try code(command, "mount", "--device", "disk") == "layerInUse")
            try command.succeed("unmount", "disk")
            let device = try command.succeed("mount", "--device", "disk").text
            let open = try BlockDevice(opening: FilePath(device))
            #expect(try code(command, "unmount", "disk") == "layerInUse")
            withExtendedLifetime(open.number) {}
            _ = consume open
            try command.succeed("unmount", "disk")
            try command.succeed("mount", "disk")
            try command.succeed("unmount", "disk")
        }
    }
}
