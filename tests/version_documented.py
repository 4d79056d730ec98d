#!/usr/bin/env python3
"""The version comes from CMakeLists.txt; everything that repeats it says the same.

Usage: version_documented.py PLUMBLINE SOURCE_DIR
"""
import pathlib
import re
import subprocess
import sys


def main():
    program, root = sys.argv[1], pathlib.Path(sys.argv[2])

    def found(name, pattern):
        text = (root / name).read_text(encoding="utf-8")
        return [(name, version) for version in re.findall(pattern, text, re.M)]

    number = r"(\d+\.\d+\.\d+)"
    version = found("CMakeLists.txt", rf"project\(plumbline VERSION {number}")[0][1]
    printed = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    said = [("plumbline version", printed.removeprefix("plumbline ").strip())]
    # The newest entry counts: those below it are of older releases.
    said += found("packaging/debian/changelog", rf"\Aplumbline \({number}-\d+\)")
    said += found("CHANGELOG.md", rf"\A# Changelog\n[^#]*## (?:Unreleased\n\nFirst cut of )?{number}")
    said += found("docker/kubernetes/base/kustomization.yaml", rf"^ *newTag: {number}$")
    for name in ("README.md", "docs/install.md"):
        said += found(name, rf"plumbline_{number}-\d+_amd64")
    sources = {name for name, _ in said}
    problems = [f"{name} says {other}, CMakeLists.txt {version}" for name, other in said if other != version]
    problems += [f"{name} does not say a version any more" for name in
                 ("packaging/debian/changelog", "CHANGELOG.md", "docker/kubernetes/base/kustomization.yaml", "README.md",
                  "docs/install.md") if name not in sources]
    print("\n".join(problems + [f"version {version}, repeated {len(said)} times in {len(sources)} places"]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
