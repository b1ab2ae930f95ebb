// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// When a volatile layer was first mounted: the value of an attribute of its directory.
///
/// Whatever was written in the layer came after it, so that no filesystem has such a write on disk without it.
enum VolatileMark: Equatable {
    case unused
    /// In a start of the machine, by the kernel's id of that.
    case mounted(String)

    /// Reads an attribute.
    init(_ value: [UInt8]) {
        let text = String(decoding: value, as: UTF8.self)
        self = text == Self.unusedText ? .unused : .mounted(text)
    }

    var value: [UInt8] {
        switch self {
        case .unused: Array(Self.unusedText.utf8)
        case .mounted(let boot): Array(boot.utf8)
        }
    }

    private static let unusedText = "unused"
}

/// The records, in the layers' directories, of which layers are volatile.
struct VolatileLayers {
    let directories: LayerDirectories
    let namespace: OverlayNamespace

    /// The attribute of a layer's directory that holds its ``VolatileMark``.
    private var key: String { namespace.name("volatile") }

    /// What is recorded of a layer; nil for one that is not volatile.
    func mark(of layer: LayerNumber) throws(DriverError) -> VolatileMark? {
        do throws(SyscallError) {
            return try directories.openedDirectory?.attributes(of: layer.name).value(of: key)
                .map(VolatileMark.init)
        } catch  where error.errno == .noSuchFileOrDirectory {
            // A power cut took the layer, or it was removed meanwhile.
            return nil
        } catch {
            throw DriverError("look whether layer \(layer) is volatile", error)
        }
    }

    /// Records that a layer is volatile; not synced.
    func write(_ mark: VolatileMark, of layer: LayerNumber) throws(DriverError) {
        _ = try directories.writableDirectory()
        let directory = try directories.open(layer)
        do throws(SyscallError) {
            try directory.descriptor.setAttribute(ExtendedAttribute(name: key, value: mark.value))
        } catch {
            throw spaceError("mark layer \(layer) as volatile", error, on: directory.descriptor)
        }
    }

    /// Records that a layer is as good as any, which is sealed.
    func forget(_ layer: LayerNumber, in directory: Directory) throws(DriverError) {
        try attempting(
            "record that layer \(layer) is not volatile any more",
            try directory.attributes(of: ".").remove(key))
    }

    /// Whether the machine has stopped since the layer was first mounted.
    func isLost(_ mark: VolatileMark) throws(DriverError) -> Bool {
        guard case .mounted(let boot) = mark else { return false }
        return try boot != currentBoot()
    }

    /// Refuses a layer of which parts may be missing, and tells what is recorded of others.
    func requireWhole(_ layer: LayerNumber) throws(DriverError) -> VolatileMark? {
        guard let mark = try mark(of: layer) else { return nil }
        if try !isLost(mark) { return mark }
        throw DriverError(
            .storeDamaged,
            "layer \(layer) is volatile, and the machine has stopped since it was mounted: what was "
                + "written to it may be missing in part; remove it")
    }

    /// Lets a volatile layer be mounted in this start of the machine.
    ///
    /// What the kernel leaves in the work directory to forbid that is taken away: in the same start of the
    /// machine nothing of the layer is lost.
    func prepareMount(of layer: LayerNumber, _ mark: VolatileMark) throws(DriverError) {
        if mark == .unused { return try write(.mounted(currentBoot()), of: layer) }
        let work = try directories.open(layer, OverlayLayout.work)
        _ = try attempting(
            "clear the work directory of layer \(layer)", try work.removeTree(OverlayLayout.work))
    }

    /// How it is mounted: by the newer name of the option, which leaves out the sync of files that are
    /// copied up as well, or by its older one.
    static func option(usesOptionString: Bool) throws(DriverError) -> MountOption {
        let (new, old) = (MountOption("fsync", "volatile"), MountOption("volatile"))
        if usesOptionString { return old }
        if let option = [new, old].first(where: OverlayLayers.takes) { return option }
        throw DriverError(
            .unsupported, "this kernel's overlayfs has no volatile mounts (Linux 5.10 has)")
    }

    private func currentBoot() throws(DriverError) -> String {
        try attempting("read the machine's boot id", try Boot.id())
    }
}
