// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ContainerdProtocol
import GRPCCore
import SwiftProtobuf

/// gRPC's service of health: a daemon that answers serves.
struct HealthService: Grpc_Health_V1_Health.SimpleServiceProtocol {
    func check(
        request: Grpc_Health_V1_HealthCheckRequest, context: ServerContext
    ) async throws -> Grpc_Health_V1_HealthCheckResponse {
        .with { $0.status = .serving }
    }
}
