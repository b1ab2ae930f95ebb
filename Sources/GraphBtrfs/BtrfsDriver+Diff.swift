// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphArchive
public import GraphCore
import GraphSystem

extension BtrfsDriver {
    public func diffSource(
        of layer: LayerNumber, above parents: [LayerNumber],
        from base: LayerNumber?, above baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        let source = try trees.diffSource(of: layer, from: base)
        guard let base, base != layer else { return source }
        do throws(SendRefusal) {
            let line = try openLine(
                from: layer, above: parents, to: base, above: baseParents)
            var differences = try send(layer, line)
            let linked = (source.old.layers + source.new.layers).map { LinkedNames($0) }
            try differences.addLinkedNames(in: linked)
            return DiffSource(
                old: source.old, new: source.new, changedPaths: differences.paths,
                note: "by send, \(differences.paths.count) names")
        } catch {
            return DiffSource(
                old: source.old, new: source.new, note: "whole trees: \(error.reason)")
        }
    }

    /// A subvolume of one of two layers that are compared.
    private struct Side {
        let directory: Directory
        let status: SubvolumeStatus
    }

    /// Makes sure that one of two layers was made of the other and that the kernel tells all their
    /// differences; returns both.
    private func openLine(
        from layer: LayerNumber, above parents: [LayerNumber],
        to base: LayerNumber, above baseParents: [LayerNumber]
    ) throws(SendRefusal) -> (new: Side, old: Side) {
        // From the younger of the two down to the bottom.
        let isForward = parents.contains(base)
        let chain = isForward ? [layer] + parents : [base] + baseParents
        guard let length = chain.firstIndex(of: isForward ? base : layer) else {
            throw SendRefusal("neither layer is above the other")
        }
        var sides: [Side] = []
        for (index, number) in chain.enumerated() {
            let subvolume = try open(number)
            // A snapshot further up has an empty directory in its place.
            if try asking(try subvolume.hasNestedSubvolumes()) {
                throw SendRefusal("layer \(number) has subvolumes in it")
            }
            if index > length { continue }
            sides.append(
                Side(directory: subvolume, status: try asking(try subvolume.subvolumeStatus())))
        }
        for (child, parent) in zip(sides, sides.dropFirst()) {
            guard parent.status.isReadOnly, child.status.isSnapshot(ofUnchanged: parent.status)
            else { throw SendRefusal("a layer is no snapshot of its parent as that is now") }
        }
        return isForward ? (sides[0], sides[length]) : (sides[length], sides[0])
    }

    private func open(_ layer: LayerNumber) throws(SendRefusal) -> Directory {
        do throws(DriverError) {
            return try folders.open(layer, BtrfsLayout.subvolume)
        } catch {
            throw SendRefusal(error.description)
        }
    }

    /// Asks for the differences, of a writable layer by a snapshot of it.
    private func send(
        _ layer: LayerNumber, _ line: (new: Side, old: Side)
    ) throws(SendRefusal) -> SendDifferences {
        if line.new.status.isReadOnly {
            return try SendDifferences(of: line.new.directory, from: line.old.status.id)
        }
        let result: Result<SendDifferences, SendRefusal>
        do throws(DriverError) {
            result = try folders.withScratch { (scratch) throws(DriverError) in
                try attempting(
                    "snapshot layer \(layer)",
                    try scratch.makeSnapshot("tree", of: line.new.directory, isReadOnly: true))
                let snapshot = try attempting(
                    "open the snapshot of layer \(layer)", try scratch.openDirectory("tree"))
                return Result { () throws(SendRefusal) in
                    try SendDifferences(of: snapshot, from: line.old.status.id)
                }
            }
        } catch {
            throw SendRefusal(error.description)
        }
        return try result.get()
    }
}
