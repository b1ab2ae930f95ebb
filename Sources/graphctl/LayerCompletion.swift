// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

extension CompletionKind {
    /// Completes the ids of layers, of the store that the line so far names.
    static let layer = CompletionKind.custom { words, _, _ in
        var options: [String] = []
        for name in ["--root", "--run-root"] {
            if let index = words.lastIndex(of: name), index + 1 < words.count {
                options += [name, words[index + 1]]
            } else if let word = words.last(where: { $0.hasPrefix(name + "=") }) {
                options.append(word)
            }
        }
        guard let global = try? GlobalOptions.parse(options),
            let store = try? Session(global, attempt: "complete").store(),
            let layers = try? store.layers(matching: [])
        else { return [] }
        return layers.map(\.id)
    }
}
