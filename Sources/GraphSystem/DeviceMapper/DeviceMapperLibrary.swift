// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CGraphLinux
import Glibc
import Synchronization
import SystemPackage

/// libdevmapper, loaded when a device is first asked for.
///
/// One task at a time: its control device, its list of nodes to be made and what it knows of udev belong
/// to the whole process. It prints nothing; what it says of a failure is the error's detail.
final class DeviceMapperLibrary: Sendable {
    let functions: cgraph_devmapper
    private let busy = Mutex(())
    /// Whether udev has left a cookie unanswered, and is waited for no more.
    private let isUdevSilent = Atomic(false)

    private init(_ functions: cgraph_devmapper) { self.functions = functions }

    private static let library = LazyLibrary(
        "libdevmapper.so.1.02.1", package: "libdevmapper1.02.1"
    ) {
        var functions = cgraph_devmapper()
        let reason = cgraph_devmapper_load(&functions)
        return (DeviceMapperLibrary(functions), reason)
    }

    /// Loads the library.
    ///
    /// - Throws: `ELIBACC` with the name of its package where it is missing.
    static func load() throws(SyscallError) -> DeviceMapperLibrary { try library.load() }

    /// `1.02.185 (2022-05-18)`.
    var version: String {
        var text = [CChar](repeating: 0, count: 64)
        _ = functions.get_library_version(&text, text.count)
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Runs a task to its end: the kernel's, and udev's where it is there.
    ///
    /// `prepare` fills the task in and tells whether the library took it; `answer` reads what came of
    /// it. `awaitsNode`: what udev does with the node in `/dev/mapper` is waited for, where one runs.
    func run<Value>(
        _ task: MapperTask, _ subject: String, awaitsNode: Bool = false,
        _ prepare: (OpaquePointer) -> Bool,
        answer: (OpaquePointer) -> Value
    ) throws(SyscallError) -> Value {
        while true {
            let cookie = try awaitsNode ? makeCookie() : nil
            var result: Result<Value, SyscallError>?
            busy.withLock { _ in result = runOnce(task, subject, cookie, prepare, answer) }
            if let cookie { waitForUdev(cookie) }
            do throws(SyscallError) {
                if let result { return try result.get() }
            } catch  where error.errno == .interrupted {
                // By a signal: it has done nothing, and is asked again.
            }
        }
    }

    private func runOnce<Value>(
        _ task: MapperTask, _ subject: String, _ cookie: UInt32?,
        _ prepare: (OpaquePointer) -> Bool, _ answer: (OpaquePointer) -> Value
    ) -> Result<Value, SyscallError> {
        cgraph_devmapper_forget()
        errno = 0
        guard let raw = functions.task_create(task.type) else {
            return .failure(failure(task, subject))
        }
        defer {
            functions.task_destroy(raw)
            // Closes the control device, which it opens for children as well.
            functions.lib_release()
        }
        guard prepare(raw), setCookie(cookie, of: raw, task), functions.task_run(raw) != 0 else {
            return .failure(failure(task, subject, functions.task_get_errno(raw)))
        }
        if task.nodes == .library || (task.nodes == .udev && !isUdevActive) { updateNodes() }
        return .success(answer(raw))
    }

    private func failure(
        _ task: MapperTask, _ subject: String, _ number: CInt = 0
    ) -> SyscallError {
        // What it refuses itself has no number, unless a call of its own left one.
        let left = errno
        let number = number != 0 ? number : left != 0 ? left : EINVAL
        let said = String(cString: cgraph_devmapper_message())
        return SyscallError(
            call: "dm_task_run(\(task.name), \(subject))", errno: Errno(rawValue: number),
            detail: said.isEmpty ? nil : said)
    }

    // MARK: Nodes

    /// What udev is told of each change: a node in `/dev/mapper` and nothing else.
    ///
    /// Nobody is to look for what is on a volume, to link to it or to take it into use.
    private static let flags = UInt16(
        DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG
            | DM_UDEV_DISABLE_OTHER_RULES_FLAG)

    private func setCookie(_ cookie: UInt32?, of raw: OpaquePointer, _ task: MapperTask) -> Bool {
        if task.nodes != .udev { return true }
        var value = cookie ?? 0
        if !isUdevActive { return functions.task_set_cookie(raw, &value, Self.flags) != 0 }
        // Where udev makes the nodes the library is to keep its hands off them: a device that is told
        // to go away with its last user still has one.
        let flags = Self.flags | UInt16(DM_UDEV_DISABLE_LIBRARY_FALLBACK)
        // Synchronised, it would make a cookie for what nobody waits for.
        if cookie == nil { functions.udev_set_sync_support(0) }
        defer { functions.udev_set_sync_support(1) }
        return functions.task_set_cookie(raw, &value, flags) != 0
    }

    /// Has the library make and remove nodes itself, on a thread of its own: it changes the umask
    /// meanwhile, which is all threads' else.
    private func updateNodes() {
        try? withoutMask { _ in functions.task_update_nodes() }
    }

    /// Whether a udevd makes the nodes.
    var isUdevRunning: Bool { busy.withLock { _ in isUdevActive } }
    /// The same for who holds the lock.
    private var isUdevActive: Bool { functions.udev_get_sync_support() != 0 }

    /// A cookie for one task; nil where no udevd runs.
    private func makeCookie() throws(SyscallError) -> UInt32? {
        if !isUdevRunning { return nil }
        var cookie: UInt32 = 0
        try checked("semget") { cgraph_devmapper_cookie(&cookie) }
        return cookie
    }

    /// Waits until udev has made or removed the nodes, and takes the cookie away.
    ///
    /// Not in the library's own call, which waits for ever: one whose udevd lives in another IPC
    /// namespace would hold up everybody. One that has much to do is waited for.
    private func waitForUdev(_ cookie: UInt32) {
        let start = ContinuousClock.now
        var busy = start
        while !takeAway(cookie) {
            let now = ContinuousClock.now
            if isUdevBusy { busy = now }
            if isUdevSilent.load(ordering: .relaxed) || now - busy >= Self.idleMax
                || now - start >= Self.waitMax
            {
                cgraph_devmapper_remove(cookie)
                return isUdevSilent.store(true, ordering: .relaxed)
            }
            Pause.milliseconds(now - start < .milliseconds(50) ? 1 : 10)
        }
    }

    /// Whether udevd has events that it has not dealt with.
    private var isUdevBusy: Bool { access("/run/udev/queue", F_OK) == 0 }

    private func takeAway(_ cookie: UInt32) -> Bool {
        busy.withLock { _ in
            var isReady: CInt = 0
            return functions.udev_wait_immediate(cookie, &isReady) == 0 || isReady != 0
        }
    }

    /// A udevd that has nothing else to do answers by then, or never.
    private static let idleMax = Duration.seconds(5)
    /// What udevd itself gives an event.
    private static let waitMax = Duration.seconds(180)
    private static let cookieSeconds = 240

    /// Takes away what processes left that died while they waited for udev.
    func reclaimCookies() {
        if isUdevRunning { cgraph_devmapper_reclaim(Self.cookieSeconds) }
    }
}

/// A kind of task, named as libdevmapper names it in its messages.
struct MapperTask {
    /// Who makes and removes nodes in `/dev/mapper` with it.
    enum NodeMaker { case nobody, udev, library }

    let type: CInt
    let name: String
    let nodes: NodeMaker

    private init(_ type: Int, _ name: String, nodes: NodeMaker = .nobody) {
        (self.type, self.name, self.nodes) = (CInt(type), name, nodes)
    }

    static let create = MapperTask(DM_DEVICE_CREATE, "create")
    static let info = MapperTask(DM_DEVICE_INFO, "info")
    static let list = MapperTask(DM_DEVICE_LIST, "names")
    static let listVersions = MapperTask(DM_DEVICE_LIST_VERSIONS, "versions")
    static let load = MapperTask(DM_DEVICE_RELOAD, "reload")
    static let makeNodes = MapperTask(DM_DEVICE_MKNODES, "mknodes", nodes: .library)
    static let message = MapperTask(DM_DEVICE_TARGET_MSG, "message")
    static let remove = MapperTask(DM_DEVICE_REMOVE, "remove", nodes: .udev)
    static let resume = MapperTask(DM_DEVICE_RESUME, "resume", nodes: .udev)
    static let status = MapperTask(DM_DEVICE_STATUS, "status")
    static let suspend = MapperTask(DM_DEVICE_SUSPEND, "suspend")
    static let table = MapperTask(DM_DEVICE_TABLE, "table")
}
