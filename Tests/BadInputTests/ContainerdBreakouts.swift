// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

extension BreakoutCase {
    private static let account = ["0770 etc/", "/etc/passwd = inside"]
    private static let accountBelow = ["etc/", "etc/passwd = inside"]
    private static let usersBelow = ["etc/", "etc/passwd = all users"]

    /// What containerd's tests of its unpacking try.
    static let containerd = symbolicLinks + hardLinks + replaced + deletions + linkedLinks

    /// Members that lie behind a symbolic link.
    private static let symbolicLinks: [BreakoutCase] = [
        BreakoutCase(
            "a file behind an absolute link",
            ["etc/", "localetc -> /etc", "/localetc/unbroken = unbroken"],
            gives: ["etc/unbroken = unbroken", "localetc -> /etc"]),
        BreakoutCase(
            "a file behind a link that climbs out of a directory",
            ["etc/", "dummy/", "localetc -> /dummy/../etc", "/localetc/unbroken = unbroken"],
            gives: ["dummy/", "etc/unbroken = unbroken", "localetc -> /dummy/../etc"]),
        BreakoutCase(
            "a file behind one of two links, one to the other",
            [
                "etc/", "dummy/", "/dummy/etc -> /etc", "localetc -> /dummy/etc",
                "/dummy/etc/unbroken = unbroken",
            ],
            gives: ["dummy/etc -> /etc", "etc/unbroken = unbroken", "localetc -> /dummy/etc"]),
        BreakoutCase(
            "a file behind one of two links, one relative to the other",
            [
                "etc/", "dummy/", "/dummy/etc -> /etc", "localetc -> ./dummy/etc",
                "/dummy/etc/unbroken = unbroken",
            ],
            gives: ["dummy/etc -> /etc", "etc/unbroken = unbroken", "localetc -> ./dummy/etc"]),
        BreakoutCase(
            "a file emptied behind a link",
            ["etc/", "etc/emptied = notempty", "localetc -> /etc", "/localetc/emptied"],
            gives: ["etc/emptied", "localetc -> /etc"]),
        BreakoutCase(
            "a link named as the directory above the root",
            account + [
                ".. -> /etc/", "localpasswd == /etc/passwd",
            ], warning: "no directory: 1, first /",
            gives: ["0770 etc/", "etc/passwd = inside", "localpasswd == etc/passwd"]),
        BreakoutCase(
            "a link without a name", account + [" -> /etc/", "localpasswd == /etc/passwd"],
            warning: "no directory: 1, first /",
            gives: ["0770 etc/", "etc/passwd = inside", "localpasswd == etc/passwd"]),
        BreakoutCase(
            "a link named as the directory above another name",
            account + [
                "localetc/sub/.. -> /etc/", "/localetc/localpasswd == /etc/passwd",
            ],
            gives: [
                "0770 etc/", "etc/localpasswd = inside", "etc/passwd == etc/localpasswd",
                "localetc -> /etc/",
            ]),
    ]

    /// Hard links whose target lies behind a link, or above the root.
    private static let hardLinks: [BreakoutCase] = [
        BreakoutCase(
            "a hard link through a link that climbs",
            account + [
                "breakouts/", "breakouts/d1 -> ../../etc",
                "breakouts/mypasswd == /breakouts/d1/passwd",
            ],
            gives: [
                "0770 etc/", "breakouts/d1 -> ../../etc", "breakouts/mypasswd = inside",
                "etc/passwd == breakouts/mypasswd",
            ]),
        BreakoutCase(
            "a hard link through a link that climbs from another directory",
            account + [
                "breakouts/", "downandout/", "breakouts/d1 -> ../downandout/../../etc",
                "breakouts/mypasswd == /breakouts/d1/passwd",
            ],
            gives: [
                "0770 etc/", "breakouts/d1 -> ../downandout/../../etc",
                "breakouts/mypasswd = inside", "downandout/", "etc/passwd == breakouts/mypasswd",
            ]),
        BreakoutCase(
            "a hard link through an absolute link",
            account + [
                "localetc -> /etc", "localpasswd == /localetc/passwd",
            ],
            gives: [
                "0770 etc/", "etc/passwd = inside", "localetc -> /etc",
                "localpasswd == etc/passwd",
            ]),
        BreakoutCase(
            "a hard link through a link that climbs far",
            account + [
                "localetc -> ../../../../../../../etc", "localpasswd == /localetc/passwd",
            ],
            gives: [
                "0770 etc/", "etc/passwd = inside", "localetc -> ../../../../../../../etc",
                "localpasswd == etc/passwd",
            ]),
        BreakoutCase(
            "a hard link through a link that climbs out of what is not there",
            account + [
                "localetc -> upandout/../../../etc", "localpasswd == /localetc/passwd",
            ],
            gives: [
                "0770 etc/", "etc/passwd = inside", "localetc -> upandout/../../../etc",
                "localpasswd == etc/passwd",
            ]),
        BreakoutCase(
            "a hard link that climbs itself",
            account + [
                "localpasswd == ../../../../../etc/passwd"
            ],
            gives: ["0770 etc/", "etc/passwd = inside", "localpasswd == etc/passwd"]),
        BreakoutCase(
            "an absolute hard link", account + ["localpasswd == /etc/passwd"],
            gives: ["0770 etc/", "etc/passwd = inside", "localpasswd == etc/passwd"]),
        BreakoutCase(
            "a hard link in a directory named with a slash",
            account + [
                "0770 localetc/", "/localetc/localpasswd == /etc/passwd",
            ],
            gives: [
                "0770 etc/", "0770 localetc/", "etc/passwd = inside",
                "localetc/localpasswd == etc/passwd",
            ]),
    ]

