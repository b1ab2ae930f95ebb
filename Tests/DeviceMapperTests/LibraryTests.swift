// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc
import GraphSystem
import GraphTestSupport
import SystemPackage
import Testing

/// What the use of libdevmapper promises, on devices of no use.
@Suite(.serialized, .usable("devicemapper")) struct LibraryTests {
    /// Lends a name that no device has, and takes its device away.
    private func withName(
        _ start: String, _ body: (DeviceMapper, String) throws -> Void
    ) throws {
        let mapper = try DeviceMapper()
        let name = start + String(UInt64.random(in: .min ... .max), radix: 16)
        defer { try? mapper.remove(name) }
        try body(mapper, name)
    }

    private func make(_ name: String, _ mapper: DeviceMapper) throws -> MappedDevice {
        _ = try mapper.create(name, uuid: "GRAPH-TEST-\(name)")
        try mapper.load(name, MappedTarget(type: "zero", sectors: 8, parameters: ""))
        try mapper.resume(name, awaitingNode: true)
        return try #require(try mapper.status(of: name))
    }

    @Test func `an error has the sentence of the library and the number of the kernel`() throws {
        try withName("graph-test-") { mapper, name in
            _ = try mapper.create(name, uuid: "GRAPH-TEST-\(name)")
            let error = #expect(throws: SyscallError.self) {
                try mapper.create(name, uuid: "GRAPH-TEST-\(name)-2")
            }
            #expect(error?.errno == .resourceBusy)
            let text = error?.description ?? ""
            #expect(
                text.contains("device-mapper: create ioctl on \(name)")
                    && text.contains("failed: Device or resource busy"), "\(text)")
            // What was said of one call is not said of the next.
            #expect(try mapper.status(of: "\(name)-none") == nil)
            let next = #expect(throws: SyscallError.self) {
                try mapper.load(name, MappedTarget(type: "no-such", sectors: 8, parameters: ""))
            }
            #expect(next?.detail?.contains("reload ioctl on \(name)") == true, "\(next as Any)")
        }
    }

    @Test func `names are those that dmsetup shows`() throws {
        try withName("graph test: ü ") { mapper, name in
            let device = try make(name, mapper)
            #expect(device.name == name && device.isActive)
            #expect(try mapper.devices().contains(name))
            #expect(try mapper.status(of: device.number)?.name == name)
            let shown = try runCommand("dmsetup", ["ls"])
            #expect(shown.contains(name + "\t"), "\(shown)")
            #expect(
                try mapper.target(of: name)
                    == MappedTarget(type: "zero", sectors: 8, parameters: ""))
        }
    }

    @Test func `a node comes with a device and goes with it`() throws {
        try withName("graph-test-") { mapper, name in
            let device = try make(name, mapper)
            let node = FilePath("/dev/mapper").appending(name)
            #expect(try OwnedDescriptor.open(node, .readOnly).status().special == device.number)
            try mapper.remove(name, awaitingNode: true)
            #expect(try !node.exists)
            // What is left by a process that died is taken away once its device is gone.
            try mapper.removeStaleNodes("graph-test-")
        }
    }

    @Test func `a node comes and goes while a udevd gives no answer`() throws {
        let nodes = { Set(try Directory(opening: "/dev/mapper").listing().map(\.name)) }
        try withName("graph test: ü ") { mapper, name in
            // Where there is none the nodes are the library's.
            let hasUdevd = access("/run/udev/control", F_OK) == 0
            // One that has something to do is waited for longer.
            if hasUdevd { _ = try runCommand("udevadm", ["settle", "--timeout=600"]) }
            let before = try nodes()
            let tell = { (signal: String) in
                _ = try runCommand("pkill", ["-\(signal)", "-x", "systemd-udevd"])
            }
            if hasUdevd { try tell("STOP") }
            defer { if hasUdevd { try? tell("CONT") } }
            let device = try make(name, mapper)
            let made = try nodes().subtracting(before)
            #expect(made.count == 1, "\(made)")
            let node = FilePath("/dev/mapper/\(try #require(made.first))")
            #expect(try OwnedDescriptor.open(node, .readOnly).status().special == device.number)
            try mapper.remove(name, awaitingNode: true)
            #expect(try nodes() == before)
            if hasUdevd {
                // What it had not yet dealt with makes no node of a device that is gone.
                try tell("CONT")
                _ = try runCommand("udevadm", ["settle", "--timeout=600"])
                #expect(try nodes() == before)
            }
        }
    }
}
