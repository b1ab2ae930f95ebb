#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The graphctl authors
"""Draws which target imports which, from the imports below Sources, for docs/ARCHITECTURE.md.

draw-targets.py prints a Mermaid graph. A dotted line is an import of what another import brings along anyway.
"""
import pathlib
import re

sources = pathlib.Path(__file__).resolve().parents[1] / "Sources"
targets = sorted(folder.name for folder in sources.iterdir())
imports = {}
for target in targets:
    text = "\n".join(file.read_text() for file in (sources / target).rglob("*.swift"))
    names = set(re.findall(r"^(?:public |package )?import (\w+)$", text, re.MULTILINE))
    imports[target] = sorted(names & set(targets) - {target})


def reachable(target):
    found = set()
    for name in imports[target]:
        found |= {name} | reachable(name)
    return found


print("graph TD")
for target in targets:
    for name in imports[target]:
        is_needed = not any(name in reachable(other) for other in imports[target] if other != name)
        print(f"    {target} {'-->' if is_needed else '-.->'} {name}")
