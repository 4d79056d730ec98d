#!/usr/bin/env python3
"""Runs the commands of pages and compares what they print.

Usage: documented_commands.py BIN_DIR SOURCE_DIR PAGE...

A fenced block marked `console` is a session: lines that begin with `$ ` are commands, run by bash from the
repository's root, and what follows each is exactly what it prints. A line `...` stands for any number of lines.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

MARK = "\x01"


def sessions(page):
    """Lists of [command, expected lines] for each block."""
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.S | re.M):
        steps = []
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append([line[2:], []])
            else:
                steps[-1][1].append(line)
        yield steps


def matches(expected, printed):
    if not expected:
        return not printed
    if expected[0] == "...":
        return any(matches(expected[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and expected[0] == printed[0] and matches(expected[1:], printed[1:])


def run(steps, source, environment):
    # One shell a session, so that `$?` is that of the command before.
    script = "".join(f"{command}\ncode=$?; printf '{MARK}\\n'; (exit $code)\n" for command, _ in steps)
    done = subprocess.run(["bash", "-c", script], cwd=source, env=environment, capture_output=True, text=True,
                          check=False, timeout=120)
    return done.stdout.split(MARK + "\n"), done.stderr


def prove():
    steps = list(sessions("```console\n$ printf 'a\\nb\\n'; false\n...\nb\n$ echo $?\n1\n```\n"))[0]
    printed, _ = run(steps, ".", dict(os.environ))
    assert all(matches(expected, text.splitlines()) for (_, expected), text in zip(steps, printed)), printed
    assert not matches(["a"], ["a", "b"]) and not matches(["...", "c"], ["a", "b"]) and not matches(["a"], [])


def main():
    for tool in ("bash", "jq"):
        if not shutil.which(tool):
            print(f"SKIPPED: {tool} is not installed")
            return 77
    prove()
    binaries, source = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    environment = dict(os.environ, PATH=binaries + os.pathsep + os.environ["PATH"], PLUMBLINE_DEMO_BIN_DIR=binaries)
    count = failed = 0
    for name in sys.argv[3:]:
        found = list(sessions((source / name).read_text(encoding="utf-8")))
        if not found:
            print(f"{name} has no session")
            failed += 1
        for steps in found:
            printed, errors = run(steps, source, environment)
            for (command, expected), text in zip(steps, printed):
                count += 1
                if not matches(expected, text.splitlines()):
                    failed += 1
                    print(f"{name}: $ {command}\n--- documented")
                    print("\n".join(expected) + f"\n--- printed\n{text}{errors}")
    print(f"{count} commands, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
