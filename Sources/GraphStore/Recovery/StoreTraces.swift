// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphSystem
import SystemPackage

/// What tells, where there are no records, that there were some.
struct StoreTraces {
    let root: FilePath
    /// The names of the drivers that may have kept layers there.
    let drivers: [String]

    /// Refuses to take a root with layers for one without a store: in a new store they would be nobody's.
    ///
    /// Empty directories, `lost+found` and what other programs keep there are no traces.
    ///
    /// - Throws: ``DriverError/Code/storeDamaged`` with what is there and what to do.
    func refuse() throws(DriverError) {
        let found: [String]
        do throws(SyscallError) {
            found = try all()
        } catch {
            throw DriverError("look for traces of a store at \(root)", error)
        }
        if found.isEmpty { return }
        throw DriverError(
            .storeDamaged,
            "\(root.appending("graph.db")) is missing or empty, but there are traces of a store: "
                + listed(found)
                + "; put graph.db and graph.db-wal back from one copy, or move what is there away for "
                + "a new store")
    }

    private func all() throws(SyscallError) -> [String] {
        let directory: Directory
        do throws(SyscallError) {
            directory = try Directory(opening: root)
        } catch  where [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) {
            return []
        }
        var found: [String] = []
        for name in drivers {
            for entry in try listing(RawPath(name), in: directory) {
                if LayerNumber(entry) != nil { found.append("\(name)/\(entry)") }
            }
        }
        for entry in try listing("recipes", in: directory) {
            if LayerNumber(String(entry.prefix { $0.isNumber })) != nil {
                found.append("recipes/\(entry)")
            }
        }
        if let log = try directory.statusIfPresent(of: "graph.db-wal"), log.size > 0 {
            found.append("graph.db-wal")
        }
        if try directory.statusIfPresent(of: "owners.lock") != nil {
            let marks = try RecordMark.all(in: try directory.open("owners.lock", .readOnly))
            if let last = marks.max(by: { $0.changes < $1.changes }) {
                found.append("\(last.changes) changes of its records, told by owners.lock")
            }
        }
        return found
    }

    /// The names in a directory; none where there is none.
    private func listing(_ name: RawPath, in directory: Directory) throws(SyscallError) -> [String]
    {
        do throws(SyscallError) {
            return try directory.openDirectory(name).listing().map { $0.name.description }.sorted()
        } catch
            where [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels].contains(
                error.errno)
        {
            return []
        }
    }
}
