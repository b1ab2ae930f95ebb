// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A store with a filesystem of its own, as an operator sees it.
@Suite(.usable("overlay")) struct LoopImageTests {
    private static let isPossible: ConditionTrait = .enabled(
        if: Machine.isRoot, "a loop image needs loop devices")

    @Test(
        arguments: [
            ["init", "--loop-image", "xfs-image"], ["init", "--size", "1G"],
            ["init", "--loop-image", "zfs", "--size", "1G"], ["loop-image"],
            ["loop-image", "status", "--size", "1G"],
            ["loop-image", "shrink"],
        ])
    func `wrong usage ends with 64 and makes nothing`(_ arguments: [String]) throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl.shell("graphctl \(arguments.joined(separator: " "))")
            #expect(result.status == 64, "\(result.error)")
            #expect(try !graphctl.root.exists)
        }
    }

    @Test func `init makes a plain store once, and info tells what copies cost there`() throws {
        try CommandRunner.with { graphctl in
            let made = try graphctl("init", "--json")
            #expect(made.status == 0, "\(made.error)")
            #expect(try made.object["bed"] is String == false)
            #expect(try graphctl("init").status == 1)
            #expect(try graphctl("loop-image", "status").status == 1)
            let info = try graphctl("info", "--json").object
            let capabilities = try #require(info["capabilities"] as? [String: Any])
            let warnings = try #require(info["warnings"] as? [String])
            let sharesBlocks = try #require(capabilities["reflink"] as? Bool)
            #expect(warnings.isEmpty == sharesBlocks)
            if sharesBlocks { return }
            #expect(warnings[0].contains("init --loop-image xfs-image"))
            #expect(warnings[0].contains("metacopy=on") != Machine.isInUserNamespace)
            #expect(try graphctl("info").lines.contains("warning: " + warnings[0]))
        }
    }

    @Test(isPossible) func `a loop image is made, shown, grown and detached`() throws {
        try CommandRunner.with { graphctl in
            let made = try graphctl("init", "--loop-image", "xfs-image", "--size", "320M", "--json")
            #expect(made.status == 0, "\(made.error)")
            let loopImage = try #require(try made.object["bed"] as? [String: Any])
            #expect(loopImage["size"] as? Int == 320 << 20)
            #expect(loopImage["direct"] as? Bool == true)
            let info = try graphctl("info", "--json").object
            #expect(info["filesystem"] as? String == "xfs")
            #expect((info["warnings"] as? [String])?.isEmpty == true)
            #expect(
                (info["bed"] as? [String: Any])?["image"] as? String == loopImage["image"]
                    as? String)
            let grown = try graphctl("loop-image", "grow", "--size", "400M", "--json")
            #expect(try grown.object["size"] as? Int == 400 << 20)
            #expect(try graphctl("loop-image", "grow", "--size", "350M").status == 1)
            try graphctl.apply("base")
            #expect(try graphctl("create", "--id", "box", "--parent", "base").status == 0)
            #expect(try graphctl("mount", "box").status == 0)
            let refused = try graphctl("loop-image", "detach", "--json")
            #expect(try refused.object["code"] as? String == "layerInUse")
            #expect(try graphctl("unmount", "box").status == 0)
            #expect(try graphctl("loop-image", "detach").status == 0)
            #expect(
                try graphctl("loop-image", "status").lines.contains(
                    "loop image device: not attached here")
            )
            #expect(try graphctl("ls", "-q").lines == ["base", "box"])
            #expect(try graphctl("check", "--deep").output.isEmpty)
            #expect(try graphctl("probe").lines.contains("overlay: usable"))
        }
    }

    @Test(isPossible) func `the former words make and show the same`() throws {
        try CommandRunner.with { graphctl in
            let made = try graphctl.shell(
                """
                graphctl --root root init --bed xfs-image --size 320M >out
                graphctl --root root bed status | sed -n 's/^loop image: //p'
                graphctl --root=root bed detach && ls root
                """)
            #expect(made.lines.first?.hasSuffix("/root/bed.image") == true, "\(made.error)")
            // These names are in stores that there are.
            #expect(made.lines.dropFirst() == ["bed", "bed.image", "bed.lock"])
            let both = ["init", "--bed", "xfs-image", "--loop-image", "xfs-image", "--size", "1G"]
            #expect(try graphctl.shell("graphctl \(both.joined(separator: " "))").status == 64)
        }
    }

    @Test(isPossible) func `a loop image is one filesystem in all mount namespaces`() throws {
        try CommandRunner.with { graphctl in
            #expect(
                try graphctl("init", "--loop-image", "xfs-image", "--size", "320M").status == 0)
            // One that has lost the mount, and makes it anew beside the one here.
            let other = try graphctl.shell(
                """
                unshare --mount --propagation private bash -ec '
                    umount "$GRAPHCTL_ROOT/bed"
                    graphctl create --id there
                    losetup --list --noheadings --output BACK-FILE | grep -cF "$GRAPHCTL_ROOT/"
                    graphctl ls -q
                '
                """)
            #expect(other.lines == ["there", "1", "there"], "\(other.error)")
            #expect(try graphctl("ls", "-q").lines == ["there"])
            // While a namespace holds it, it is not taken away, and named.
            let held = try graphctl.shell(
                """
                unshare --mount --propagation private sleep 60 & sleep 0.3
                graphctl loop-image detach; echo $?
                kill -KILL $!; wait $! 2>/dev/null; sleep 0.3; graphctl loop-image detach; echo $?
                """)
            #expect(held.lines == ["1", "0"], "\(held.error)")
            #expect(held.error.contains("mount namespaces of processes"))
        }
    }
}
