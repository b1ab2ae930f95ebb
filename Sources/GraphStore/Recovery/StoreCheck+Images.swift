// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphArchive
import GraphCore
import SystemPackage

extension StoreCheck {
    /// What is wrong with the images.
    ///
    /// A deep check compares their documents with the digests.
    func imageFindings(deep: Bool) throws(DriverError) -> [Finding] {
        try catalog.consistent("look at the images") { connection in
            let (queries, layers) = (ImageQueries(connection), CatalogReader(connection))
            guard try queries.arePresent() else { return [] }
            var findings: [Finding] = []
            for id in try queries.ids() {
                if let top = try queries.top(of: id) {
                    let record = try layers.layer(top)
                    if record?.isVisible != true || record?.layer.kind != .committed {
                        findings.append(
                            Finding(
                                .recordInvalid, "image \(id)",
                                "its topmost layer, number \(top), is not a committed one"))
                    }
                }
                guard deep, let image = try queries.image(id) else { continue }
                var documents = [("sha256:" + id, try queries.configuration(of: id))]
                for manifest in image.manifests where manifest.digest.hasPrefix("sha256:") {
                    documents.append(
                        (manifest.digest, try queries.document(ofManifest: manifest.digest)))
                }
                for (digest, document) in documents {
                    guard let document, Digest.of(document).description != digest else { continue }
                    findings.append(
                        Finding(
                            .contentChanged, "image \(id)",
                            "a document in its record has not the digest \(digest)"))
                }
            }
            return findings
        }
    }

    /// What is wrong with the loop image.
    func loopImageFindings() throws(DriverError) -> [Finding] {
        guard let loopImage else { return [] }
        let status = try loopImage.status()
        var findings: [Finding] = []
        if status.isShort {
            findings.append(
                Finding(
                    .loopImage, status.image.string,
                    "\(status.hostAvailableBytes) bytes are left on the filesystem below: layers "
                        + "cannot be written"))
        }
        if try !loopImage.fillsImage(status) {
            findings.append(
                Finding(
                    .loopImage, status.image.string,
                    "the image is larger than the filesystem in it; loop-image grow finishes that"))
        }
        return findings
    }
}
