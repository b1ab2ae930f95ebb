// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphSystem

/// Where the layers below have a directory that was renamed, or a file whose data lie there.
///
/// The value of overlayfs's attribute `redirect`, checked as the kernel checks it (fs/overlayfs/util.c,
/// `ovl_get_redirect_xattr`); names that no lookup takes (`.`, `..`) are refused as well.
enum Redirect: Hashable {
    /// Another name in the same directories.
    case name(RawPath)
    /// A way from the roots of the layers, name by name.
    case path([RawPath])

    /// Reads the attribute of what is called `owner`.
    init(parsing value: [UInt8], of owner: RawPath) throws(SyscallError) {
        let slash = UInt8(ascii: "/")
        let isAbsolute = value.first == slash
        let fields = (isAbsolute ? value.dropFirst() : value[...])
            .split(separator: slash, omittingEmptySubsequences: false)
        let names = fields.compactMap { RawPath(validating: $0) }
        let isSound =
            names.count == fields.count && names.allSatisfy { ![".", "..", ""].contains($0) }
        guard isSound, let first = names.first, isAbsolute || names.count == 1 else {
            let text = String(decoding: value.prefix(256), as: UTF8.self)
            throw SyscallError.damage("redirect of \(owner)", "it leads to no place: \(text)")
        }
        self = isAbsolute ? .path(names) : .name(first)
    }
}
