// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Bytes of the host that are no text: never taken for another name.
@Suite(.usable("overlay")) struct ByteTests {
    /// Two bytes that become the same text when they are repaired.
    private static let names = ["$'a\\xe9'", "$'a\\xff'"]

    private static let commands = [
        "--root NAME ls", "--root=NAME create", "--run-root NAME mount box",
        "create --run-root=NAME", "apply NAME", "apply --id NAME layer.tar",
        "apply --label k=NAME layer.tar", "import NAME", "import --name NAME layer.tar",
        "diff box -o NAME", "diff NAME", "mount box NAME", "mount NAME", "unmount NAME",
        "unmount ./NAME", "create --copy-up NAME --parent base", "create --label NAME=v",
        "label box k=NAME", "ls --filter NAME", "rm NAME", "inspect NAME", "view --parent NAME",
        "commit box --id NAME", "--driver NAME probe", "--storage-opt k=NAME ls", "NAME",
    ]

    @Test func `an argument that is not UTF-8 is wrong usage, and nothing is made`() throws {
        try CommandRunner.with { graphctl in
            // The names that the repaired text would find.
            let made = try graphctl.shell(
                """
                set -e; mkdir $'a\\ufffd' $'a\\xe9'; tar -cf layer.tar -T /dev/null
                graphctl apply --id base layer.tar; graphctl create --id box --parent base
                """)
            #expect(made.status == 0, "\(made.error)")
            for command in Self.commands {
                for name in Self.names {
                    let line = command.replacingOccurrences(of: "NAME", with: name)
                    let result = try graphctl.shell(
                        """
                        state() { find . -mindepth 1 ! -name '*.out' ! -name '*.err' -printf '%p %s %T@\\n' | LC_ALL=C sort | cksum; }
                        before=$(state); graphctl \(line) --json >shown.out; echo "$?"
                        [ "$before" = "$(state)" ] || echo changed
                        jq -r .code shown.out; rm shown.out
                        """)
                    #expect(
                        result.lines == ["64", "usage"], "\(line): \(result.output)\(result.error)")
                    let byte = name.contains("e9") ? "\\351" : "\\377"
                    #expect(result.error.contains(byte) && result.error.contains("is not UTF-8"))
                }
            }
        }
    }

    @Test(
        arguments: [
            "GRAPHCTL_ROOT", "GRAPHCTL_RUN_ROOT", "GRAPHCTL_DRIVER", "GRAPHCTL_DURABILITY",
        ])
    func `a variable that is not UTF-8 is refused, and nothing is made`(_ name: String) throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                "export \(name)=$'a\\xe9'; graphctl create --json | jq -r .code; ls -A | grep -v UUID"
            )
            #expect(result.lines.first == "invalidArgument", "\(result.error)")
            #expect(!result.lines.contains { $0.hasPrefix("a") }, "\(result.output)")
            #expect(result.error.contains("is not UTF-8"))
            #expect(try !graphctl.root.exists)
        }
    }

    /// Two homes that differ in such a byte are not one, and a link does not lead to one either.
    @Test func `a home or a link that leads to such a name is refused`() throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell(
                """
                unset GRAPHCTL_ROOT
                mkdir $'a\\xe9'; ln -s $'a\\xe9' link
                HOME=$PWD/$'a\\xe9' XDG_DATA_HOME=$PWD/$'b\\xe9' graphctl --root link ls
                graphctl --root link/store create
                graphctl --root root create --id box && graphctl --root root mount box link
                find . -mindepth 1 -path './a*' | wc -l
                """)
            #expect(result.lines == ["box", "1"], "\(result.output)")
            #expect(
                result.error.split(separator: "\n").filter { $0.contains("not UTF-8") }.count == 3,
                "\(result.error)")
        }
    }
}
