// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphTestSupport
import SystemPackage
import Testing

/// The commands about images.
@Suite(.usable("overlay")) struct ImageTests {
    /// Writes `app.tar`, a docker-archive of two layers, and `other.tar`, another image over the same.
    private static let archives = """
        set -e
        for n in 1 2; do echo $n >f$n; tar -cf l$n.tar f$n; done
        pack() {
            jq -cn --arg a "$1" --arg d1 sha256:$(sha256sum <l1.tar | cut -c 1-64) \\
                --arg d2 sha256:$(sha256sum <l2.tar | cut -c 1-64) \\
                '{author: $a, architecture: "amd64", os: "linux",
                  rootfs: {type: "layers", diff_ids: [$d1, $d2]}}' >c.json
            jq -n --arg t "$1:1" \\
                '[{Config: "c.json", RepoTags: [$t], Layers: ["l1.tar", "l2.tar"]}]' >manifest.json
            tar -cf $1.tar manifest.json c.json l1.tar l2.tar
        }
        pack app; pack other
        """

    private static func with(_ body: (CommandRunner) throws -> Void) throws {
        try CommandRunner.with { graphctl in
            let made = try graphctl.shell(archives)
            try #require(made.status == 0, "\(made.error)")
            try body(graphctl)
        }
    }

    @Test func `an import prints the image's id, and says what was there`() throws {
        try Self.with { graphctl in
            let first = try graphctl("import", "app.tar", "--json").object
            let keys = [
                "created", "existing", "has_configuration", "id", "layer_count", "manifests",
                "names", "platform", "top_layer", "updated", "usage", "warnings",
            ]
            #expect(first.keys.sorted() == keys)
            #expect(first["existing"] as? Bool == false)
            #expect(first["names"] as? [String] == ["app:1"])
            #expect(first["platform"] as? String == "linux/amd64")
            let again = try graphctl("import", "app.tar", "--name", "mine", "--json").object
            #expect(again["existing"] as? Bool == true)
            #expect(again["names"] as? [String] == ["app:1", "mine"])
            let id = try graphctl("import", "app.tar").lines[0]
            #expect(first["id"] as? String == "sha256:" + id)
            #expect(try graphctl("images", "-q").lines == [id])
            #expect(try graphctl("images").lines.count == 3)
            let inspected = try graphctl("inspect", "mine").object
            let configuration = try #require(inspected["configuration"] as? [String: Any])
            #expect(configuration["author"] as? String == "app")
            #expect((inspected["chain"] as? [String])?.count == 2)
            let top = try #require(first["top_layer"] as? String)
            let layer = try graphctl("inspect", top).object
            #expect(layer["images"] as? [String] == ["sha256:" + id])
        }
    }

    @Test func `an image's name stands for its topmost layer`() throws {
        try Self.with { graphctl in
            let id = try graphctl("import", "app.tar").lines[0]
            let top = try graphctl("inspect", id).object["top_layer"] as? String
            let words = ["app:1", id, String(id.prefix(20)), "sha256:" + id]
            for (number, word) in words.enumerated() {
                _ = try graphctl("create", "--id", "c\(number)", "--parent", word)
                #expect(try graphctl("inspect", "c\(number)").object["parent"] as? String == top)
                #expect(try graphctl("view", "--id", "v\(number)", "--parent", word).status == 0)
                #expect(try graphctl("usage", word).status == 0)
            }
            #expect(try graphctl("tag", "app:1", "registry.example/app:latest").status == 0)
            #expect(try graphctl("create", "--id", "short", "--parent", "app").status == 0)
            #expect(try graphctl("create", "--parent", "ap").status == 1)
            // A layer with that id comes first.
            _ = try graphctl("create", "--id", "app:1")
            #expect(try graphctl("inspect", "app:1").object["kind"] as? String == "active")
        }
    }

    @Test func `rm and rmi remove what was named, and what only that used`() throws {
        try Self.with { graphctl in
            let id = try graphctl("import", "app.tar").lines[0]
            let other = try graphctl("import", "other.tar").lines[0]
            let top = try graphctl("inspect", id).object["top_layer"] as? String ?? ""
            let refused = try graphctl("rm", top, "--json")
            #expect(refused.status == 1)
            #expect(try refused.object["code"] as? String == "layerInUse")
            #expect(refused.error.contains("app:1") && refused.error.contains("other:1"))
            // An image is none of layers', and the other way round.
            let unknown = try graphctl("rmi", top, "nothing", "--json")
            #expect(try unknown.object["code"] as? String == "imageNotFound")
            #expect(try graphctl("rm", "app:1").lines == ["untagged app:1", "image " + id])
            #expect(try graphctl("tag", "other:1", "one").status == 0)
            #expect(try graphctl("rmi", other).status == 1)
            #expect(try graphctl("rmi", "one").lines == ["untagged one"])
            #expect(try graphctl("untag", "other:1").status == 0)
            #expect(try graphctl("untag", "other:1").status == 1)
            _ = try graphctl("create", "--id", "box", "--parent", other)
            let removed = try graphctl("rmi", other, "--json").object
            #expect(removed["images"] as? [String] == ["sha256:" + other])
            #expect(removed["removed"] as? [String] == [])
            #expect(try graphctl("rm", "box").status == 0)
            // What a container had used is there, and is found again.
            #expect(
                try graphctl("import", "app.tar", "--json").object["existing"] as? Bool == false)
            let all = try graphctl("rmi", "app:1", "--json").object
            #expect((all["removed"] as? [String])?.count == 2)
            #expect(try graphctl("ls", "-q").output == "")
            #expect(try graphctl("check", "--deep").output == "")
        }
    }

    @Test func `wrong calls of export are usage, and make nothing`() throws {
        try Self.with { graphctl in
            _ = try graphctl("import", "app.tar")
            for words in [
                ["app:1"], ["oci:out"], ["app:1", "out"], ["app:1", "dir:out"], ["app:1", "oci:"],
                ["--layer", "x", "a", "b", "oci:out"],
            ] {
                let line = "graphctl export \(words.joined(separator: " "))"
                #expect(try graphctl.shell(line).status == 64, "\(line)")
            }
            let line =
                "graphctl export app:1 other oci:out || graphctl export app:1 app:1 oci:out:x"
            #expect(try graphctl.shell(line).status == 1)
            let time = try graphctl(
                "export", "app:1", "oci:out", variables: ["SOURCE_DATE_EPOCH": "soon"])
            #expect(time.status == 1)
            #expect(try !graphctl.directory.appending("out").exists)
            let made = try graphctl("export", "app:1", "oci-archive:a.tar", "--compress", "zstd")
            #expect(made.status == 0, "\(made.error)")
            let again = try graphctl(
                "export", "app:1", "oci-archive:b.tar", "--compress", "zstd",
                variables: ["SOURCE_DATE_EPOCH": "0"])
            #expect(again.lines == made.lines)
            #expect(try graphctl.shell("cmp a.tar b.tar").status == 0)
        }
    }
}
