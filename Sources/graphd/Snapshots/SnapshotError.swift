// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GRPCCore
import GraphCore

/// Why a request of containerd's was refused.
struct SnapshotError: Error, CustomStringConvertible {
    /// The codes of gRPC that containerd tells apart.
    enum Code: Sendable {
        case notFound, alreadyExists, failedPrecondition, invalidArgument, unavailable
        case resourceExhausted, unimplemented, cancelled, dataLoss, `internal`
    }

    let code: Code
    let description: String

    init(_ code: Code, _ description: String) {
        (self.code, self.description) = (code, description)
    }

    /// Runs what the store does, and gives its errors containerd's codes.
    static func of<Value>(
        _ action: @autoclosure () -> String, _ body: () throws(DriverError) -> Value
    ) throws(SnapshotError) -> Value {
        do throws(DriverError) {
            return try body()
        } catch {
            throw SnapshotError(Code(error), "cannot \(action()): \(error)")
        }
    }

    /// The same, as gRPC sends it.
    var status: RPCError {
        let code: RPCError.Code =
            switch code {
            case .notFound: .notFound
            case .alreadyExists: .alreadyExists
            case .failedPrecondition: .failedPrecondition
            case .invalidArgument: .invalidArgument
            case .unavailable: .unavailable
            case .resourceExhausted: .resourceExhausted
            case .unimplemented: .unimplemented
            case .cancelled: .cancelled
            case .dataLoss: .dataLoss
            case .internal: .internalError
            }
        return RPCError(code: code, message: description)
    }
}

extension SnapshotError.Code {
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
            default: .internal
            }
    }
}
