// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GRPCCore
import GraphCore

/// Why a request of containerd's was refused.
struct SnapshotError: Error, CustomStringConvertible {
    /// What containerd branches on.
    let code: RPCError.Code
    let description: String

    init(_ code: RPCError.Code, _ description: String) {
        (self.code, self.description) = (code, description)
    }

    /// Runs what the store does, and gives its errors containerd's codes.
    static func of<Value>(
        _ action: @autoclosure () -> String, _ body: () throws(DriverError) -> Value
    ) throws(SnapshotError) -> Value {
        do throws(DriverError) {
            return try body()
        } catch {
            throw SnapshotError(RPCError.Code(error), "cannot \(action()): \(error)")
        }
    }

    /// The same, as gRPC sends it.
    var status: RPCError { RPCError(code: code, message: description) }

    /// Whether it says more of the request than of the store.
    var isOfCaller: Bool {
        [.notFound, .alreadyExists, .failedPrecondition, .invalidArgument, .cancelled]
            .contains(code)
    }
}

extension RPCError.Code {
    /// The code that containerd expects of a failure of the store.
    fileprivate init(_ error: DriverError) {
        self =
            switch error.code {
            case .layerNotFound, .imageNotFound: .notFound
            case .layerExists: .alreadyExists
            case .layerInUse, .wrongKind, .depthExceeded, .storeReadOnly, .untrusted:
                .failedPrecondition
            case .invalidArgument, .invalidArchive, .digestMismatch: .invalidArgument
            case .noSpace, .quotaExceeded: .resourceExhausted
            case .unsupported, .driverMismatch: .unimplemented
            case .storeDamaged: .dataLoss
            case .cancelled: .cancelled
            default: .internalError
            }
    }
}
