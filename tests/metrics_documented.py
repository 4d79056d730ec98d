#!/usr/bin/env python3
"""Holds docs/metrics.md and the metrics of the code equal.

Usage: metrics_documented.py SOURCE_DIR. Takes every metric name out of the C++ sources of the daemon and its
modules, and every name out of the first column of the tables in docs/metrics.md, and exits 1 when either has one
that the other lacks. The test proves itself first: a planted difference on either side must be found.
"""
import pathlib
import re
import sys

FOLDERS = ("core", "config", "policy", "compliance", "net", "collectors", "storage", "events", "daemon")
NAME = r"(?:plumbline|process)_[a-z0-9_]+"
# A metric is registered by a builder, by daemon/daemon_metrics.cpp's gauge(), or rendered as a family.
REGISTERED = re.compile(r"(?:\.Name\(|\.family\(|\bfamily\(|\bgauge\(\s*\*?\w+,)\s*\"(" + NAME + ")\"")
# Any other string that looks like a metric's name is a way of registering that this test does not know.
MENTIONED = re.compile(r"\"(" + NAME + r"_(?:total|seconds|bytes|ratio|info|fds|open|resources|remaining))\"")
DOCUMENTED = re.compile(r"^\|\s*`(" + NAME + ")`")


def strip_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def registered(text):
    return set(REGISTERED.findall(strip_comments(text)))


def mentioned(text):
    return set(MENTIONED.findall(strip_comments(text)))


def documented(text):
    return [match.group(1) for match in map(DOCUMENTED.match, text.splitlines()) if match]


def complaints(in_code, elsewhere, in_page):
    for name in sorted(in_code - set(in_page)):
        yield f"docs/metrics.md does not describe {name}"
    for name in sorted(set(in_page) - in_code):
        yield f"docs/metrics.md describes {name}, which the code does not have"
    for name in sorted({name for name in in_page if in_page.count(name) > 1}):
        yield f"docs/metrics.md describes {name} twice"
    for name in sorted(elsewhere - in_code):
        yield f"{name} looks like a metric, but this test does not see it registered: teach it how"


def prove():
    code = 'x.Name("plumbline_a_total").Help(""); gauge(registry, "process_b", ""); out.family("plumbline_c", "gauge", "");'
    assert registered(code + '// .Name("plumbline_d")') == {"plumbline_a_total", "process_b", "plumbline_c"}
    page = documented("| `plumbline_a_total` | counter |\n| `process_b` |\ntext `plumbline_c`\n| `plumbline_e` |")
    found = list(complaints(registered(code), mentioned('f("plumbline_g_total")'), page))
    assert len(found) == 3, found


def main():
    root = pathlib.Path(sys.argv[1])
    prove()
    in_code, elsewhere = set(), set()
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]pp")):
            text = path.read_text()
            in_code |= registered(text)
            elsewhere |= mentioned(text)
    in_page = documented((root / "docs" / "metrics.md").read_text())
    found = list(complaints(in_code, elsewhere, in_page))
    print("\n".join(found + [f"{len(in_code)} metrics in the code, {len(in_page)} described, {len(found)} complaints"]))
    return 1 if found or not in_code else 0


if __name__ == "__main__":
    sys.exit(main())
