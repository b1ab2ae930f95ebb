// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import GraphSystem
import SystemPackage

/// What is done about a full disk: before it is, and when it is.
struct FreeSpaceGuard: Sendable {
    private let reserve: Reserve
    private let path: FilePath
    private let database: StoreDatabase
    private let loopImage: LoopImage?
    private let driver: any Driver
    private let access: WriteAccess

    init(
        _ paths: StorePaths, _ database: StoreDatabase, _ loopImage: LoopImage?,
        _ driver: any Driver,
        _ access: WriteAccess
    ) {
        (reserve, path) = (Reserve(paths.reserve), paths.database)
        (self.database, self.loopImage, self.driver, self.access) = (
            database, loopImage, driver, access
        )
    }

    /// Frees what removed layers took on disk, and fills the reserves.
    func reclaim(observer: WorkObserver) throws(DriverError) -> UInt64 {
        try access.require("free what was removed")
        defer {
            reserve.fill()
            loopImage?.reserve.fill()
        }
        return try driver.reclaim(observer: observer)
    }

    /// Gives the reserve below a loop image up, where the filesystem there is full.
    func giveWay() { loopImage?.giveWay() }

    /// Does what must work on a full disk: begins the journal anew, which needs no block that it does
    /// not have, and then gives up the reserve.
    func withReserve<Value>(
        _ body: () throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        do throws(DriverError) {
            return try body()
        } catch  where error.code == .noSpace {
            database.recycleLog()
            return try reserve.using(body)
        }
    }

    /// Says for a lack of space whether it is one of inodes.
    func naming(_ error: DriverError) -> DriverError {
        guard error.code == .noSpace, error.resource == .bytes else { return error }
        return DriverError(noSpace: error.message, at: path, cause: error.cause)
    }

    /// Does work that writes much; on a loop image, only as long as the filesystem below has room.
    func withRoom<Value>(
        _ observer: WorkObserver,
        _ body: (WorkObserver) throws(DriverError) -> Value
    ) throws(DriverError) -> Value {
        guard let loopImage else { return try body(observer) }
        let room: LoopImageSpace
        do throws(DriverError) {
            room = try LoopImageSpace(loopImage)
        } catch {
            // What was removed may not be freed yet.
            _ = try? reclaim(observer: .none)
            room = try LoopImageSpace(loopImage)
        }
        let watching = WorkObserver(
            isCancelled: { observer.isCancelled || room.isShort },
            progressed: { observer.pass($0) })
        do throws(DriverError) {
            return try body(watching)
        } catch  where error.code == .cancelled && room.isShort && !observer.isCancelled {
            _ = try? reclaim(observer: .none)
            throw loopImage.hostIsFull(cause: nil)
        } catch  where error.cause?.errno == .ioError && (try? loopImage.status())?.isShort == true
        {
            _ = try? reclaim(observer: .none)
            throw loopImage.hostIsFull(cause: error.cause)
        }
    }
}
