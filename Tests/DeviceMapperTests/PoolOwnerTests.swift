// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphDeviceMapper
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// Whose word it is what becomes a block device.
@Suite(.serialized, .usable("devicemapper")) struct PoolOwnerTests {
    @Test func `what another user could change of a stopped pool is not brought up`() throws {
        try SmallPool.with { store in
            try store.build(1) { try $0.appending("file").write("x") }
            try SmallPool.control(store).stop()
            let directory = try Directory(opening: store.root.appending("devicemapper/pool"))
            let devices = try DeviceMapper().devices()
            for name in [".", "settings", "transaction", "data", "metadata", "lock"] as [RawPath] {
                let status = try directory.status(of: name)
                func refuse() throws {
                    let opening = #expect(throws: DriverError.self) {
                        try SmallPool.reopen(store).create(2)
                    }
                    let looking = #expect(throws: DriverError.self) {
                        try SmallPool.control(store)
                    }
                    #expect(opening?.code == .untrusted && looking?.code == .untrusted, "\(name)")
                    #expect(try DeviceMapper().devices() == devices)
                }
                try directory.setOwner(of: name, uid: 1000, gid: 1000)
                try refuse()
                try directory.setOwner(of: name, uid: status.uid, gid: status.gid)
                try directory.setPermissions(of: name, status.permissions | 0o022)
                try refuse()
                try directory.setPermissions(of: name, status.permissions)
            }
            #expect(try SmallPool.reopen(store).snapshot(of: 1).paths == ["file"])
        }
    }
}
