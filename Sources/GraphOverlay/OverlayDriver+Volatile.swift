// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem

extension OverlayDriver: VolatileDriver {
    package func makeVolatile(_ layer: LayerNumber) throws(DriverError) {
        try volatileLayers.write(.unused, of: layer)
    }

    package func isVolatile(_ layer: LayerNumber) throws(DriverError) -> Bool {
        try volatileLayers.mark(of: layer) != nil
    }

    package func isLost(_ layer: LayerNumber) throws(DriverError) -> Bool {
        guard let mark = try volatileLayers.mark(of: layer) else { return false }
        return try volatileLayers.isLost(mark)
    }

    /// Which layers are volatile.
    var volatileLayers: VolatileLayers {
        VolatileLayers(directories: directories, namespace: namespace)
    }
}
