#!/usr/bin/env python3
"""Checks every #include against the directions that ARCHITECTURE.md allows.

Usage: include_directions.py SOURCE_DIR. Exits 1 and names file:line for each include that a folder
may not make. The test proves itself first: a planted violation must be found.
"""
import pathlib
import re
import sys

# Folder -> folders it may include (itself always).
ALLOWED = {
    "core": set(),
    "config": {"core"},
    "policy": {"core"},
    "compliance": {"policy", "core"},
    "net": {"core"},
    "collectors": {"net", "core"},
    "storage": {"core"},
    "events": {"net", "core"},
    "daemon": {"events", "collectors", "storage", "compliance", "policy", "config", "net", "core"},
    "simulator": {"net", "core"},
}
# Library header -> the only folders that may include it.
LIBRARY_OWNERS = [
    (re.compile(r"^boost/beast"), {"net"}),
    (re.compile(r"^boost/asio"), {"net"}),
    (re.compile(r"^openssl/(ssl|err)"), {"net"}),
    (re.compile(r"^openssl/"), {"net", "core"}),
    (re.compile(r"^sqlite3"), {"storage"}),
    (re.compile(r"^yaml-cpp"), {"config"}),
    (re.compile(r"^CLI/"), {"daemon", "simulator"}),
    (re.compile(r"^crypt\.h"), {"daemon"}),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def violations(folder, name, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(2)
        first = target.split("/")[0]
        if match.group(1) == '"':
            if first not in ALLOWED:
                yield f"{name}:{number}: \"{target}\" is not a path from the source root"
            elif first != folder and first not in ALLOWED[folder]:
                yield f"{name}:{number}: {folder}/ may not include {target}"
        for pattern, owners in LIBRARY_OWNERS:
            if pattern.match(target):
                if folder not in owners and not (name == "net/task.hpp"):
                    yield f"{name}:{number}: only {', '.join(sorted(owners))} may include {target}"
                break


def main():
    root = pathlib.Path(sys.argv[1])
    planted = list(violations("policy", "planted.hpp", '#include "storage/x.hpp"\n#include <sqlite3.h>\n'))
    assert len(planted) == 2, planted
    found, files = [], 0
    for folder in ALLOWED:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp"):
                files += 1
                found += violations(folder, str(path.relative_to(root)), path.read_text())
    print("\n".join(found))
    print(f"{files} files, {len(found)} violations")
    return 1 if found or not files else 0


sys.exit(main())
