// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import SystemPackage

extension MountPoint {
    /// What is mounted below a place, innermost last.
    package static func all(below target: FilePath) -> [RawPath] {
        let below = RawPath(target).appending("")
        return ((try? all()) ?? []).filter { $0.hasPrefix(below) }
    }

    /// The processes that keep a mount busy, as far as they may be looked at.
    package static func processes(using target: FilePath) -> [Int] {
        let prefix = RawPath(target)
        let below = prefix.appending("")
        func isInside(_ path: RawPath?) -> Bool {
            path.map { $0 == prefix || $0.hasPrefix(below) } ?? false
        }
        guard let names = try? Directory(opening: "/proc").listing() else { return [] }
        return names.compactMap { entry in
            guard let process = Int(entry.name.description),
                let directory = try? Directory(opening: FilePath("/proc/\(process)"))
            else { return nil }
            if isInside(try? directory.readLink("cwd")) || isInside(try? directory.readLink("root"))
            {
                return process
            }
            guard let files = try? directory.openDirectory("fd"), let open = try? files.listing()
            else { return nil }
            return open.contains { isInside(try? files.readLink($0.name)) } ? process : nil
        }
    }
}
