// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import Glibc

extension Parser {
    /// The one that the environment names.
    static let chosen: Parser = {
        let name = getenv("GRAPH_FUZZ").map { String(cString: $0) } ?? ""
        guard let parser = Parser(rawValue: name) else {
            fatalError("GRAPH_FUZZ is tar, codec, recipe, send or search, not \"\(name)\"")
        }
        return parser
    }()
}

/// What libFuzzer calls with each input.
@c(LLVMFuzzerTestOneInput)
public func fuzzOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    Parser.chosen.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
