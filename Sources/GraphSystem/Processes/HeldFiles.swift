// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import SystemPackage

/// What a process has open, as far as a search wants to know.
struct HeldFile {
    let mountID: UInt64
    let device: DeviceNumber

    /// Asks about a name, which is followed; `statx(2)`.
    init(_ name: RawPath, _ place: CInt, isUnique: Bool) throws(SyscallError) {
        var raw = cgraph_status()
        // STATX_MNT_ID_UNIQUE, or STATX_MNT_ID.
        let mask: CUnsignedInt = isUnique ? 0x5000 : 0x1000
        let flags = name.isEmpty ? CGRAPH_AT_EMPTY_PATH : 0
        try checked("statx(\(name))") {
            name.withCString { cgraph_statx(place, $0, flags, mask, &raw) }
        }
        mountID = raw.mount_id
        device = DeviceNumber(major: raw.device_major, minor: raw.device_minor)
    }
}

/// A search in all processes for files in mounts that no mount namespace has: unmounted lazily, or never
/// attached.
struct HeldFiles {
    /// The ids of the mounts that namespaces have.
    let known: Set<UInt64>
    let hasUniqueIDs: Bool
    /// The filesystem's.
    let device: DeviceNumber
    /// Whether its files have the numbers of their subvolumes instead, with a major number of 0, as on btrfs.
    let hasSubvolumes: Bool
    /// Whether a file, given by its link in a directory of `/proc`, is one that is looked for; nil where
    /// that cannot be told.
    let isWanted: (Directory, RawPath) -> Bool?

    /// The first process that has such a file open, mapped so that it can be written, or as its root or
    /// working directory.
    func firstProcess() -> Int? {
        guard let all = try? Directory(opening: "/proc").listing() else { return nil }
        return all.lazy.compactMap { Int($0.name.description) }.first(where: isHolder)
    }

    private func isHolder(_ process: Int) -> Bool {
        guard let directory = try? Directory(opening: FilePath("/proc/\(process)")),
            let tasks = try? directory.openDirectory("task").listing()
        else { return false }
        // The kernel's own threads have nothing open; nor has a process that ended.
        if tasks.count < 2, (try? directory.readLink("exe")) == nil { return false }
        guard mayLook(into: directory) else { return false }
        if holdsDirectory(directory) || holdsDescriptor(directory) || holdsMapping(directory) {
            return true
        }
        return tasks.contains { task in
            guard let id = CInt(task.name.description), Int(id) != process,
                let own = try? directory.openDirectory(RawPath("task").appending(task.name)),
                mayLook(into: own)
            else { return false }
            if cgraph_shares_directories(CInt(process), id) != 1, holdsDirectory(own) {
                return true
            }
            return cgraph_shares_files(CInt(process), id) != 1 && holdsDescriptor(own)
        }
    }

    /// Where one link of a process is refused, all of them are: it may have ten thousand.
    private func mayLook(into directory: Directory) -> Bool {
        do throws(SyscallError) {
            _ = try HeldFile("cwd", directory.raw, isUnique: hasUniqueIDs)
            return true
        } catch {
            return error.errno != .permissionDenied
        }
    }

    private func holdsDirectory(_ directory: Directory) -> Bool {
        holds("cwd", in: directory, of: directory) || holds("root", in: directory, of: directory)
    }

    private func holdsDescriptor(_ directory: Directory) -> Bool {
        guard let files = try? directory.openDirectory("fd"), let open = try? files.listing() else {
            return false
        }
        return open.contains { holds($0.name, in: files, of: directory) }
    }

    /// A private mapping is written to no file.
    private func holdsMapping(_ directory: Directory) -> Bool {
        guard let file = try? directory.open("maps", .readOnly),
            let table = try? KernelTable(reading: file)
        else { return false }
        func digits(_ number: UInt32) -> String {
            let text = String(number, radix: 16)
            return text.count == 1 ? "0" + text : text
        }
        let wanted = Array("\(digits(device.major)):\(digits(device.minor))".utf8)
        for line in table.lines {
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 4)
            guard fields.count > 3, fields[1].last == UInt8(ascii: "s"),
                fields[3].elementsEqual(wanted),
                let maps = try? directory.openDirectory("map_files")
            else { continue }
            // Without the zeros that one of the files has and the other has not.
            let ends = fields[0].split(separator: UInt8(ascii: "-")).map { end in
                String(decoding: end.drop { $0 == UInt8(ascii: "0") }, as: UTF8.self)
            }
            if holds(RawPath(ends.joined(separator: "-")), in: maps, of: directory) { return true }
        }
        return false
    }

    private func holds(_ name: RawPath, in place: Directory, of process: Directory) -> Bool {
        guard let file = try? HeldFile(name, place.raw, isUnique: hasUniqueIDs),
            !known.contains(file.mountID),
            file.device == device || hasSubvolumes && file.device.major == 0
        else { return false }
        if let answer = isWanted(place, name) { return answer }
        // Where handles tell nothing, a mount that is not even the process's own counts as one.
        return file.device == device && isDetached(name, in: place, of: process)
    }

    private func isDetached(
        _ name: RawPath, in place: Directory, of process: Directory
    ) -> Bool {
        guard let old = try? HeldFile(name, place.raw, isUnique: false).mountID,
            let link = try? Directory(opening: "/").readLink(
                RawPath(process.descriptor.procPath)),
            let lines = try? MountInfoLine.all(FilePath(link.description).appending("mountinfo"))
        else { return false }
        return !lines.contains { $0.id == old }
    }
}
