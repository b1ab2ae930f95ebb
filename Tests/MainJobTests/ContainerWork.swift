// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphTestSupport
import SystemPackage

/// What a container does to its tree: shell scripts that run with the tree as working directory.
enum ContainerWork {
    /// A bit of everything that files and directories can go through.
    ///
    /// No name that is a hard link of the image is written through, since overlayfs separates such
    /// names. Every time that comes from the clock is replaced at the end, so that the same work
    /// gives the same tree everywhere.
    static let everything = """
        marker=$1
        # Contents: appended, truncated, overwritten; the last with its size and time as before.
        echo appended >>etc/motd
        truncate -s 10 usr/share/common-licenses/Artistic
        truncate -s 4321 etc/issue.net
        printf 'new content' >etc/debian_version
        before=$(stat -c %.9Y usr/share/common-licenses/BSD)
        printf X | dd of=usr/share/common-licenses/BSD bs=1 seek=7 conv=notrunc status=none
        touch -d "@$before" usr/share/common-licenses/BSD
        # Attributes alone.
        chmod 0600 etc/host.conf
        chmod 4711 usr/bin/id
        chown 12:34 etc/subuid
        chown -h 56:78 bin
        touch -d '2001-02-03 04:05:06.000000007 UTC' etc/subgid
        setfattr -n user.note -v 'of a file' etc/profile
        setfattr -x user.graph.origin etc/profile etc/hostname || true
        setfattr -n user.note -v 'of a directory' var/cache
        chmod 0700 var/cache/apt
        touch -d '2001-02-03 04:05:06 UTC' usr/share/doc
        # New things of every type.
        mkdir -p opt/app/bin opt/app/empty
        chmod 1777 opt/app/empty
        chown 1000:1000 opt/app
        printf '#!/bin/sh\\n' >opt/app/bin/run
        chmod 0755 opt/app/bin/run
        setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 opt/app/bin/run
        ln -s ../../../bin/sh opt/app/bin/sh
        ln -s /nowhere/at/all opt/app/bin/dangling
        mkfifo -m 0620 opt/app/queue
        mknod -m 0666 opt/app/null c 1 3
        mknod -m 0660 opt/app/disk b 7 99
        : >"opt/app/with
        a line end"
        : >'opt/app/-r é \\ "quoted"'
        long=$(printf 'n%.0s' $(seq 250))
        mkdir -p "opt/app/$long/$long/$long"
        echo deep >"opt/app/$long/$long/$long/$long"
        ln -s "/$long/$long" "opt/app/long link"
        # Hard links, to something new and to files of the image.
        echo shared >opt/app/first
        ln opt/app/first opt/app/second
        ln opt/app/first opt/app/bin/third
        ln etc/login.defs opt/app/login.defs
        ln -P etc/localtime opt/app/localtime
        # A file with holes.
        truncate -s 9M opt/app/sparse
        printf middle | dd of=opt/app/sparse bs=1 seek=5000001 conv=notrunc status=none
        # Deletions.
        rm etc/hostname lib64
        ln -s usr/lib64 lib64
        rm -r usr/share/perl5
        rm etc/os-release
        # One type becomes another.
        rm -r etc/site.d
        echo 'a file again' >etc/site.d
        rm etc/fstab
        mkdir etc/fstab
        echo inside >etc/fstab/inside
        rm srv
        mkdir srv
        echo served >srv/index
        rm -r media
        ln -s mnt media
        rm etc/shells
        ln -s passwd etc/shells
        # Deleted and made again: with other content, with the same names, empty.
        rm -r etc/skel
        mkdir -m 0750 etc/skel
        echo new >etc/skel/new
        cp -a etc/pam.d opt/app/pam.d
        rm -r etc/pam.d
        mkdir etc/pam.d
        cp -p opt/app/pam.d/other etc/pam.d/other
        echo changed >etc/pam.d/login
        rm -r etc/security
        mkdir etc/security
        # Renamed: directories of the image, a new one, a file.
        mv usr/share/ca-certificates usr/share/certificates
        mv etc/ssl etc/tls
        mkdir etc/ssl
        mkdir opt/old
        echo moved >opt/old/file
        mv opt/old opt/new
        mv etc/gai.conf etc/gai.moved
        # Made and gone again.
        echo gone >etc/gone
        rm etc/gone
        mkdir -p var/gone/deep
        rm -r var/gone
        find . -newer "$marker" -exec touch -h -d '2024-05-06 07:08:09.123456789 UTC' {} +
        """

    /// Work on hard links of the image, of which overlayfs separates what it copies.
    static let linkedNames = """
        echo appended >>usr/bin/unzip
        chmod 0700 usr/bin/perl
        """

    /// Runs a script in a tree.
    static func run(_ script: String, in tree: FilePath) throws {
        try withScratchRoot { scratch in
            let marker = scratch.appending("marker")
            try marker.write("")
            // Clocks of files advance in steps.
            let start = "sleep 0.05; cd \"$0\"\n"
            try runCommand(
                ListedEnvironment.script.string,
                ["machine", "bash", "-euc", start + script, tree.string, marker.string])
        }
    }

    /// Runs a program of the tree in it.
    static func chroot(_ tree: FilePath, _ command: String...) throws -> String {
        try runCommand(ListedEnvironment.script.string, ["tree=\(tree)"] + command)
    }
}
