// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

extension BreakoutCase {
    /// What Docker's tests of its archives try, which containers-storage has as well.
    static let docker: [BreakoutCase] = [
        BreakoutCase(
            "a file named above the root", ["../victim/dotdot = x"], gives: ["victim/dotdot = x"]),
        BreakoutCase(
            "a file named absolutely above the root", ["/../victim/dotdot = x"],
            gives: ["victim/dotdot = x"]),
        BreakoutCase(
            "a hard link above the root", ["dotdot == ../victim/hello"], refused: "names"),
        BreakoutCase(
            "an absolute hard link above the root", ["dotdot == /../victim/hello"],
            refused: "names"),
        BreakoutCase(
            "a file behind a hard link to a directory",
            ["loophole == ../victim", "loophole/file = x"], refused: "names"),
        BreakoutCase(
            "a link through a hard link to a directory",
            ["loophole == ../victim", "symlink -> loophole/hello"], refused: "names"),
        BreakoutCase(
            "a hard link through a hard link to a directory",
            ["loophole == ../victim", "hardlink == loophole/hello"], refused: "names"),
        BreakoutCase(
            "a file in place of a hard link to a directory",
            ["loophole == ../victim", "loophole = x"], refused: "names"),
        BreakoutCase(
            "a link above the root", ["dotdot -> ../victim/hello"],
            gives: ["dotdot -> ../victim/hello"]),
        BreakoutCase(
            "an absolute link above the root", ["dotdot -> /../victim/hello"],
            gives: ["dotdot -> /../victim/hello"]),
        BreakoutCase(
            "a file behind a link above the root",
            ["loophole -> ../victim", "loophole/file = x"],
            gives: ["loophole -> ../victim", "victim/file = x"]),
        BreakoutCase(
            "a link through a link above the root",
            ["loophole -> ../victim", "symlink -> loophole/hello"],
            gives: ["loophole -> ../victim", "symlink -> loophole/hello"]),
        BreakoutCase(
            "a hard link through a link above the root",
            ["loophole -> ../victim", "hardlink == loophole/hello"], refused: "names"),
        BreakoutCase(
            "a file in place of a link above the root", ["loophole -> ../victim", "loophole = x"],
            gives: ["loophole = x"]),
        BreakoutCase(
            "a file in a new directory behind a link above the root",
            ["dir/loophole -> ../../victim", "dir/loophole/newdir/newfile = x"],
            gives: ["dir/loophole -> ../../victim", "victim/newdir/newfile = x"]),
        BreakoutCase(
            "a hard link to a link to what comes later",
            ["symlink1 -> regfile", "symlink2 == symlink1", "regfile = x"],
            gives: ["regfile = x", "symlink1 -> regfile", "symlink2 == symlink1"]),
    ]

    /// What umoci's tests of its unpacking try.
    static let umoci =
        climbing + hiding + [
            BreakoutCase(
                "a file in directories that nobody names", ["a/b/c/file = x"],
                gives: ["a/b/c/file = x"]),
            BreakoutCase(
                "a file below a file", ["nondir = x", "nondir/foo/bar/baz = y"],
                gives: ["nondir/foo/bar/baz = y"]),
            BreakoutCase(
                "a file below a file of the layer below", above: ["nondir = x"],
                ["nondir/foo/bar/baz = y"], gives: ["nondir/foo/bar/baz = y"]),
            BreakoutCase(
                "a file behind a link through a file, and out of it again",
                ["nondir = x", "link -> nondir/nowhere/../../to", "link/file = y"],
                gives: ["link -> nondir/nowhere/../../to", "nondir = x", "to/file = y"]),
            BreakoutCase(
                "a deletion behind a link through what is not there, and out of it again",
                above: ["link -> nowhere/../to", "to/file = x", "to/other = x"],
                ["link/.wh.file"], gives: ["link -> nowhere/../to", "to/other = x"]),
        ]

    /// Names and links that begin with all that leads upwards.
    private static let climbing: [BreakoutCase] =
        ["/..", ".."].map { prefix in
            BreakoutCase("a file in \(prefix)", ["\(prefix)/file = x"], gives: ["file = x"])
        }
        + ["/", "/../", "/../../../../../../../", "/./.././.././.././.././../", ".."].map { way in
            BreakoutCase(
                "a file behind a link to \(way)", above: ["link -> \(way)"], ["link/file = x"],
                gives: ["file = x", "link -> \(way)"])
        }

    /// Directories that hide all of the layer below, told behind what the layer itself has there.
    private static let hiding: [BreakoutCase] = [
        BreakoutCase(
            "hiding a directory's files, but for the layer's own links",
            above: ["d/file = x", "d/fifo |", "d/link -> nowhere"],
            ["d/link -> ..", "d/badlink -> ./nothing", "d/.wh..wh..opq"],
            gives: ["d/badlink -> ./nothing", "d/link -> .."]),
        BreakoutCase(
            "hiding all that a directory has",
            above: ["d/file = x", "d/link -> ..", "d/a/file = x", "d/a/b/c/file = x", "d/fifo |"],
            ["d/.wh..wh..opq"], gives: ["d/"]),
        BreakoutCase(
            "hiding a directory with another in it that the layer has as well",
            above: ["d/link -> ..", "d/dir/link -> ../badlink", "d/dir/old -> /../../etc/shadow"],
            [
                "d/file = x", "d/dir/", "d/dir/file = x", "d/dir/new -> ../../../etc/shadow",
                "d/.wh..wh..opq",
            ],
            gives: ["d/dir/file = x", "d/dir/new -> ../../../etc/shadow", "d/file = x"]),
        BreakoutCase(
            "hiding directories far down",
            above: [
                "d/1_link -> ..", "d/1a/2_file = x", "d/1a/2a/3_fileA = x", "d/1a/2a/3_fileB = x",
                "d/1a/2b/3_fileB = x", "d/1a/2b/3/4/", "d/1b/2_fileA = x", "d/1b/2/3_file = x",
            ],
            [
                "d/1_file = x", "d/1a/", "d/1a/2_link -> ../../../", "d/1a/2b/",
                "d/1a/2b/3_fileA = x", "d/1a/2b/3_fileA = y", "d/.wh..wh..opq",
            ],
            gives: ["d/1_file = x", "d/1a/2_link -> ../../../", "d/1a/2b/3_fileA = y"]),
        BreakoutCase(
            "hiding directories on the way to what the layer has",
            above: ["d/some/dir/old = x", "d/another/dir/somewhere = x"],
            ["d/some/dir/somewhere = x", "d/.wh..wh..opq"], gives: ["d/some/dir/somewhere = x"]),
        BreakoutCase(
            "deleting names that the layer has as well, before and behind them",
            above: ["d/fileA = old", "d/fileB = old", "d/fileC = old"],
            ["d/.wh.fileB", "d/fileA = x", "d/fileB = x", "d/.wh.fileA", "d/.wh.fileC"],
            gives: ["d/fileA = x", "d/fileB = x"]),
        BreakoutCase(
            "deleting directories that the layer has as well, before and behind them",
            above: ["d/file = x", "d/dir1/link -> ../badlink", "d/dir2/link -> ../badlink"],
            [
                "d/.wh.dir2", "d/dir1/", "d/dir1/file = x", "d/.wh.dir1", "d/dir2/",
                "d/dir2/file = x", "d/.wh..wh..opq",
            ],
            gives: ["d/dir1/file = x", "d/dir2/file = x"]),
    ]
}