    /// Directories of the layer below replaced by links, and links by directories.
    private static let replaced: [BreakoutCase] = [
        BreakoutCase(
            "a link in place of a directory, and a hard link through it",
            above: accountBelow + ["localetc/"],
            ["localetc -> /etc", "/localetc/localpasswd == /etc/passwd"],
            gives: [
                "etc/localpasswd = inside", "etc/passwd == etc/localpasswd", "localetc -> /etc",
            ]),
        BreakoutCase(
            "a link that climbs in place of a directory, and a hard link through it",
            above: accountBelow + ["localetc/"],
            ["localetc -> ../../etc", "/localetc/localpasswd == /etc/passwd"],
            gives: [
                "etc/localpasswd = inside", "etc/passwd == etc/localpasswd",
                "localetc -> ../../etc",
            ]),
        BreakoutCase(
            "a directory in place of a link, and a hard link in it",
            above: accountBelow + ["localetc -> /etc"],
            ["/localetc/", "/localetc/localpasswd == /etc/passwd"],
            gives: ["etc/passwd = inside", "localetc/localpasswd == etc/passwd"]),
        BreakoutCase(
            "a directory in place of a link, and a file with the name of a hard link behind it",
            above: accountBelow + ["localetc -> etc", "/localetc/localpasswd == /etc/passwd"],
            ["/localetc/", "/localetc/localpasswd = different"],
            gives: [
                "etc/localpasswd = inside", "etc/passwd == etc/localpasswd",
                "localetc/localpasswd = different",
            ]),
        BreakoutCase(
            "a directory that becomes a link to the root and a directory again",
            [
                "foo/", "foo/tmp/", "foo/tmp/breakout = first", "foo -> /",
                "foo/tmp/breakout = second", "foo/", "foo/tmp/", "foo/tmp/breakout = third",
            ],
            gives: ["foo/tmp/breakout = third", "tmp/breakout = second"]),
    ]

    private static let deletions: [BreakoutCase] = [
        BreakoutCase(
            "a deletion of what is above the root", above: accountBelow, [".wh..."],
            refused: "is not a valid whiteout: it names no file"),
        BreakoutCase(
            "a deletion of what is above a directory", above: accountBelow, ["etc/.wh..."],
            refused: "is not a valid whiteout: it names no file"),
        BreakoutCase(
            "a deletion of the root", above: accountBelow, [".wh.."],
            refused: "is not a valid whiteout: it names no file"),
        BreakoutCase(
            "a deletion of the directory that it is in", above: accountBelow, ["etc/.wh.."],
            refused: "is not a valid whiteout: it names no file"),
        BreakoutCase(
            "a deletion of a link", above: usersBelow + ["localetc -> /etc"], [".wh.localetc"],
            gives: ["etc/passwd = all users"]),
        BreakoutCase(
            "a deletion behind a link",
            above: usersBelow + ["etc/whitedout = ahhhh whiteout", "localetc -> /etc"],
            ["localetc/.wh.whitedout"],
            gives: ["etc/passwd = all users", "localetc -> /etc"]),
        BreakoutCase(
            "a file in a directory that is named as a deletion",
            above: usersBelow + ["etc/whitedout = ahhhh whiteout", "localetc -> /etc"],
            [".wh.etc/somefile = non-empty"],
            gives: [
                ".wh.etc/somefile = non-empty", "etc/passwd = all users",
                "etc/whitedout = ahhhh whiteout", "localetc -> /etc",
            ]),
        BreakoutCase(
            "a deletion behind a link to nothing", above: usersBelow + ["localetc -> /dne"],
            ["localetc/.wh.etc"],
            gives: ["etc/passwd = all users", "localetc -> /dne"]),
        BreakoutCase(
            "a deletion of a name behind one that is not there and `..`",
            above: usersBelow + ["localetc -> /dne"], ["dne/../.wh.etc"],
            gives: ["localetc -> /dne"]),
    ]

    /// Hard links to symbolic links: further names of the link itself.
    private static let linkedLinks: [BreakoutCase] = [
        BreakoutCase(
            "a hard link to a link to a file that comes later",
            [
                "0770 etc/", "localpasswd -> /etc/passwd", "localpasswd-dup == localpasswd",
                "/etc/passwd = after",
            ],
            gives: [
                "0770 etc/", "etc/passwd = after", "localpasswd -> /etc/passwd",
                "localpasswd-dup == localpasswd",
            ]),
        BreakoutCase(
            "a hard link to a link that climbs",
            account + [
                "passwdlink -> ../../../../../etc/passwd", "localpasswd == /passwdlink",
            ],
            gives: [
                "0770 etc/", "etc/passwd = inside", "localpasswd -> ../../../../../etc/passwd",
                "passwdlink == localpasswd",
            ]),
        BreakoutCase(
            "a hard link to an absolute link",
            account + [
                "passwdlink -> /etc/passwd", "localpasswd == /passwdlink",
            ],
            gives: [
                "0770 etc/", "etc/passwd = inside", "localpasswd -> /etc/passwd",
                "passwdlink == localpasswd",
            ]),
        BreakoutCase(
            "a hard link to a link to a file outside, whose mode it might change",
            ["@/old -> @/perm400", "zlink == @/old"],
            gives: ["%/old -> @/perm400", "zlink == %/old"]),
    ]
}
