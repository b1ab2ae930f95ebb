// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphArchive
package import GraphCore

extension BtrfsDriver {
    package func applyTarget(
        for layer: LayerNumber, parents: [LayerNumber]
    ) throws(DriverError) -> ApplyTarget {
        if options.sizeDefault != nil {
            // The default limit is for what containers write, not for images.
            let subvolume = try subvolume(of: layer)
            try attempting(
                "lift the limit of layer \(layer)", try Self.setLimit(nil, of: subvolume))
        }
        return try trees.applyTarget(for: layer, parents: parents)
    }

    package func finishApply(
        of layer: LayerNumber, parents: [LayerNumber], observer: WorkObserver
    ) throws(DriverError) {
        try trees.finishApply(of: layer, observer: observer)
    }

}
