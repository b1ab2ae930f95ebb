// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import SystemPackage

/// Who keeps a device in use.
package enum DeviceHolders {
    /// One process for each mount namespace in which a filesystem of this device is mounted, read
    /// from `/proc`; those that may not be looked at are left out.
    package static func processes(mounting device: DeviceNumber) -> [Int] {
        let wanted = "\(device.major):\(device.minor)"
        var namespaces: Set<RawPath> = []
        var found: [Int] = []
        guard let all = try? Directory(opening: "/proc").listing() else { return [] }
        for process in all.compactMap({ Int($0.name.description) }).sorted() {
            let directory = FilePath("/proc/\(process)")
            guard let links = try? Directory(opening: directory.appending("ns")),
                let namespace = try? links.readLink("mnt"),
                namespaces.insert(namespace).inserted,
                let file = try? OwnedDescriptor.open(directory.appending("mountinfo"), .readOnly),
                let table = try? KernelTable(reading: file)
            else { continue }
            let isHolder = table.lines.contains { line in
                let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 3)
                return fields.count > 2 && fields[2].elementsEqual(wanted.utf8)
            }
            if isHolder { found.append(process) }
        }
        return found
    }
}
