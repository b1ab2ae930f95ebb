// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

package import GraphCore
import GraphSystem
package import SystemPackage

extension VFSDriver {
    package static func probe(root: FilePath) -> [Requirement] {
        Probe.run(below: root, driver: name) { probe, directory, _ in
            probe.attemptFiles(in: directory)
            probe.attemptReflink(in: directory)
        }
    }
}
