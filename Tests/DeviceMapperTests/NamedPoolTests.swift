// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphDeviceMapper
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Pools that somebody else made.
@Suite(.serialized, .usable("devicemapper")) struct NamedPoolTests {
    /// Makes a loop device over a new sparse file of so many MiB; it goes away with its last user.
    private func device(_ name: String, _ size: Int, in directory: FilePath) throws -> BlockDevice {
        let file = try OwnedDescriptor.open(
            directory.appending(name), [.readWrite, .create], permissions: 0o600)
        try file.truncate(to: UInt64(size) << 20)
        return try LoopDevice.attach(file)
    }

    @Test func `a pool that dmsetup made is taken by its name, and is let be when the store goes`()
        throws
    {
        try withScratchRoot { directory in
            let data = try device("data", 512, in: directory)
            let metadata = try device("metadata", 8, in: directory)
            let pool = "test-pool-\(UInt32.random(in: .min ... .max))"
            let table = "0 1048576 thin-pool \(metadata.number) \(data.number) 256 0"
            try runCommand("dmsetup", ["create", pool, "--table", table])
            defer { _ = try? runCommand("dmsetup", ["remove", "--retry", pool]) }
            let options = ["dm.thinpooldev": "/dev/mapper/\(pool)"]
            try SmallPool.with(options) { store in
                let control = try SmallPool.control(store)
                #expect(control.name == pool)
                #expect(!control.isOnFiles)
                try store.build(1, durability: .durable) {
                    try SmallPool.write(4, to: $0.appending("file"))
                }
                let before = try control.status().dataBlocksUsed
                try store.create(2, parents: [1])
                try store.withTree(of: 2, parents: [1], writable: true) {
                    try $0.appending("more").write("y")
                }
                try store.driver.seal(2, parents: [1], durability: .durable)
                // Opened once more, without an option: the pool is in the store.
                let again = try SmallPool.reopen(store)
                #expect(try again.snapshot(of: 2, parents: [1]).paths == ["file", "more"])
                #expect(try again.driver.inventory().map(\.kind) == [.layer(1), .layer(2)])
                let refused = #expect(throws: DriverError.self) { try control.grow() }
                #expect(refused?.code == .unsupported)
                try again.driver.remove(2)
                try again.driver.reclaim(observer: .none)
                #expect(try control.status().dataBlocksUsed <= before)
                // Another store has to look for another pool.
                try SmallPool.subject.withRoot { root in
                    let error = #expect(throws: DriverError.self) {
                        try SmallPool.subject.open(root, options: options)
                    }
                    #expect(error?.code == .invalidArgument)
                }
                // Stopping takes the store's devices away and leaves the pool to its owner.
                try control.stop()
                #expect(try DeviceMapper().status(of: pool)?.isActive == true)
                try again.create(3, parents: [1])
            }
        }
    }

    @Test func `a pool of LVM is refused, whatever it holds`() throws {
        try withScratchRoot { directory in
            let disk = try device("disk", 256, in: directory)
            let group = "test\(UInt32.random(in: .min ... .max))"
            let words = [directory.string, disk.path.string, group]
            try runCommand("bash", ["-euc", Self.makeGroup] + words)
            defer { _ = try? runCommand("bash", ["-uc", Self.removeGroup] + words) }
            for name in ["pool", "used-tpool", "used", "volume"].map({ "\(group)-\($0)" }) {
                try SmallPool.subject.withRoot { root in
                    let error = #expect(throws: DriverError.self) {
                        try SmallPool.subject.open(root, options: ["dm.thinpooldev": name])
                    }
                    #expect(error?.code == .invalidArgument, "\(name)")
                    if !name.hasSuffix("pool") { return }
                    #expect(error?.message.contains("LVM") == true)
                }
            }
        }
    }

    /// Makes a pool without udev, and without a look at the machine's own devices and settings; then
    /// another one that has a volume, which LVM shows as NAME-tpool.
    private static let makeGroup = """
        export LVM_SYSTEM_DIR=$0/lvm
        mkdir "$0/lvm"
        cat >"$0/lvm/lvm.conf" <<END
        devices { filter=["a|^$1\\$|", "r|.*|"] use_devicesfile=0 obtain_device_list_from_udev=0 }
        activation { udev_sync=0 udev_rules=0 monitoring=0 }
        global { use_lvmpolld=0 locking_dir="$0/lvm" }
        backup { backup=0 archive=0 }
        END
        pvcreate -q -y "$1"
        vgcreate -q -y "$2" "$1"
        lvcreate -q -y -L 64M -T "$2/pool"
        lvcreate -q -y -L 64M -T "$2/used"
        lvcreate -q -y -V 32M -T "$2/used" -n volume
        """

    private static let removeGroup = "LVM_SYSTEM_DIR=$0/lvm vgremove -q -y -f $2"
}
