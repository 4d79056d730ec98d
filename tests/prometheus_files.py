#!/usr/bin/env python3
"""Lets Prometheus' and Alertmanager's own tools judge dashboards/prometheus: syntax, unit tests of the rules, examples.

Usage: prometheus_files.py SOURCE_DIR. A tool that is missing skips the test after the others have judged.
"""
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77


def main():
    folder = pathlib.Path(sys.argv[1]) / "dashboards" / "prometheus"
    tests = sorted(folder.glob("tests/*.yaml"))
    assert tests, "no tests of the rules"
    failed = missing = 0
    for tool, *arguments in (
            ("promtool", "check", "rules", "--lint=all", "--lint-fatal", folder / "plumbline.rules.yaml"),
            ("promtool", "test", "rules", *tests),
            ("promtool", "check", "config", folder / "prometheus.example.yaml"),
            ("amtool", "check-config", folder / "alertmanager.example.yaml")):
        if not shutil.which(tool):
            print(f"SKIPPED: {tool} is not installed")
            missing += 1
            continue
        done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
        print(f"{tool} {arguments[0]}: exit {done.returncode}")
        if done.returncode != 0:
            print(done.stdout + done.stderr)
            failed += 1
    return 1 if failed else SKIPPED if missing else 0


if __name__ == "__main__":
    sys.exit(main())
