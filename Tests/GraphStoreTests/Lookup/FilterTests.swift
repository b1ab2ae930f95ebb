// SPDX-License-Identifier: Apache-2.0
// Part of the graph-storage project.

import GraphCore
import GraphStore
import GraphTestSupport
import SystemPackage
import Testing

/// Layers picked in containerd's language.
@Suite struct FilterTests {
    /// The fields that filters of these tests ask for.
    private static let fields: [String: String] = [
        "name": "ns/1/x y", "kind": "active", "labels.foo": "bar", "labels.a.b/c": "1, 2",
        "labels.empty": "",
    ]

    private static func value(_ path: [String]) -> String? { fields[path.joined(separator: ".")] }

    @Test(arguments: [
        ("name", true), ("missing", false), ("labels.foo", true), ("labels.empty", true),
        ("labels.other", false), ("kind==active", true), ("kind == active", true),
        ("kind==view", false), ("kind!=view", true), ("missing!=x", true), ("missing!=\"\"", false),
        ("missing==\"\"", false), ("labels.empty==\"\"", true), ("kind~=act", true),
        ("kind~=^a.*e$", true), ("kind~=/^view/", false), ("kind~=|^(view\\|active)$|", true),
        ("missing~=/^$/", true), ("name==\"ns/1/x y\"", true), ("name~=\"x y\"", true),
        ("labels.\"a.b/c\"==\"1, 2\"", true), ("\"labels\".foo==bar", true),
        ("labels.foo==bar,kind==active", true), ("labels.foo==bar, kind==view", false),
        ("labels.foo==\"\\x62\\141r\"", true), ("labels.foo==\"\\u0062ar\"", true),
        ("name,labels.foo", true), ("kind==act\"ive", false),
    ])
    func `a filter means what it means to containerd`(_ text: String, _ isTrue: Bool) throws {
        #expect(try LayerFilter(parsing: text).matches(Self.value) == isTrue)
    }

    @Test(arguments: [
        "", ",", "a,", ",a", ".", "a.", "a b", "a=b", "a===b", "a==", "a==,", "a==\"", "a==\"\\q\"",
        "a==/b/", "a!=|b|", "/a/==b", "a==b c", "a==b ", "a~=/(/", "a~=/(?i)x/", "a~=\"\\\\d\"",
        "a~=/x{1001}/", "a~=/(x{40}){40}/", "a==\"\\xFF\"", "a==\"\\777\"", "a==\"\\U00110000\"",
        "ä==b", "a==\u{0}", "a&b", "a==.b", "a~=[", "a~=\"(a)\\\\1\"",
    ])
    func `what makes no sense is refused`(_ text: String) {
        let error = #expect(throws: DriverError.self, "\(text)") {
            try LayerFilter(parsing: text)
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test func `any value can be asked for in quotes`() throws {
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        let scalars: [Unicode.Scalar] = [
            "a", "\"", "\\", "/", "|", ",", ".", " ", "\t", "\n", "é", "🦫", "=", "~", "\u{0}",
        ]
        for _ in 0..<2_000 {
            func text() -> String {
                var text = String.UnicodeScalarView()
                for _ in 0..<Int.random(in: 0..<6, using: &random) {
                    text.append(scalars.randomElement(using: &random) ?? "a")
                }
                return String(text)
            }
            func quoted(_ text: String) -> String {
                "\""
                    + text.unicodeScalars.map { scalar in
                        switch scalar {
                        case "\"", "\\": "\\\(scalar)"
                        case "\n", "\0": "\\x0" + String(scalar.value, radix: 16)
                        default: String(scalar)
                        }
                    }.joined() + "\""
            }
            let (key, wanted, other) = (text(), text(), text())
            let filter = try LayerFilter(
                parsing: "labels.\(quoted(key))==\(quoted(wanted)), name != \(quoted(other))")
            let answers = filter.matches { path in
                path == ["labels", key] ? wanted : path == ["name"] ? other + "x" : nil
            }
            #expect(answers)
            #expect(!filter.matches { $0 == ["labels", key] ? wanted + "x" : nil })
        }
    }

    @Test func `no text traps`() {
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        let pieces = [
            "a", "labels", ".", "==", "!=", "~=", "=", ",", "\"", "/", "|", "\\", "x", "(", ")",
            "[",
            "{9}", "*", "\u{0}", "\u{2028}", " ", "\\u12", "\\x", "777", "é", "^", "$",
        ]
        var valid = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<9, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            if let filter = try? LayerFilter(parsing: text) {
                valid += 1
                _ = filter.matches(Self.value)
            }
        }
        #expect(valid > 100)
    }

    @Test func `lists are filtered, ordered and given out page by page`() throws {
        let fixture = try StoreFixture()
        let store = try fixture.open()
        var random = SeededGenerator(seed: SeededGenerator.runSeed)
        for number in 0..<60 {
            let labels = random.chance(50) ? ["k": "\(number % 3)"] : [:]
            let name = random.chance(50) ? "n/\(number)" : nil
            if random.chance(50) {
                _ = try store.create(name: name, labels: labels)
            } else {
                _ = try store.createView(name: name, labels: labels)
            }
        }
        let all = try store.layers()
        for texts in [
            [], ["labels.k"], ["labels.k==1"], ["labels.k==1", "kind==view"], ["name"],
            ["kind==active,labels.k!=2"], ["name~=/[05]$/"], ["name==\"n/7\""], ["parent"],
            ["labels.k==0,labels.k==1"],
        ] {
            let filters = try texts.map { try LayerFilter(parsing: $0) }
            let wanted = all.filter { layer in
                filters.isEmpty || filters.contains { $0.matches(layer) }
            }
            #expect(try store.layers(where: filters) == wanted, "\(texts)")
            for limit in [1, 7, 60, 61] {
                var found: [Layer] = []
                while true {
                    let page = try store.layers(
                        where: filters, after: found.last?.number, limit: limit)
                    #expect(page.count <= limit)
                    if page.isEmpty { break }
                    found += page
                }
                #expect(found == wanted, "\(texts), \(limit) a page")
            }
        }
    }
}
