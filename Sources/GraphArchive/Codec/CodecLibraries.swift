// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import CBzip2
import CISAL
import CLZMA
import CZstd

/// The libraries that compress and decompress.
package enum CodecLibraries {
    /// Their names and versions, as each tells its own; of ISA-L that of the headers, since it tells
    /// none.
    package static var versions: [(name: String, version: String)] {
        let isal = [ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION]
        return [
            ("isa-l", isal.map(String.init).joined(separator: ".")),
            ("zstd", unsafe String(cString: ZSTD_versionString())),
            ("liblzma", unsafe String(cString: lzma_version_string())),
            // "1.0.8, 13-Jul-2019"
            ("bzip2", String(unsafe String(cString: BZ2_bzlibVersion()).prefix { $0 != "," })),
        ]
    }
}
