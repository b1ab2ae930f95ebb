// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import ArgumentParser
import GraphCore
import GraphStore

extension CompletionKind {
    /// Completes the ids of layers, of the store that the line so far names.
    static let layer = CompletionKind.custom { words, _, _ in
        (try? store(of: words).layerIDs()) ?? []
    }

    /// Completes the names of images.
    static let image = CompletionKind.custom { words, _, _ in
        ((try? store(of: words).images.all()) ?? []).flatMap(\.names)
    }

    /// Completes both.
    static let layerOrImage = CompletionKind.custom { words, _, _ in
        guard let store = try? store(of: words) else { return [] }
        return ((try? store.layerIDs()) ?? [])
            + ((try? store.images.all()) ?? []).flatMap(\.names)
    }

    private static func store(of words: [String]) throws -> LayerStore {
        var options: [String] = []
        for name in ["--root", "--run-root"] {
            if let index = words.lastIndex(of: name), index + 1 < words.count {
                options += [name, words[index + 1]]
            } else if let word = words.last(where: { $0.hasPrefix(name + "=") }) {
                options.append(word)
            }
        }
        return try Session(try GlobalOptions.parse(options).settings) { "complete" }.store()
    }
}
