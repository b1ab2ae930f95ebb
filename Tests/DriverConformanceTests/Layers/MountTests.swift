// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What every driver promises about `mounts`.
@Suite(.serialized) struct MountTests {
    @Test(arguments: DriverUnderTest.usable)
    func `an unknown layer is not found`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            for writable in [true, false] {
                let error = #expect(throws: DriverError.self) {
                    try store.driver.mounts(for: 404, parents: [], writable: writable)
                }
                #expect(error?.code == .layerNotFound)
                #expect(error?.message.contains("404") == true)
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `mounts are described and not made`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { _ in }
            try store.create(2, parents: [1])
            let before = Holdings.current(below: store.root)
            let mounts = try store.driver.mounts(for: 2, parents: [1], writable: true)
            #expect(!mounts.isEmpty)
            #expect(Holdings.current(below: store.root) == before)
            #expect(try store.driver.mounts(for: 2, parents: [1], writable: true) == mounts)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a layer mounted for reading refuses writing, alone and on a parent`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { try $0.appending("file").write("one") }
            try store.build(2, parents: [1]) { try $0.appending("file").write("two") }
            for (layer, parents) in [(1, []), (2, [1])] as [(LayerNumber, [LayerNumber])] {
                let mounts = try store.driver.mounts(for: layer, parents: parents, writable: false)
                #expect(mounts.allSatisfy { $0.isReadOnly })
                try store.withTree(of: layer, parents: parents) { root in
                    let error = #expect(throws: SyscallError.self) {
                        try root.appending("new").write("")
                    }
                    #expect(error?.errno == .readOnlyFileSystem)
                    #expect(throws: SyscallError.self) { try root.appending("file").write("") }
                }
            }
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what was written is there at the next mount`(_ subject: DriverUnderTest) throws {
        try subject.withDriver { store in
            try store.build(1) { root in
                try root.appending("gone").write("one")
                try root.appending("directory").makeDirectory()
                try root.appending("directory/old").write("one")
            }
            try store.create(2, parents: [1])
            try store.withTree(of: 2, parents: [1], writable: true) { root in
                try root.appending("gone").remove()
                try root.appending("directory").remove()
                try root.appending("directory").makeDirectory()
                try root.appending("directory/new").write("two")
            }
            let writable = try store.withTree(of: 2, parents: [1], writable: true) {
                try TreeSnapshot(of: $0)
            }
            #expect(writable.paths == ["directory", "directory/new"])
            try store.driver.seal(2, parents: [1], durability: .unsynced)
            expectSame(try store.snapshot(of: 2, parents: [1]), writable)
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `directories of a parent can be renamed as copies, and files in place`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withDriver { store in
            try store.build(1) { root in
                try root.appending("from").makeDirectory()
                try root.appending("from/file").write("text")
            }
            try store.build(2, parents: [1]) { path in
                let root = try Directory(opening: path)
                do {
                    try root.rename("from", to: "to", in: root)
                } catch let error as SyscallError where error.errno == .improperLink {
                    // What mv(1) does then.
                    try path.appending("to").makeDirectory()
                    try path.appending("to/file").write("text")
                    try path.appending("from").remove()
                }
                try root.rename("to/file", to: "to/moved", in: root)
            }
            #expect(try store.snapshot(of: 2, parents: [1]).paths == ["to", "to/moved"])
            #expect(try store.snapshot(of: 1).paths == ["from", "from/file"])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `mount options hold for reading and for writing`(_ subject: DriverUnderTest) throws {
        try subject.withDriver(options: ["mountopt": "nodev,nosuid,noexec"]) { store in
            try store.build(1) { _ in }
            try store.create(2, parents: [1])
            let wanted: MountAttributes = [.noDevices, .noSetID, .noExecution]
            for writable in [true, false] {
                for mount in try store.driver.mounts(for: 2, parents: [1], writable: writable) {
                    #expect(mount.attributes.isSuperset(of: wanted))
                }
                for mount in try store.driver.mounts(for: 1, parents: [], writable: writable) {
                    #expect(mount.attributes.isSuperset(of: wanted))
                }
            }
        }
    }
}
