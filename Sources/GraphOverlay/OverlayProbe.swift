// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// What was tried in a scratch directory, and what came of it.
struct OverlayProbe {
    let requirements: [Requirement]
    /// Where overlayfs may keep its attributes.
    let namespace: OverlayNamespace

    /// Tries all, cheapest first, and tells where overlayfs may keep its attributes.
    static func run(
        _ probe: inout Probe, in directory: Directory, at path: FilePath
    ) -> OverlayNamespace {
        probe.attempt("file types in directory listings") { () throws(SyscallError) in
            try directory.makeDirectory("listed", permissions: 0o700)
            let untold = try directory.listing().contains { $0.type == nil }
            if untold { throw SyscallError(call: "getdents64(d_type)", errno: .notSupported) }
        }
        probe.attempt("whiteouts (character device 0:0)") { () throws(SyscallError) in
            try directory.makeSpecial("device", .characterDevice, permissions: 0)
        }
        let namespace = chooseNamespace(&probe, in: directory)
        probe.attempt("rename of directories") { () throws(SyscallError) in
            try directory.makeDirectory("renamed", permissions: 0o700)
            try directory.rename("renamed", to: "moved", in: directory)
        }
        probe.attempt("overlay mount") { () throws(SyscallError) in
            try tryMount(namespace, in: directory, at: path)
        }
        probe.attempt("lower directories one by one", isOptional: true) {
            () throws(SyscallError) in
            guard try OverlayLayers.takesLowersOneByOne(lower: path.appending("listed")) else {
                throw SyscallError(call: "fsconfig(lowerdir+)", errno: .invalidArgument)
            }
        }
        probe.attemptReflink(in: directory)
        return namespace
    }

    private static func chooseNamespace(
        _ probe: inout Probe, in directory: Directory
    ) -> OverlayNamespace {
        func set(_ namespace: OverlayNamespace) throws(SyscallError) {
            try directory.attributes(of: "listed").set(
                ExtendedAttribute(name: namespace.name("opaque"), value: [UInt8(ascii: "y")]))
        }
        // Either will do.
        probe.attempt("trusted.overlay attributes", isOptional: true) {
            () throws(SyscallError) in try set(.trusted)
        }
        if probe.requirements.last?.isMet == true { return .trusted }
        probe.attempt("user.overlay attributes") { () throws(SyscallError) in try set(.user) }
        return .user
    }

    /// Merges two small layers below an upper directory, and looks whether a whiteout hides, an
    /// opaque directory hides what is below it, and directories merge.
    private static func tryMount(
        _ namespace: OverlayNamespace, in directory: Directory, at path: FilePath
    ) throws(SyscallError) {
        for name in ["base", "middle", "upper", "work"] {
            try directory.makeDirectory(RawPath(name), permissions: 0o700)
        }
        let base = try directory.openDirectory("base")
        let middle = try directory.openDirectory("middle")
        for name in ["merged", "hidden", "opaque", "opaque/below", "merged/below"] {
            try base.makeDirectory(RawPath(name), permissions: 0o700)
        }
        for name in ["merged", "opaque", "merged/above"] {
            try middle.makeDirectory(RawPath(name), permissions: 0o700)
        }
        try middle.makeSpecial("hidden", .characterDevice, permissions: 0)
        try middle.attributes(of: "opaque").set(
            ExtendedAttribute(name: namespace.name("opaque"), value: [UInt8(ascii: "y")]))
        let layers = OverlayLayers(
            lowers: [path.appending("middle"), path.appending("base")],
            upper: path.appending("upper"), work: path.appending("work"),
            options: OverlayOptions.plainKernelOptions(namespace))
        try layers.withProbeTree(in: directory, at: path, checkMerged)
    }

    private static func checkMerged(_ root: Directory) throws(SyscallError) {
        let expected: [(String, Bool)] = [
            ("merged/below", true), ("merged/above", true), ("hidden", false),
            ("opaque", true), ("opaque/below", false),
        ]
        for (name, isThere) in expected {
            let found = try root.statusIfPresent(of: RawPath(name)) != nil
            if found != isThere {
                throw SyscallError(
                    call: "overlay mount", errno: .notSupported,
                    detail: "\(name) is \(found ? "shown" : "hidden")")
            }
        }
    }
}

extension OverlayLayers {
    /// Merges layers in the way that this kernel has, and lends the root.
    ///
    /// `directory`, which is at `path`, is a scratch place.
    func withProbeTree(
        in directory: Directory, at path: FilePath,
        _ body: (Directory) throws(SyscallError) -> Void
    ) throws(SyscallError) {
        if let lower = lowers.first,
            (try? OverlayLayers.takesLowersOneByOne(lower: lower)) == true
        {
            return try withDetachedTree(body)
        }
        // Old kernels cannot mount without a place.
        let old = OverlayLayers(
            lowers: lowers, upper: upper, work: work, options: options, usesOptionString: true)
        try directory.makeDirectory("target", permissions: 0o700)
        let target = path.appending("target")
        try Mount(.overlay(old)).attach(at: target)
        let outcome: Result<Void, SyscallError>
        do throws(SyscallError) {
            outcome = .success(try body(try directory.openDirectory("target")))
        } catch {
            outcome = .failure(error)
        }
        try MountPoint(target).unmount(detaching: true)
        try outcome.get()
    }
}
