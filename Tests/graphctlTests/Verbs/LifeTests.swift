// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// The life of layers, by commands.
@Suite(.usable("overlay")) struct LifeTests {
    @Test func `a layer is applied, changed, shown, committed and removed`() throws {
        try CommandRunner.with { graphctl in
            let base = try graphctl("apply", try graphctl.tar("base").string)
            #expect(base.status == 0, "\(base.error)")
            let parent = try #require(base.lines.first)
            #expect(parent.count == 64)

            #expect(try graphctl("create", "--id", "web", "--parent", parent).output == "web\n")
            let mount = try graphctl("mount", "web")
            #expect(mount.status == 0, "\(mount.error)")
            let place = FilePath(try #require(mount.lines.first))
            try place.appending("new").write("new\n")
            try place.appending("base").remove()
            #expect(try graphctl("changes", "web").lines == ["D /base", "A /new"])
            #expect(try graphctl("unmount", "web").output == mount.output)

            #expect(try graphctl("commit", "web", "--id", "web-1").output == "web-1\n")
            #expect(try graphctl("ls", "-q").lines == [parent, "web-1"])
            #expect(try graphctl("rm", parent, "web-1").lines == ["web-1", parent])
            #expect(try graphctl("ls", "-q").output.isEmpty)
            let check = try graphctl("check", "--deep")
            #expect(check.status == 0 && check.output.isEmpty, "\(check.output)\(check.error)")
        }
    }

    @Test func `mounts are counted, and taken away by layer or by path`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "a")
            let target = graphctl.directory.appending("target")
            try target.makeDirectory()
            #expect(try graphctl("mount", "a", target.string).lines == [target.string])
            #expect(
                try graphctl("mount", "a", target.string, "--json").object["count"] as? Int == 2)
            #expect(try graphctl("rm", "a").status == 1)
            #expect(try graphctl("unmount", target.string).status == 0)
            // Relative, and without a slash: no layer is called so.
            #expect(try graphctl("unmount", "target").lines == [target.string])
            #expect(try graphctl("unmount", target.string).status == 1)
            #expect(try graphctl("rm", "a").status == 0)
        }
    }

    @Test func `a view shows a committed layer`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            #expect(try graphctl("mount", "base").status == 1)
            #expect(try graphctl("view", "--parent", "base", "--id", "v").output == "v\n")
            let place = FilePath(try #require(try graphctl("mount", "v").lines.first))
            #expect(try place.appending("base").readText() == "content")
            #expect(throws: SyscallError.self) { try place.appending("new").write("") }
            #expect(try graphctl("unmount", "v").status == 0)
        }
    }

    @Test func `rm tries every layer, and names what holds those that stay`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("one")
            try graphctl.apply("two", parent: "one")
            try graphctl.apply("other")
            let result = try graphctl("rm", "one", "none", "other")
            #expect(result.status == 1)
            #expect(result.lines == ["other"])
            let errors = result.error.split(separator: "\n")
            #expect(errors.count == 2)
            #expect(errors.contains { $0.hasPrefix("graphctl: rm one: ") && $0.contains("two") })
            #expect(errors.contains { $0.hasPrefix("graphctl: rm none: ") })
            #expect(try graphctl("ls", "-q").lines == ["one", "two"])
        }
    }

    @Test func `the space of removed layers is freed, unless that is left to gc`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("one")
            try graphctl.apply("two")
            #expect(try graphctl("rm", "one").status == 0)
            #expect(try graphctl("gc", "--dry-run").output.isEmpty)
            #expect(try graphctl("rm", "two", "--no-reclaim").status == 0)
            #expect(try graphctl("gc", "--dry-run").output.contains("trash"))
            #expect(try graphctl("gc").output.contains("trash"))
            #expect(try graphctl("gc").output.isEmpty)
        }
    }

    @Test func `labels are set, filtered by and removed`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "a", "--label", "color=blue", "--label", "x=")
            _ = try graphctl("create", "--id", "b", "--label", "color=red")
            #expect(try graphctl("ls", "-q", "--filter", "color").lines == ["a", "b"])
            #expect(try graphctl("ls", "-q", "--filter", "color=red").lines == ["b"])
            #expect(try graphctl("label", "b", "--remove", "color", "size=big=huge").status == 0)
            let labels = try graphctl("inspect", "b").object["labels"] as? [String: String]
            #expect(labels == ["size": "big=huge"])
            #expect(try graphctl("label", "b", "empty=").status == 0)
            let after = try graphctl("inspect", "b").object["labels"] as? [String: String]
            #expect(after == ["size": "big=huge", "empty": ""])
        }
    }

    @Test func `a layer may have files copied up when it is made`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            let made = try graphctl("create", "--id", "a", "--parent", "base", "--copy-up", "/base")
            #expect(made.output == "a\n" && made.status == 0, "\(made.error)")
            let own = try graphctl("usage", "a", "--json").object["own"] as? [String: Int]
            #expect(own?["inodes"] == 2)
            #expect(try graphctl("changes", "a").output.isEmpty)
            // All or nothing.
            let refused = try graphctl(
                "create", "--id", "b", "--parent", "base", "--copy-up", "/base", "--copy-up", "/no")
            #expect(refused.status == 1 && refused.error.contains("/no"))
            #expect(try graphctl("ls", "-q").lines == ["base", "a"])
        }
    }
}
