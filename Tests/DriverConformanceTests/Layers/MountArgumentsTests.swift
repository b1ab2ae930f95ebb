// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphStore
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Mounts for those who mount themselves, made by mount(8).
@Suite(.serialized) struct MountArgumentsTests {
    /// Mounts by mount(8), lends the place and unmounts.
    private func withMount(
        _ mounts: [MountArguments], at place: FilePath, _ body: () throws -> Void
    ) throws {
        for mount in mounts {
            // It knows no `rbind` among options of a filesystem, and makes a bind mount read-only by a second call.
            let isBind = mount.type == "bind"
            let options = mount.options.filter { $0 != "rbind" }.joined(separator: ",")
            try runCommand(
                "mount",
                (isBind ? ["--bind"] : ["-t", mount.type]) + ["-o", options]
                    + [mount.source, place.string])
        }
        let result = Result { try body() }
        for _ in mounts { try runCommand("umount", [place.string]) }
        try result.get()
    }

    @Test(arguments: DriverUnderTest.usable)
    func `what others mount is what the store mounts, and is in use`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withStore { store, directory in
            let place = directory.appending("place")
            try place.makeDirectory()
            let base = try store.create(id: "base")
            let own = try store.mount(base.id).path
            try own.appending("below").write("below")
            try store.unmount(layer: base.id)
            _ = try store.commit("base")
            _ = try store.create(id: "box", name: "the box", parent: "base")
            _ = try store.createView(id: "view", parent: "base")
            if subject.name == "devicemapper" {
                let error = #expect(throws: DriverError.self) { try store.mounts(of: "box") }
                #expect(error?.code == .unsupported)
                return
            }
            try withMount(try store.mounts(of: "the box"), at: place) { () throws in
                #expect(try place.appending("below").readText() == "below")
                try place.appending("new").write("new")
                for refused in ["commit", "remove"] {
                    let error = #expect(throws: DriverError.self, "\(refused)") { () throws in
                        if refused == "commit" {
                            _ = try store.commit("box")
                        } else {
                            try store.remove("box")
                        }
                    }
                    #expect(error?.code == .layerInUse)
                }
                // Asked for again, as for a diff while the container runs.
                #expect(try !store.mounts(of: "box").isEmpty)
            }
            try withMount(try store.mounts(of: "view"), at: place) { () throws in
                let error = #expect(throws: SyscallError.self) {
                    try Directory(opening: place).makeDirectory("new", permissions: 0o755)
                }
                #expect(error?.errno == .readOnlyFileSystem)
                #expect(try place.appending("below").readText() == "below")
            }
            let shown = try store.mount("box").path
            let bind = try store.mounts(of: "box")
            #expect(bind.map(\.type) == ["bind"] && bind.map(\.source) == [shown.string])
            try store.unmount(layer: "box")
            #expect(try store.changes(of: "box").map(\.description) == ["A /new"])
            _ = try store.commit("box")
            #expect(throws: DriverError.self) { try store.mounts(of: "box") }
            #expect(try store.check(deep: true) == [])
        }
    }

    /// As containerd commits snapshots that it has mounted.
    @Test(arguments: DriverUnderTest.usable.filter { $0.type is any FreezingDriver.Type })
    func `a layer that is committed while mounted takes no more changes there`(
        _ subject: DriverUnderTest
    ) throws {
        try subject.withStore { store, directory in
            let places = ["one", "two"].map { directory.appending($0) }
            for place in places { try place.makeDirectory() }
            _ = try store.create(id: "box")
            try withMount(try store.mounts(of: "box"), at: places[0]) { () throws in
                try runCommand("mount", ["--bind", places[0].string, places[1].string])
                defer { _ = try? runCommand("umount", [places[1].string]) }
                let file = places[1].appending("file")
                do {
                    let open = try OwnedDescriptor.open(
                        file, [.create, .writeOnly], permissions: 0o600)
                    for freezes in [true, false] {
                        let error = #expect(throws: DriverError.self) {
                            try store.commit("box", freezingMounts: freezes)
                        }
                        #expect(error?.code == .layerInUse)
                    }
                    try open.write("kept")
                }
                let refused = #expect(throws: DriverError.self) { try store.commit("box") }
                #expect(refused?.code == .layerInUse)
                let committed = try store.commit("box", name: "done", freezingMounts: true)
                #expect(committed.kind == .committed && committed.name == "done")
                for place in places {
                    #expect(try place.appending("file").readText() == "kept")
                    let error = #expect(throws: SyscallError.self) {
                        _ = try OwnedDescriptor.open(place.appending("file"), .writeOnly)
                    }
                    #expect(error?.errno == .readOnlyFileSystem)
                }
                // What lies on it is another layer's.
                _ = try store.create(id: "next", parent: "box")
                try store.mount("next").path.appending("file").write("changed")
                try store.unmount(layer: "next")
                #expect(try places[0].appending("file").readText() == "kept")
            }
            #expect(try store.check(deep: true) == [])
        }
    }

    @Test(arguments: DriverUnderTest.usable)
    func `a view of nothing is an empty filesystem`(_ subject: DriverUnderTest) throws {
        try subject.withStore { store, directory in
            let place = directory.appending("place")
            try place.makeDirectory()
            _ = try store.createView(id: "nothing")
            try withMount(try store.mounts(of: "nothing"), at: place) { () throws in
                #expect(try TreeSnapshot(of: place).paths == [])
            }
        }
    }
}
