// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

extension LayerHistory {
    private static let base = """
        mkdir etc; echo 127.0.0.1 localhost >etc/hosts; ln etc/hosts etc/hosts.allow
        mkdir -p usr/local/lib home; printf '\\0\\0' >usr/local/lib/libnothing.so
        chmod 755 usr/local/lib/libnothing.so; mkdir -m 700 home/derek
        ln -s libnothing.so usr/local/lib/libnothing.so.2
        """
    private static let longer = "echo 127.0.0.1 localhost.localdomain >etc/hosts"

    /// What containerd's tests of whatever makes layers apply, one change after the other.
    static let containerdSuite = [
        LayerHistory(
            "files, a renamed directory, deletions, and a new beginning",
            scripts: base,
            """
            \(longer); echo /dev/sda1 >etc/fstab; chmod 600 etc/fstab
            : >etc/badfile; chmod 666 etc/badfile
            echo '#ZSH is just better' >home/derek/.zshrc; chmod 640 home/derek/.zshrc
            """,
            "rm etc/badfile; mv home/derek home/notderek", "rm -r usr etc/hosts.allow",
            """
            rm -r home; mkdir -p home; mkdir -m 700 home/derek
            echo '#not going away' >home/derek/.bashrc; chmod 640 home/derek/.bashrc
            ln etc/hosts etc/hosts.allow
            """),
        LayerHistory(
            "a directory that is deleted and made again",
            scripts: "mkdir -p test/somedir; mkdir -m 700 lib; : >lib/hidden",
            """
            touch test/a test/b; mkdir test/otherdir; : >test/otherdir/.empty
            rm -r lib; mkdir -m 700 lib; : >lib/not-hidden
            """,
            "rm -r test/a test/b test/otherdir; : >lib/newfile"),
        LayerHistory(
            "other contents and modes",
            scripts: """
                mkdir d1; mkdir -m 700 d2
                echo something >d1/f1; echo else >d1/f2; echo entirely >d1/f3
                """,
            """
            echo file content of a different length >d1/f1; chmod 664 d1/f1
            rm d1/f3; echo updated content >d1/f3; chmod 766 d1/f2; chmod 777 d2
            """),
        LayerHistory(
            "new files in directories of all modes",
            scripts: "mkdir -m 700 d1; mkdir -m 751 d2; mkdir -m 777 d3",
            "mkdir -m 700 d1/d; for f in d1/f d1/d/f d2/f d3/f; do echo irrelevant >$f; done"),
        LayerHistory(
            "files rewritten far down in directories of all modes",
            scripts: """
                mkdir -p d1/a/b/c d2/a/b/c; chmod 700 d1 d1/a d1/a/b d1/a/b/c
                chmod 751 d2 d2/a/b d2/a/b/c; echo content1 | tee d1/a/b/f >d2/a/b/f
                """,
            """
            echo content1 >d1/a/b/f; chmod 700 d1/a/b/c
            echo content2 >d2/a/b/f; chmod 751 d2/a/b/c
            """),
        LayerHistory(
            "one more name behind those of a file of a layer below",
            scripts: base, longer, "ln etc/hosts etc/hosts.deny"),
        LayerHistory(
            "one more name before those of a file of a layer below",
            scripts: base, longer, "ln etc/hosts etc/before-hosts"),
        LayerHistory(
            "one more name before that of a file made again",
            scripts: base, longer,
            "rm etc/hosts; echo 127.0.0.1 localhost >etc/hosts; ln etc/hosts etc/before-hosts"),
    ]

