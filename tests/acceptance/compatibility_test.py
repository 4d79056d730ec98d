#!/usr/bin/env python3
"""What a release has promised is still there: compares the program with the manifests of earlier releases.

A name that is gone, or that means something else, fails unless CHANGELOG.md has it in backquotes under "### Breaking
changes" of a later version. scripts/make-compatibility records a release.
"""

import copy
import glob
import json
import os

from harness import check, equal, main
from manifest import breaking_changes, complaints, manifest_of


def the_comparison_finds_what_it_is_for(_):
    old = {"metrics": {"a": "gauge x", "b": "counter"}, "store": {"schema": "3"}, "api": {"f": "null"}}
    new = {"metrics": {"a": "gauge x", "b": "counter", "c": "gauge"}, "store": {"schema": "4"}, "api": {"f": "string"}}
    equal(list(complaints(old, new, set())), [], "additions")
    gone = copy.deepcopy(new)
    del gone["metrics"]["a"]
    equal(list(complaints(old, gone, set())), ["metrics: a is gone"], "a metric that is gone")
    changed = copy.deepcopy(new)
    changed["metrics"]["a"] = "gauge x y"
    equal(list(complaints(old, changed, set())), ["metrics: a was 'gauge x', is 'gauge x y'"], "another label")
    older = copy.deepcopy(new)
    older["store"]["schema"] = "2"
    equal(len(list(complaints(old, older, set()))), 1, "an older schema")
    log = "# C\n\n## Unreleased\n\n### Breaking changes\n\n* `a` is now `z`.\n\n### More\n\n* `b`\n\n## 0.1.0\n\n" \
          "### Breaking changes\n\n* `q`\n"
    equal(breaking_changes(log, "0.1.0"), {"a", "z"}, "what the changelog owns up to")
    equal(list(complaints(old, gone, breaking_changes(log, "0.1.0"))), [], "a metric that is gone, and said to be")


def nothing_promised_is_gone(test):
    files = sorted(glob.glob(os.path.join(test.source_dir, "tests", "data", "compatibility", "*.json")))
    check(files, "no release is recorded")
    now = manifest_of(test)
    with open(os.path.join(test.source_dir, "CHANGELOG.md"), encoding="utf-8") as file:
        changelog = file.read()
    found = []
    for path in files:
        with open(path, encoding="utf-8") as file:
            recorded = json.load(file)
        allowed = breaking_changes(changelog, recorded["version"])
        found += [f"since {recorded['version']}: {line}" for line in complaints(recorded["names"], now, allowed)]
    check(not found, "\n".join(["CHANGELOG.md does not have under \"### Breaking changes\":", *found]))


if __name__ == "__main__":
    main([the_comparison_finds_what_it_is_for, nothing_promised_is_gone])
