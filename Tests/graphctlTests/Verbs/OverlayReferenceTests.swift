// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// The life of layers that refer to their parents, by commands that know it and commands that do not.
@Suite(
    .usable("overlay"),
    .enabled(if: !Machine.isInUserNamespace, "overlayfs has neither in a user namespace"))
struct OverlayReferenceTests {
    /// A base with a directory, and an active layer that has renamed it and changed a mode.
    private func make(_ graphctl: CommandRunner) throws {
        let option = ["--storage-opt", "overlay.metacopy=on"]
        let script = """
            set -e
            graphctl create --id base
            place=$(graphctl mount base)
            mkdir "$place/old"; echo data >"$place/old/file"; echo content >"$place/mode"
            graphctl unmount base; graphctl commit base
            graphctl create --id web --parent base
            place=$(graphctl mount web \(option.joined(separator: " ")))
            mv "$place/old" "$place/new"; chmod 600 "$place/mode"
            graphctl unmount web
            """
        let made = try graphctl.shell(script)
        try #require(made.status == 0, "\(made.error)")
    }

    @Test func `a committed layer is checked, built on and given back without the option`() throws {
        try CommandRunner.with { graphctl in
            try make(graphctl)
            let changes = ["M /mode", "A /new", "A /new/file", "D /old"]
            #expect(try graphctl("changes", "web").lines == changes)
            #expect(try graphctl("commit", "web").status == 0)
            #expect(try graphctl("changes", "web").lines == changes)
            let check = try graphctl("check", "--deep")
            #expect(check.status == 0 && check.output.isEmpty, "\(check.output)\(check.error)")

            #expect(try graphctl("create", "--id", "child", "--parent", "web").status == 0)
            let place = FilePath(try #require(try graphctl("mount", "child").lines.first))
            #expect(try place.appending("mode").readText() == "content\n")
            #expect(try place.appending("new").appending("file").readText() == "data\n")
            #expect(try graphctl("unmount", "child").status == 0)

            let tar = graphctl.directory.appending("web.tar")
            #expect(try graphctl("diff", "web", "-o", tar.string).status == 0)
            let applied = try graphctl("apply", "--id", "copy", "--parent", "base", tar.string)
            #expect(applied.status == 0, "\(applied.error)")
            #expect(try graphctl("changes", "copy", "--from", "web").output.isEmpty)
        }
    }

    @Test func `a redirect that was changed behind the store's back is found`() throws {
        try CommandRunner.with { graphctl in
            try make(graphctl)
            #expect(try graphctl("commit", "web").status == 0)
            let diff = try Directory(opening: graphctl.root.appending("overlay/2/diff"))
            func redirect(to value: String) throws {
                try diff.attributes(of: "new").set(
                    ExtendedAttribute(name: "trusted.overlay.redirect", value: Array(value.utf8)))
            }
            try redirect(to: "nowhere")
            let check = try graphctl("check", "--deep")
            #expect(check.status == 2)
            #expect(check.output.contains("web"), "\(check.output)")
            try redirect(to: "/../../old")
            let changes = try graphctl("changes", "web", "--json")
            #expect(changes.status == 1)
            #expect(try changes.object["code"] as? String == "storeDamaged")
            #expect(try graphctl("check", "--deep").status == 2)
        }
    }
}
