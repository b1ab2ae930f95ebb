// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Foundation
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the command prints.
@Suite(.usable("overlay")) struct OutputTests {
    /// The keys of an object, in order, to be compared with what is documented.
    private static func keys(_ value: Any?) -> [String] {
        (value as? [String: Any])?.keys.sorted() ?? []
    }

    private static let layerKeys = [
        "chain_id", "content_digest", "created", "depth", "diff_bytes", "diff_id", "durability",
        "id", "kind", "labels", "limits", "name", "number", "parent", "recipe_bytes",
        "updated", "usage",
    ]

    @Test func `JSON has the documented names`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("base")
            let layer = try graphctl("create", "--id", "a", "--parent", "base", "--json").object
            #expect(Self.keys(layer) == Self.layerKeys)
            #expect(layer["parent"] as? String == "base")
            #expect(layer["diff_id"] is NSNull)
            let whole = try graphctl("inspect", "base").object
            #expect(
                Self.keys(whole)
                    == (Self.layerKeys + ["chain", "children", "images", "mounts"]).sorted())
            #expect(whole["children"] as? [String] == ["a"])
            #expect((whole["diff_id"] as? String)?.hasPrefix("sha256:") == true)
            let time = try #require(whole["created"] as? String)
            #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/) != nil)
            let list = try #require(try graphctl("ls", "--json").json as? [[String: Any]])
            #expect(list.map { Self.keys($0) } == [Self.layerKeys, Self.layerKeys])

            let mount = try graphctl("mount", "a", "--json").object
            #expect(Self.keys(mount) == ["count", "id", "path"])
            _ = try graphctl("unmount", "a")
            #expect(Self.keys(try graphctl("usage", "a", "--json").object) == ["own", "total"])
            let usage = try graphctl("df", "--json").object
            #expect(Self.keys(usage) == ["filesystem", "layers", "used"])
            #expect(
                Self.keys(usage["filesystem"])
                    == ["available_bytes", "bytes", "free_inodes", "inodes"])
            #expect(
                Self.keys(try graphctl("info", "--json").object) == [
                    "bed", "capabilities", "driver", "durability", "filesystem", "format_version",
                    "layers", "libraries", "read_only", "root", "run_root", "store_id", "warnings",
                ])
            let libraries = try #require(
                try graphctl("info", "--json").object["libraries"] as? [String: Any])
            #expect(
                libraries.keys.sorted() == [
                    "bzip2", "isa-l", "libbtrfsutil", "libdevmapper", "liblzma", "sqlite", "zstd",
                ])
            for (name, version) in libraries {
                #expect(
                    (version as? String)?.firstMatch(of: /^\d+\.\d+/) != nil, "\(name): \(version)")
            }
            #expect(Self.keys(try graphctl("check", "--json").object) == ["findings"])
            #expect(try graphctl("rm", "a", "--json").object["removed"] as? [String] == ["a"])
        }
    }

    @Test func `keys are sorted`() throws {
        try CommandRunner.with { graphctl in
            let result = try graphctl("create", "--id", "a", "--json")
            let keys = result.lines.filter { $0.hasPrefix("  \"") }
            #expect(keys == keys.sorted() && keys.count == Self.layerKeys.count)
        }
    }

    @Test func `changes tell names that are no text`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "a")
            let place = try #require(try graphctl("mount", "a").lines.first)
            let made = try graphctl.shell(
                "cd \(place) && touch $'tab\\there' $'line\\nend' $'latin\\xe9' 'quote\"\\'")
            #expect(made.status == 0, "\(made.error)")
            _ = try graphctl("unmount", "a")
            let text = try graphctl("changes", "a").lines.sorted()
            #expect(text.contains("A /tab\\011here") && text.contains("A /line\\012end"))
            #expect(text.count == 4)
            let list = try #require(
                try graphctl("changes", "a", "--json").json as? [[String: String]])
            let paths = list.compactMap { $0["path"] }
            #expect(paths.contains("/tab\there") && paths.contains("/quote\"\\"))
            #expect(list.compactMap { $0["path_hex"] } == ["2f6c6174696ee9"])
        }
    }

    @Test func `the tree shows what stands on what`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("one")
            try graphctl.apply("two", parent: "one")
            try graphctl.apply("three", parent: "one")
            _ = try graphctl("create", "--id", "four", "--parent", "two")
            let lines = try graphctl("tree").lines
            let starts = ["one  committed", "├── two  ", "│   └── four  active", "└── three  "]
            #expect(lines.count == starts.count)
            for (line, start) in zip(lines, starts) {
                #expect(line.hasPrefix(start))
            }
            let forest = try #require(try graphctl("tree", "--json").json as? [[String: Any]])
            let children = try #require(forest[0]["children"] as? [[String: Any]])
            #expect(children.compactMap { $0["id"] as? String } == ["two", "three"])
        }
    }

    @Test func `check ends with 2 when data are lost`() throws {
        try CommandRunner.with { graphctl in
            try graphctl.apply("one")
            let number = try #require(try graphctl("inspect", "one").object["number"] as? Int)
            try graphctl.root.appending("overlay").appending(String(number)).remove()
            let result = try graphctl("check", "--json")
            #expect(result.status == 2, "\(result.output)\(result.error)")
            let findings = try result.object["findings"] as? [[String: Any]]
            #expect(findings?.contains { $0["kind"] as? String == "layer_missing" } == true)
            #expect(
                findings?.allSatisfy {
                    Self.keys($0) == ["bytes", "damage", "kind", "message", "subject"]
                } == true)
        }
    }

    @Test func `check ends with 2 when the database is none`() throws {
        try CommandRunner.with { graphctl in
            _ = try graphctl("create", "--id", "a")
            for name in ["graph.db-wal", "graph.db-shm"] {
                let path = graphctl.root.appending(name)
                if try path.exists { try path.remove() }
            }
            try graphctl.root.appending("graph.db").write(String(repeating: "none", count: 3000))
            let result = try graphctl("check", "--json")
            #expect(result.status == 2, "\(result.error)")
            let findings = try result.object["findings"] as? [[String: Any]]
            #expect(findings?.compactMap { $0["kind"] as? String } == ["database_damaged"])
            let list = try graphctl("ls", "--json")
            #expect(list.status == 1)
            #expect(try list.object["code"] as? String == "storeDamaged")
        }
    }

    @Test func `probe tells each requirement, and leaves nothing`() throws {
        try CommandRunner.with { graphctl in
            let place = graphctl.directory.appending("deep").appending("er")
            let result = try graphctl("probe", "--root", place.string, "--json")
            #expect(result.status == 0, "\(result.error)")
            let drivers = try #require(try result.object["drivers"] as? [[String: Any]])
            #expect(drivers.compactMap { $0["name"] as? String } == DriverUnderTest.all.map(\.name))
            #expect(try result.object["automatic_choice"] as? String == "overlay")
            #expect(try graphctl.directory.names.isEmpty)
            #expect(try graphctl("probe", "--driver", "none").status == 1)
            let one = try graphctl("probe", "--driver", "vfs")
            #expect(one.lines.contains("vfs: usable") && !one.output.contains("\noverlay"))
        }
    }

    @Test func `a library that is missing is named with its package, and hinders no other driver`()
        throws
    {
        try CommandRunner.with { graphctl in
            let packages = ["btrfs": "libbtrfsutil1", "devicemapper": "libdevmapper1.02.1"]
            for (driver, package) in packages {
                let library = driver == "btrfs" ? "libbtrfsutil.so.1" : "libdevmapper.so.1.02.1"
                // Where the linker looks there is an empty file instead, in this namespace alone.
                let result = try graphctl.shell(
                    """
                    path=$(/sbin/ldconfig -p | awk '$1 == "\(library)" { print $NF; exit }')
                    unshare --mount --propagation private sh -ec \
                        'mount --bind /dev/null "$1"; shift; exec "$@"' sh "$path" graphctl probe --json
                    """)
                #expect(result.status == 0, "\(result.error)")
                let drivers = try #require(try result.object["drivers"] as? [[String: Any]])
                let refused = try #require(drivers.first { $0["name"] as? String == driver })
                #expect("\(refused)".contains("package \(package) brings it"))
                #expect(try result.object["automatic_choice"] as? String == "overlay")
            }
        }
    }
}
