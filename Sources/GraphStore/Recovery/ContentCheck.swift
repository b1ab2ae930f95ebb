// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem

/// Reads committed layers again, and compares them with what was recorded of them.
struct ContentCheck: Sendable {
    let catalog: Catalog
    let layers: LayerContent
    let driver: any Driver
    let recipes: RecipeDirectory

    /// Reads every committed layer again; one that cannot be read now is not called damaged.
    ///
    /// Parents come first: what only they can vouch for is judged where all of them are sound.
    func findings(_ observer: WorkObserver) throws(DriverError) -> [Finding] {
        var findings: [Finding] = []
        var sound: Set<LayerNumber> = []
        let records = try catalog.layersWithBytes().filter { $0.layer.kind == .committed }
        for record in records.sorted(by: { $0.number < $1.number }) {
            let parents = try catalog.parents(of: record.number)
            let finding: Finding
            do throws(DriverError) {
                switch try soundness(of: record, parents, observer) {
                case .sound:
                    sound.insert(record.number)
                    continue
                case .unknown:
                    continue
                case .damaged(let message):
                    finding = Finding(.contentChanged, record.layer.id, message)
                case .differing(let message):
                    finding =
                        parents.allSatisfy(sound.contains)
                        ? Finding(.contentChanged, record.layer.id, message)
                        : Finding(
                            .notChecked, record.layer.id,
                            "it is not what was made of its parents, of which one is damaged: \(message)"
                        )
                }
            } catch  where error.code == .cancelled {
                throw error
            } catch {
                finding = Finding(.notChecked, record.layer.id, error.description)
            }
            // One that was removed meanwhile is of no interest.
            if (try? catalog.current(record)) != nil { findings.append(finding) }
        }
        return findings
    }

    /// What a deep check finds out about one layer.
    private enum Soundness {
        case sound
        /// Nothing was recorded that could be compared.
        case unknown
        /// It is not what was recorded, whatever its parents are.
        case damaged(String)
        /// It is not what was recorded, if its parents are.
        case differing(String)
    }

    private func soundness(
        of record: LayerRecord, _ parents: [LayerNumber], _ observer: WorkObserver
    ) throws(DriverError) -> Soundness {
        guard let wanted = record.layer.contentDigest else { return .unknown }
        let content: Directory
        do throws(DriverError) {
            content = try layers.tree(of: record.number)
        } catch  where error.code == .storeDamaged {
            return .damaged(error.description)
        } catch  where error.code == .layerNotFound {
            // One of which nothing is there is told as missing.
            guard try driver.inventory().contains(where: { $0.kind == .layer(record.number) })
            else {
                throw error
            }
            return .damaged(error.description)
        }
        if record.layer.recipeBytes == nil {
            return try committedSoundness(of: record, parents, wanted, observer)
        }
        // The outline vouches for all but contents.
        do throws(ArchiveError) {
            let found = try TreeOutline(of: content, observer: observer).digest
            if found != wanted {
                return .damaged(
                    "the digest of its names, types, owners, modes, times, attributes, sizes and links"
                        + " is \(found), not \(wanted)")
            }
        } catch {
            return .damaged(try damage(error, "look at layer \(record.layer.id)"))
        }
        switch try vouchedFiles(of: record, content, observer) {
        case .success(let vouched): return try keptSoundness(of: record, parents, vouched, observer)
        case .failure(let damage): return .damaged(damage.message)
        }
    }

    private struct Damage: Error {
        let message: String
    }

    /// The recipe vouches for the contents of the files that the archive brought.
    private func vouchedFiles(
        of record: LayerRecord, _ content: Directory, _ observer: WorkObserver
    ) throws(DriverError) -> Result<VouchedFiles, Damage> {
        guard let diffID = record.layer.diffID, let wanted = record.layer.recipeBytes else {
            return .success(.none)
        }
        var tar: RecipeTar
        do throws(DriverError) {
            tar = try recipes.tar(of: record.number, from: content)
        } catch  where [.invalidArchive, .unsupported, .storeDamaged].contains(error.code) {
            return .failure(Damage(message: error.description))
        }
        let found = try recipes.byteCount(of: record.number)
        if found != wanted {
            return .failure(Damage(message: "its recipe has \(found) bytes, not \(wanted)"))
        }
        do throws(ArchiveError) {
            return .success(try tar.verify(expecting: diffID, observer: observer))
        } catch {
            let message = try damage(error, "read layer \(record.layer.id)")
            return .failure(Damage(message: message))
        }
    }

    /// The parents vouch for the contents of the files that are theirs.
    private func keptSoundness(
        of record: LayerRecord, _ parents: [LayerNumber], _ vouched: VouchedFiles,
        _ observer: WorkObserver
    ) throws(DriverError) -> Soundness {
        if parents.isEmpty { return .sound }
        return try compared(record, parents) { (source) throws(ArchiveError) in
            let kept = try KeptFiles(of: source, besides: vouched, observer: observer)
            return kept.changed.map { "the content of /\($0) is not its parent's" }
        }
    }

    /// A layer without a recipe is what its canonical tar is: how it differs from its parents.
    private func committedSoundness(
        of record: LayerRecord, _ parents: [LayerNumber], _ wanted: Digest, _ observer: WorkObserver
    ) throws(DriverError) -> Soundness {
        try compared(record, parents) { (source) throws(ArchiveError) in
            var form = DiffForm(markedNames: .written)
            func digest() throws(ArchiveError) -> Digest {
                try writeHashedTreeDiff(source, form, to: NullSink(), observer: observer).digest
            }
            let found = try digest()
            if found == wanted { return nil }
            if parents.isEmpty {
                form.alwaysNamesRoot = true
                if try digest() == wanted { return nil }
            }
            return "its content has the digest \(found), not \(wanted)"
        }
    }

    /// Compares a layer with its parents; `difference` tells what is not as it was.
    private func compared(
        _ record: LayerRecord, _ parents: [LayerNumber],
        _ difference: (DiffSource) throws(ArchiveError) -> String?
    ) throws(DriverError) -> Soundness {
        var source: DiffSource
        do throws(DriverError) {
            source = try driver.diffSource(
                of: record.number, parents: parents, from: parents.first,
                baseParents: Array(parents.dropFirst()))
        } catch  where error.code == .storeDamaged {
            return .differing(error.description)
        }
        // Looked at as well, since their bytes may have changed where no time has.
        source.copies = nil
        do throws(ArchiveError) {
            return try difference(source).map { .differing($0) } ?? .sound
        } catch {
            return .differing(try damage(error, "compare layer \(record.layer.id) with its parent"))
        }
    }

    /// What an error says about the layer that was read; it is thrown when it says nothing about that.
    private func damage(_ error: ArchiveError, _ action: String) throws(DriverError) -> String {
        if error.isDamage { return error.description }
        throw DriverError(action, error)
    }
}
