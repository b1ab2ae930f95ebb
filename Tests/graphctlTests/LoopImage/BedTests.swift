// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// A store with a filesystem of its own, as an operator sees it.
@Suite(.usable("overlay")) struct BedTests {
    private static let isPossible: ConditionTrait = .enabled(
        if: Machine.isRoot, "a bed needs loop devices")

    @Test(
        arguments: [
            ["init", "--bed", "xfs-image"], ["init", "--size", "1G"],
            ["init", "--bed", "zfs", "--size", "1G"], ["bed"], ["bed", "status", "--size", "1G"],
            ["bed", "shrink"],
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
            #expect(try graphctl("bed", "status").status == 1)
            let info = try graphctl("info", "--json").object
            let capabilities = try #require(info["capabilities"] as? [String: Any])
            let warnings = try #require(info["warnings"] as? [String])
            let sharesBlocks = try #require(capabilities["reflink"] as? Bool)
            #expect(warnings.isEmpty == sharesBlocks)
            if sharesBlocks { return }
            #expect(warnings[0].contains("init --bed xfs-image"))
            #expect(warnings[0].contains("metacopy=on") != Machine.isInUserNamespace)
            #expect(try graphctl("info").lines.contains("warning: " + warnings[0]))
        }
    }

    @Test(isPossible) func `a bed is made, shown, grown and detached`() throws {
        try CommandRunner.with { graphctl in
            let made = try graphctl("init", "--bed", "xfs-image", "--size", "320M", "--json")
            #expect(made.status == 0, "\(made.error)")
            let bed = try #require(try made.object["bed"] as? [String: Any])
            #expect(bed["size"] as? Int == 320 << 20)
            #expect(bed["direct"] as? Bool == true)
            let info = try graphctl("info", "--json").object
            #expect(info["filesystem"] as? String == "xfs")
            #expect((info["warnings"] as? [String])?.isEmpty == true)
            #expect((info["bed"] as? [String: Any])?["image"] as? String == bed["image"] as? String)
            let grown = try graphctl("bed", "grow", "--size", "400M", "--json")
            #expect(try grown.object["size"] as? Int == 400 << 20)
            #expect(try graphctl("bed", "grow", "--size", "350M").status == 1)
            try graphctl.apply("base")
            #expect(try graphctl("create", "--id", "box", "--parent", "base").status == 0)
            #expect(try graphctl("mount", "box").status == 0)
            let refused = try graphctl("bed", "detach", "--json")
            #expect(try refused.object["code"] as? String == "layerInUse")
            #expect(try graphctl("unmount", "box").status == 0)
            #expect(try graphctl("bed", "detach").status == 0)
            #expect(try graphctl("bed", "status").lines.contains("bed device: not attached here"))
            #expect(try graphctl("ls", "-q").lines == ["base", "box"])
            #expect(try graphctl("check", "--deep").output.isEmpty)
            #expect(try graphctl("probe").lines.contains("overlay: usable"))
        }
    }

    @Test(isPossible) func `a bed is one filesystem in all mount namespaces`() throws {
        try CommandRunner.with { graphctl in
            #expect(
                try graphctl("init", "--bed", "xfs-image", "--size", "320M").status == 0)
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
                graphctl bed detach; echo $?
                kill -KILL $!; wait $! 2>/dev/null; sleep 0.3; graphctl bed detach; echo $?
                """)
            #expect(held.lines == ["1", "0"], "\(held.error)")
            #expect(held.error.contains("mount namespaces of processes"))
        }
    }
}
