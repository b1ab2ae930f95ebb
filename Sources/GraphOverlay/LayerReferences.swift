// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// The records, in the layers' directories, of what each layer of a store may refer to.
struct LayerReferences {
    let directories: LayerDirectories
    let namespace: OverlayNamespace
    /// What the options ask for.
    let wanted: References

    /// The attribute of a layer's directory that holds its ``ReferenceMark``.
    private var key: String { namespace.name("refers") }

    /// What is recorded of the references in a layer and below it; nil when there are none.
    func mark(of layer: LayerNumber) throws(DriverError) -> ReferenceMark? {
        let value = try attempting(
            "read what layer \(layer) refers to",
            try directories.openedDirectory?.attributes(of: layer.name).value(of: key))
        guard let value else { return nil }
        guard let mark = ReferenceMark(value) else {
            throw DriverError(
                .unsupported,
                "layer \(layer) refers to others in a way that this version does not know")
        }
        return mark
    }

    /// Records what a layer may refer to from now on; not synced.
    func write(
        _ mark: ReferenceMark, to directory: Directory
    ) throws(SyscallError) {
        try directory.descriptor.setAttribute(ExtendedAttribute(name: key, value: mark.bytes))
    }

    /// What a layer and those below it may refer to once it has been mounted, recorded on disk
    /// before it is.
    func markForMount(
        of layer: LayerNumber, writable: Bool
    ) throws(DriverError) -> ReferenceMark {
        let known = try mark(of: layer) ?? ReferenceMark()
        guard writable else { return known }
        // A file that is changed may be one whose data are below already.
        let isMetacopying = known.chain.contains(.metacopies)
        let own = isMetacopying ? [.metacopies, .redirects] : wanted
        if known.own.isSuperset(of: own) { return known }
        _ = try directories.writableDirectory()
        let mark = ReferenceMark(own: known.own.union(own), chain: known.chain)
        let directory = try directories.open(layer)
        try attempting("record what layer \(layer) refers to", try write(mark, to: directory))
        try attempting("sync layer \(layer)", try directory.sync())
        return mark
    }

    /// The places in a chain of the layers that may refer to those below them.
    func referring(_ chain: [LayerNumber]) throws(DriverError) -> Set<Int> {
        var found: Set<Int> = []
        for (index, layer) in chain.enumerated() {
            guard let mark = try mark(of: layer) else { break }
            if !mark.own.isEmpty { found.insert(index) }
        }
        return found
    }
}
