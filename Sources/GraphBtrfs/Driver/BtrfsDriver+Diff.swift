// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore
import GraphSystem

extension BtrfsDriver {
    package func diffSource(
        of layer: LayerNumber, parents: [LayerNumber],
        from base: LayerNumber?, baseParents: [LayerNumber]
    ) throws(DriverError) -> DiffSource {
        var source = try trees.diffSource(of: layer, from: base)
        guard let base, base != layer else { return source }
        var reasons: [String] = []
        for way in options.differences {
            do throws(Refusal) {
                let line = try openLine(
                    from: layer, parents: parents, to: base, baseParents: baseParents)
                let names =
                    switch way {
                    case .search: try search(line)
                    case .send: try send(line, source)
                    }
                (source.old.isFixed, source.new.isFixed) = (
                    line.old.status.isReadOnly, line.new.status.isReadOnly
                )
                reasons.insert("by \(way), \(names.paths.count) names", at: 0)
                return DiffSource(
                    old: source.old, new: source.new, changedPaths: names.paths,
                    note: reasons.joined(separator: "; "))
            } catch {
                reasons.append("not by \(way): \(error.reason)")
                if error.isFinal { break }
            }
        }
        if reasons.isEmpty { reasons = ["as the option changes says"] }
        return DiffSource(
            old: source.old, new: source.new,
            note: "whole trees, " + reasons.joined(separator: "; "))
    }

    /// A subvolume of one of two layers that are compared.
    private struct Side {
        let layer: LayerNumber
        let subvolume: Subvolume
        let status: SubvolumeStatus

        init(_ layer: LayerNumber, _ subvolume: Subvolume) throws(Refusal) {
            (self.layer, self.subvolume) = (layer, subvolume)
            status = try asking(try subvolume.status())
        }

        /// Refuses when something was changed since this was looked at.
        func requireUnchanged() throws(Refusal) {
            if try asking(try subvolume.status()) != status {
                throw Refusal("layer \(layer) was changed meanwhile")
            }
        }
    }

    /// Two layers of which one was made of the other, over those between them.
    private struct Line {
        let younger: Side
        let older: Side
        /// The transaction in which the first layer on the way was made of the older one.
        let madeTransaction: UInt64
        /// Whether the younger one is the old side of the comparison.
        let isBackward: Bool

        var new: Side { isBackward ? older : younger }
        var old: Side { isBackward ? younger : older }
    }

    /// Makes sure that one of two layers was made of the other and that the kernel tells all their
    /// differences.
    private func openLine(
        from layer: LayerNumber, parents: [LayerNumber],
        to base: LayerNumber, baseParents: [LayerNumber]
    ) throws(Refusal) -> Line {
        // From the younger of the two down to the bottom.
        let isForward = parents.contains(base)
        let chain = isForward ? [layer] + parents : [base] + baseParents
        guard let length = chain.firstIndex(of: isForward ? base : layer) else {
            throw Refusal("neither layer is above the other", isFinal: true)
        }
        var sides: [Side] = []
        for (index, number) in chain.enumerated() {
            let subvolume = try open(number)
            // A snapshot further up has an empty directory in its place.
            if try asking(try subvolume.hasNested()) {
                throw Refusal("layer \(number) has subvolumes in it", isFinal: true)
            }
            if index <= length { sides.append(try Side(number, subvolume)) }
        }
        for (child, parent) in zip(sides, sides.dropFirst()) {
            guard parent.status.isReadOnly, child.status.isSnapshot(ofUnchanged: parent.status)
            else {
                throw Refusal(
                    "a layer is not a snapshot of its parent as that is now", isFinal: true)
            }
        }
        return Line(
            younger: sides[0], older: sides[length],
            madeTransaction: sides[length - 1].status.madeTransaction, isBackward: !isForward)
    }

    private func open(_ layer: LayerNumber) throws(Refusal) -> Subvolume {
        do throws(DriverError) {
            return try subvolume(of: layer)
        } catch {
            throw Refusal(error.description)
        }
    }

    /// Lends a layer's subvolume to be asked about: of a writable layer a snapshot.
    private func withSubject<Value>(
        _ side: Side, _ body: (Subvolume) throws(Refusal) -> Value
    ) throws(Refusal) -> Value {
        if side.status.isReadOnly { return try body(side.subvolume) }
        let result: Result<Value, Refusal>
        do throws(DriverError) {
            result = try directories.withScratch { (scratch) throws(DriverError) in
                try attempting(
                    "snapshot layer \(side.layer)",
                    try side.subvolume.makeSnapshot("tree", in: scratch, isReadOnly: true))
                let snapshot = try attempting(
                    "open the snapshot of layer \(side.layer)",
                    try Subvolume("tree", in: scratch))
                return Result { () throws(Refusal) in try body(snapshot) }
            }
        } catch {
            throw Refusal(error.description, isFinal: error.code == .storeReadOnly)
        }
        return try result.get()
    }

    private func search(_ line: Line) throws(Refusal) -> CandidateNames {
        try withSubject(line.younger) { (subject) throws(Refusal) in
            // What a layer that was sealed without waiting for the disk has in memory, too.
            try asking(try subject.settle(with: line.older.status.id))
            let settled = try Side(line.younger.layer, subject)
            try line.older.requireUnchanged()
            let found = try SearchDifferences(
                subject, over: line.older.subvolume, madeIn: line.madeTransaction,
                isBackward: line.isBackward)
            // A search stops nobody from making a subvolume writable, as a send does.
            try settled.requireUnchanged()
            try line.older.requireUnchanged()
            return found.names
        }
    }

    private func send(_ line: Line, _ source: DiffSource) throws(Refusal) -> CandidateNames {
        let base = line.old.status.id
        var names = try withSubject(line.new) { (subject) throws(Refusal) in
            try SendDifferences(of: subject, from: base).names
        }
        try names.addLinkedNames(
            in: (source.old.layers + source.new.layers).map { LinkedNames($0) })
        return names
    }
}