    /// What containerd's tests of its archives write diffs of and apply again.
    static let containerdLinks = [
        LayerHistory(
            "links that lead out of the layer",
            scripts: """
                \(base)
                ln -s ../other home/derek/other; ln -s ../../etc home/derek/etc
                ln -s up/../../other home/derek/updown; ln -s ../../../breakout home/derek/breakout
                ln -s ../../breakout breakout; ln -s etc/../../upandout upandout
                ln -s derek/../../../downandout home/breakout; ln -s /etc localetc
                """),
        LayerHistory(
            "links to a file, spelled otherwise",
            scripts: "mkdir bin; printf '\\0\\0' >bin/super; ln -s ../bin/super bin/other1",
            """
            rm bin/other1; ln -s /bin/super bin/other1; ln -s ../bin/super bin/other2
            ln -s super bin/other3
            """),
        LayerHistory(
            "links to an absolute link",
            scripts: """
                mkdir bin sbin; printf '\\0\\0' >sbin/super; ln -s /sbin/super bin/super
                ln -s ../bin/super bin/other1
                """,
            "rm bin/other1; ln -s /bin/super bin/other1; ln -s super bin/other2"),
        LayerHistory(
            "links to a relative link",
            scripts: """
                mkdir bin sbin; printf '\\0\\0' >sbin/super; ln -s ../sbin/super bin/super
                ln -s ../bin/super bin/other1
                """,
            "rm bin/other1; ln -s /bin/super bin/other1"),
        LayerHistory(
            "a link made again as it was",
            scripts: """
                mkdir bin; printf '\\0\\0' >bin/actual; ln -s actual bin/super
                ln -s ../bin/super bin/other1; ln -s super bin/other2
                """,
            "rm bin/other[12]; ln -s /bin/super bin/other1; ln -s super bin/other2"),
        LayerHistory(
            "a directory in place of a link",
            scripts: "mkdir bin; printf '\\0\\0' >bin/actual; ln -s actual bin/myapp",
            "rm bin/myapp; mkdir bin/myapp"),
    ]

    /// What containerd's tests of its diffs want to find in them.
    static let containerdDiffs = [
        LayerHistory("nothing new", [("mkdir etc", nil), (":", [])]),
        LayerHistory(
            "a file brings its directory along",
            [
                ("mkdir d1; mkdir -m 770 d2", nil),
                ("mkdir -m 700 d1/d; echo ok >d2/f", ["M /d1", "A /d1/d", "M /d2", "A /d2/f"]),
            ]),
        LayerHistory(
            "a new name brings all names of its file along, and their directories",
            [
                (
                    """
                    mkdir d1 d2 d3 d4 d5 d6; for d in d1 d2 d4 d5; do echo $d >$d/f1; done
                    ln d1/f1 d6/l1; ln d5/f1 d6/l2
                    """, nil
                ),
                (
                    "ln d1/f1 d2/l1; ln d4/f1 d3/l1; rm d6/l1 d6/l2",
                    [
                        "M /d1", "M /d1/f1", "M /d2", "A /d2/l1", "M /d3", "A /d3/l1", "M /d4",
                        "M /d4/f1", "M /d6", "D /d6/l1", "D /d6/l2",
                    ]
                ),
            ]),
        LayerHistory(
            "a directory's mode and what is new in it",
            [
                ("mkdir d1; mkdir -m 770 d2", nil),
                (
                    "chmod 777 d1; mkdir -m 700 d1/d; echo ok >d2/f",
                    ["M /d1", "A /d1/d", "M /d2", "A /d2/f"]
                ),
            ]),
        LayerHistory(
            "new names in directories that change by themselves",
            [
                (
                    "mkdir d1 d2 d3 d4; for d in d1 d2 d3; do echo $d >$d/f1; done", nil
                ),
                (
                    "chmod 777 d1; ln d1/f1 d2/l1; chmod 777 d4; ln d3/f1 d4/l1",
                    [
                        "M /d1", "M /d1/f1", "M /d2", "A /d2/l1", "M /d3", "M /d3/f1", "M /d4",
                        "A /d4/l1",
                    ]
                ),
            ]),
        LayerHistory(
            "a deletion brings its directory along",
            [
                (
                    "for n in 1 2 3 4 5; do mkdir d$n; echo content >d$n/f1; done; echo x >d2/f2",
                    nil
                ),
                (
                    """
                    rm d1/f1 d2/f1; chmod 777 d2/f2; rm d3/f1; echo content >d3/f2
                    rm d4/f1; echo content >d4/f0; rm -r d5
                    """,
                    [
                        "M /d1", "D /d1/f1", "M /d2", "D /d2/f1", "M /d2/f2", "M /d3",
                        "D /d3/f1", "A /d3/f2", "M /d4", "A /d4/f0", "D /d4/f1", "D /d5",
                    ]
                ),
            ]),
        LayerHistory(
            "deletions in a root that has no other change",
            [
                ("mkdir d1 d2; echo content >d2/f1", nil),
                ("rm -r d1 d2; mkdir d3", ["D /d1", "D /d2", "A /d3"]),
            ]),
        LayerHistory(
            "sockets are no part of a layer",
            [
                ("echo content >f1", nil),
                (
                    """
                    echo content | tee f2 >f3
                    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s0")'
                    """,
                    ["A /f2", "A /f3"]
                ),
            ]),
    ]
}
