// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem
import GraphTestSupport
import SystemPackage

/// The inputs of attacks, and a store with a few layers that is copied for each.
///
/// The store has `base`, committed; `box`, writable on it, with changes; and `eye`, a view of it.
struct Fixture {
    let directory: FilePath
    /// Where stores are made.
    let stores: FilePath

    var base: String { directory.appending("base.tar").string }
    var small: String { directory.appending("small.tar").string }
    var image: String { directory.appending("image").string }
    /// Where images are written.
    var exported: String { directory.appending("exported.tar").string }

    /// Lends the inputs, and a place for stores below ``testBase``.
    static func with<Value>(_ body: (Fixture) throws -> Value) throws -> Value {
        try withScratchRoot { directory in
            try runCommand("bash", ["-ec", inputs, "inputs", directory.string])
            return try body(Fixture(directory: directory, stores: testBase))
        }
    }

    /// Lends the inputs, and a place for stores in memory.
    ///
    /// A kill takes nothing from a disk that it would not take from memory, and nobody waits for
    /// what else has to be written to the disk.
    static func withMemory<Value>(_ body: (Fixture) throws -> Value) throws -> Value {
        try with { fixture in
            try withLoopFilesystem(type: .tmpfs, size: 256 << 20) { memory in
                try body(Fixture(directory: fixture.directory, stores: memory))
            }
        }
    }

    /// Lends an empty store; nothing of it is made yet.
    func withStore<Value>(
        _ driver: String, _ body: (AttackedStore) throws -> Value
    ) throws -> Value {
        let own = DriverUnderTest.all.first { $0.name == driver && $0.base != testBase }?.base
        return try withScratchRoot(below: own ?? stores) { scratch in
            defer {
                // A command that was killed may have left any of them, also read-only ones.
                if own != nil {
                    _ = try? runCommand("bash", ["-ec", Self.destroy, "", scratch.string])
                }
            }
            return try body(
                AttackedStore(
                    root: scratch.appending("root"), runRoot: scratch.appending("run"),
                    driver: driver))
        }
    }

    /// Destroys the subvolumes in a directory, those inside others first.
    private static let destroy = """
        findmnt -rno TARGET | grep "^$1/" | tac | xargs -r umount
        find "$1" -depth -type d -inum 256 -exec btrfs -q subvolume delete {} +
        """

    /// Makes the layers.
    func fill(_ store: AttackedStore) throws {
        try store.succeed("apply", "--id", "base", base)
        try store.succeed("create", "--id", "box", "--parent", "base")
        try store.succeed("view", "--id", "eye", "--parent", "base")
        let path = try store.succeed("mount", "box").split(separator: "\n").first.map(String.init)
        try runCommand("bash", ["-ec", Self.changes, "changes", path ?? ""])
        try store.succeed("unmount", "box")
    }

    /// Lends a copy of a store at rest.
    func withCopy<Value>(
        of store: AttackedStore, _ body: (AttackedStore) throws -> Value
    ) throws -> Value {
        try withStore(store.driver) { copy in
            for (from, to) in [(store.root, copy.root), (store.runRoot, copy.runRoot)]
            where try from.exists {
                try runCommand("bash", ["-ec", Self.copy, "copy", from.string, to.string])
            }
            return try body(copy)
        }
    }

    /// Copies a directory, in which subvolumes become snapshots.
    private static let copy = """
        # Subvolumes are filesystems to cp, and come out empty.
        cp -ax "$1" "$2"
        [ "$(stat -fc %T "$1")" = btrfs ] || exit 0
        find "$1" -type d -inum 256 | while read -r place; do
            option=
            [ "$(btrfs property get -ts "$place" ro)" = ro=false ] || option=-r
            rmdir "$2${place#"$1"}"
            btrfs -q subvolume snapshot $option "$place" "$2${place#"$1"}"
        done
        """

    private static let changes = """
        cd "$1"
        rm etc/hosts
        echo 'color = green' >> etc/site.conf
        mkdir run
        echo 4711 > run/pid
        rm -r gone
        """

    private static let inputs = """
        cd "$1"
        export LC_ALL=C
        pack() { tar --format=pax --xattrs --sort=name --mtime=@1700000000 -C "$1" -cf "$1.tar" .; }
        mkdir -p base/etc base/data/deep base/gone/below
        echo '127.0.0.1 localhost' > base/etc/hosts
        echo 'color = blue' > base/etc/site.conf
        ln base/etc/hosts base/etc/hosts.hard
        ln -s hosts base/etc/hosts.soft
        yes 'some forty bytes of a file in the base' | head -c 300000 > base/data/blob
        for n in 1 2 3 4 5 6; do echo $n > base/data/deep/$n; echo $n > base/gone/below/$n; done
        pack base
        mkdir -p small/etc small/gone small/data
        echo 'color = red' > small/etc/site.conf
        touch small/etc/.wh.hosts small/gone/.wh..wh..opq small/data/deep
        echo new > small/gone/new
        yes 'another line' | head -c 90000 > small/data/more
        ln small/data/more small/data/more.hard
        ln -s /data/more small/data/more.soft
        mkfifo small/data/pipe
        mknod small/data/null c 1 3
        setfattr -n user.origin -v small small/data/more
        chmod 4755 small/etc/site.conf
        chown 1000:1000 small/gone/new
        pack small
        umoci init --layout image
        umoci new --image image:latest
        umoci raw add-layer --image image:latest base.tar
        umoci raw add-layer --image image:latest small.tar
        """
}
