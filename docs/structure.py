#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""Counts what the size of the house is told by: structure.py [TREE], a checkout of this repository.

Methods are functions and initialisers of a type and its extensions in all files; types within types count as
types of their own. What a protocol describes (defaults of Driver, witnesses) needs no comment of its own.
"""
import collections
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
declaration = re.compile(
    r"^(\s*)((?:(?:public|package|private|fileprivate|internal|final|indirect|static|mutating|consuming|"
    r"nonisolated|borrowing|convenience|override)\s+)*)"
    r"(class|struct|enum|protocol|extension|actor|func|init|var|let|typealias|subscript)\b[ ?!<]*([\w.]*)")
witness = re.compile(r"(func (read\(into|write\(_ bytes|finish\(\)|makeIterator|next\(\))|let rawValue)")
methods, internal = collections.Counter(), collections.Counter()
public = undocumented = 0
for file in sorted((root / "Sources").rglob("*.swift")):
    owners, lines = [], file.read_text().split("\n")
    for number, line in enumerate(lines):
        found = declaration.match(line)
        if not found or line.lstrip().startswith("//"):
            continue
        indent, modifiers, kind, name = len(found[1]), found[2].split(), found[3], found[4]
        while owners and owners[-1][0] >= indent:
            owners.pop()
        if "public" in modifiers:
            public += 1
            above = number - 1
            while above >= 0 and lines[above].lstrip().startswith("@"):
                above -= 1
            described = file.name == "Driver+Defaults.swift" or witness.search(line)
            if kind != "extension" and not described and not lines[above].lstrip().startswith("///"):
                undocumented += 1
        if kind in ("class", "struct", "enum", "protocol", "extension", "actor"):
            owners.append((indent, name))
        elif kind in ("func", "init") and owners and indent == owners[-1][0] + 4:
            methods[owners[-1][1]] += 1
            if not {"public", "private", "fileprivate"} & set(modifiers):
                internal[owners[-1][1]] += 1
folders = collections.Counter(
    str(file.parent.relative_to(root)) for top in ("Sources", "Tests") for file in (root / top).rglob("*.swift")
    if ".build" not in file.parts)
print("largest types, methods:", ", ".join(f"{n} {c}" for n, c in methods.most_common(4)))
print("methods of LayerStore:", methods["LayerStore"], "of which neither public nor private:", internal["LayerStore"])
print("fullest folders:", ", ".join(f"{n} {c}" for n, c in folders.most_common(3)))
print("public declarations:", public, "of which without a comment:", undocumented)
page = root / "docs/ARCHITECTURE.md"
if page.exists() and "Five ways through it" in page.read_text():
    ways = page.read_text().split("Five ways through it", 1)[1].split("A mount passes", 1)[0]
    for name, types in re.findall(r"- \*\*([\w ]+)\*\*:((?:.|\n(?!-|\n))*)", ways):
        names = re.findall(r"`(\w+)`", types)
        print(f"way of {name}: {len(set(names))} types, {len(names) - 1} hops: {' '.join(names)}")
