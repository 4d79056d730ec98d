#!/usr/bin/env python3
"""Holds docs/troubleshooting.md and what the code can say equal.

Usage: troubleshooting_documented.py SOURCE_DIR. Takes the error words, the log events of level warn and error, the names
of log fields and the exit codes out of the C++ sources, and the first columns of the tables on the page; exits 1 when
either side has one that the other lacks, or a row is not filled in. The messages at the start are looked up in the
sources. The test proves itself first.
"""
import pathlib
import re
import sys

FOLDERS = ("core", "config", "policy", "compliance", "net", "collectors", "storage", "events", "daemon")
ERROR_WORD = re.compile(r"case Errc::k\w+:\s*return \"(\w+)\"")
# Reasons that no Errc has: constants of the policy engine, and words that metrics are given directly.
OTHER_REASON = re.compile(r"kNotCollected = \"(\w+)\"|count_error\([^;]*?, \"(\w+)\"\)")
EVENT = re.compile(r"(?:->|\.)(?:warn|error)\(\s*\"([a-z_]+)\"")
# The level is decided at run time: every event it may write.
CHOSEN = re.compile(r"(?:->|\.)write\([^{;]*LogLevel::k(?:Warn|Error)([^{;]*)\{")
FIELD = re.compile(r"string_view k\w+ = \"(\w+)\";")
EXIT = re.compile(r"constexpr int kExit\w+ = (\d+);")


def code_of(text):
    return re.sub(r"(?<!:)//[^\n]*", "", text)


def words(text):
    return set(ERROR_WORD.findall(text)) | {a or b for a, b in OTHER_REASON.findall(text)}


def events(text):
    return set(EVENT.findall(text)) | {name for part in CHOSEN.findall(text) for name in re.findall(r'"(\w+)"', part)}


def joined(text):
    """Adjacent string literals are one message."""
    return re.sub(r'"\s*\n\s*"', "", text)


def table(page, title):
    """The rows of a section's table, as lists of cells; the first cell without its backquotes."""
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.S | re.M)
    rows = []
    for line in (section.group(1) if section else "").splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows.append([cells[0].strip("`"), *cells[1:]])
    return rows


def complaints(page, title, in_code, columns):
    rows = table(page, title)
    named = [row[0] for row in rows]
    for name in sorted(in_code - set(named)):
        yield f"{title}: {name} is not described"
    for name in sorted(set(named) - in_code):
        yield f"{title}: {name} is described, but the code does not have it"
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"{title}: {name} is described twice"
    for row in rows:
        if len(row) != columns or not all(row):
            yield f"{title}: the row of {row[0]} is not filled in"


def prove():
    code = code_of('log->warn(\n "a_b", {}); log_.error("c"); // log->warn("d")\n log->write(x ? LogLevel::kInfo : '
                   'core::LogLevel::kWarn,\n y ? "e" : "f", {{k, "g"}}); log->info("h");')
    assert events(code) == {"a_b", "c", "e", "f"}, events(code)
    code = 'case Errc::kIo:\n return "io"; x kNotCollected = "nc"; m.count_error("arm:" + t, "row");'
    assert words(code) == {"io", "nc", "row"}, words(code)
    page = "## One\n| word | m |\n|---|---|\n| `a` | x |\n| `b` | |\n| `b` | \\|x |\n\n## Two\n| `c` | x |\n"
    found = list(complaints(page, "One", {"a", "d"}, 2))
    assert len(found) == 4, found


def main():
    root = pathlib.Path(sys.argv[1])
    prove()
    code = "\n".join(code_of(path.read_text(encoding="utf-8")) for folder in FOLDERS
                     for path in sorted((root / folder).rglob("*.[ch]pp")))
    page = (root / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    fields = set(FIELD.findall((root / "core" / "log.hpp").read_text(encoding="utf-8")))
    in_code = {"Log fields": fields, "Error words": words(code), "Log events": events(code), "Exit codes": set(EXIT.findall(code))}
    found = []
    for title, columns in (("Log fields", 2), ("Error words", 4), ("Log events", 4), ("Exit codes", 3)):
        found += complaints(page, title, in_code[title], columns)
    if len(fields) < 20 or len(in_code["Error words"]) < 19 or len(in_code["Log events"]) < 8 or len(in_code["Exit codes"]) < 4:
        found.append(f"the sources were not understood: {in_code}")
    messages = table(page, "Messages at the start")
    if len(messages) < 8:
        found.append("the messages at the start were not found on the page")
    text = joined(code)
    found += [f"Messages at the start: no source says `{row[0]}`" for row in messages if row[0] not in text]
    reasons = re.search(r"^### Reasons\n(.*?)^## ", (root / "docs" / "api.md").read_text(encoding="utf-8"), re.S | re.M)
    listed = set(re.findall(r"`([a-z_]+)`", reasons.group(1))) - {"reason"}
    found += [f"docs/api.md names a reason that does not exist: {name}"
              for name in sorted(listed - in_code["Error words"])]
    counts = ", ".join(f"{len(names)} {title.lower()}" for title, names in in_code.items())
    print("\n".join(found + [f"{counts}, {len(messages)} messages, {len(found)} complaints"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
