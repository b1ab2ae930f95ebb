// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

public import GraphCore

/// Picks layers, in the language that containerd has for its snapshots: selectors with commas between them,
/// all of which must match.
///
/// A selector is a field, for what has it at all, or a field, an operator and a value: `kind==active`,
/// `parent!="base"`, `name~=/^k8s/`, `labels."containerd.io/gc.root"`. The fields are `id`, `name`, `kind`,
/// `parent` (an id) and `labels.KEY`; what a layer does not have is empty text to `!=` and `~=`. Parts that
/// are no letters, digits or `_` are quoted as in Go, with `"`; behind `~=`, `/` and `|` quote as well. There
/// the value is an extended regular expression of POSIX, see ``FilterPattern``.
public struct LayerFilter: Sendable {
    /// How a field is compared.
    enum Comparison: Sendable {
        case isPresent
        case equals(String)
        case differs(String)
        case matches(FilterPattern)
    }

    /// A field, and what is asked of it.
    struct Selector: Sendable {
        let path: [String]
        let comparison: Comparison
    }

    let selectors: [Selector]

    /// Reads a filter.
    ///
    /// - Throws: ``GraphCore/DriverError/Code/invalidArgument`` with the place of what makes no sense.
    public init(parsing text: String) throws(DriverError) {
        var parser = FilterParser(text)
        selectors = try parser.selectors()
    }

    /// Whether a layer satisfies the filter.
    public func matches(_ layer: Layer) -> Bool {
        matches(
            id: layer.id, name: layer.name, kind: layer.kind, parent: layer.parent,
            labels: layer.labels)
    }

    /// Whether what has these fields satisfies the filter; nil for a field that it does not have.
    package func matches(
        id: String?, name: String?, kind: Layer.Kind, parent: String?, labels: [String: String]
    ) -> Bool {
        matches { path in
            switch path[0] {
            case "id" where path.count == 1: id
            case "name" where path.count == 1: name
            case "kind" where path.count == 1: kind.rawValue
            case "parent" where path.count == 1: parent
            case "labels" where path.count > 1: labels[path.dropFirst().joined(separator: ".")]
            default: nil
            }
        }
    }

    /// Whether something satisfies the filter whose fields `value` tells.
    package func matches(_ value: (_ path: [String]) -> String?) -> Bool {
        selectors.allSatisfy { selector in
            let found = value(selector.path)
            return switch selector.comparison {
            case .isPresent: found != nil
            case .equals(let wanted): found == wanted
            case .differs(let unwanted): found ?? "" != unwanted
            case .matches(let pattern): pattern.matches(found ?? "")
            }
        }
    }

    /// The label that a layer must have to satisfy the filter, where it asks for one.
    var label: LabelFilter? {
        for selector in selectors where selector.path.count > 1 && selector.path[0] == "labels" {
            let key = selector.path.dropFirst().joined(separator: ".")
            if key.isEmpty { continue }
            switch selector.comparison {
            case .isPresent: return LabelFilter(key: key)
            case .equals(let value): return LabelFilter(key: key, value: value)
            case .differs, .matches: continue
            }
        }
        return nil
    }
}
