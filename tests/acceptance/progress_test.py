#!/usr/bin/env python3
"""Long work shows one rewritten line on a terminal, and nothing of it anywhere else."""

import json
import os
import pty
import re
import select
import subprocess
import time

from harness import PATIENCE, PRODUCTION, check, contains, equal, main


def drain(descriptor, seconds):
    """What a terminal is given within a time."""
    seen = b""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([descriptor], [], [], left)[0]:
            try:
                part = os.read(descriptor, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    return seen.decode()


def on_terminal(test, *arguments, term="xterm", no_color=None, stdout_too=False, added=()):
    """Exit code, standard output, and what standard error, a terminal, was given."""
    environment = {key: value for key, value in os.environ.items() if key not in ("TERM", "NO_COLOR")}
    environment["TERM"] = term
    environment.update(added)
    if no_color is not None:
        environment["NO_COLOR"] = no_color
    master, slave = pty.openpty()
    child = subprocess.Popen([test.binary("plumbline"), *arguments], stdin=subprocess.DEVNULL, stderr=slave,
                             stdout=slave if stdout_too else subprocess.PIPE, env=environment)
    os.close(slave)
    try:
        seen = ""
        if not stdout_too:
            # A reader that waits: more rows than a pipe holds keep an export going.
            seen = drain(master, 1.5)
            output = child.stdout.read().decode()
        else:
            output = ""
        seen += drain(master, PATIENCE if stdout_too else 5)
        return child.wait(PATIENCE), output, seen
    finally:
        child.kill()
        child.wait()
        os.close(master)


def lines_of(seen):
    """A line that is rewritten: no line feed, no escape, blanks at the end."""
    check("\n" not in seen and "\x1b" not in seen, f"more than one line: {seen!r}")
    check(seen.startswith("\r") and seen.endswith("\r"), f"not rewritten: {seen!r}")
    parts = seen.split("\r")[1:-1]
    equal(parts[-1].strip(), "", "what is left in the line")
    check(len(parts[-1]) >= max(len(part) for part in parts), f"the line is not cleared: {seen!r}")
    return [part.strip() for part in parts[:-1]]


def each_command(test):
    simulator = test.simulator()
    config = test.configure(simulator, baseline=test.baseline)
    test.once(config, simulator)
    directory = os.path.dirname(config)
    copy = os.path.join(directory, "copy.db")
    flag = "--config.file=" + config
    cases = os.path.join(test.baseline, "cases")
    for arguments, begin, results in ((("backup", flag, copy), "copying ", copy + "\n"),
                                      (("verify", flag), "checking ", "cycles fit their chain"),
                                      (("restore", flag, copy), "restoring ", "restored from"),
                                      (("policy", "test", cases), "case files: ", " 0 failed"),
                                      (("export", flag, "--what=versions"), "rows: ", '{"')):
        code, output, seen = on_terminal(test, *arguments)
        equal(code, 0, f"exit code of {arguments}")
        contains(output, results, f"results of {arguments}")
        for line in lines_of(seen):
            check(line.startswith(begin) and line.endswith(" s"), f"{arguments}: {line!r}")

    # The export could not go on for more than a second, and said how far it was.
    check(len(output) > 1 << 17, f"too few rows to fill a pipe: {len(output)}")
    lines = lines_of(seen)
    check(any(line.endswith(", 1 s") for line in lines), f"progress of the export: {lines}")

    for what, options in (("NO_COLOR", {"no_color": "1"}), ("a dumb terminal", {"term": "dumb"})):
        code, output, seen = on_terminal(test, "export", flag, "--what=versions", **options)
        equal((code, seen), (0, ""), f"with {what}")
    check(lines_of(on_terminal(test, "export", flag, "--what=versions", no_color="")[2]), "with an empty NO_COLOR")
    # Rows on the same terminal are not interrupted.
    code, _, seen = on_terminal(test, "export", flag, "--what=drift", stdout_too=True)
    equal(code, 0, "exit code")
    check("rows: " not in seen and '{"' in seen, f"rows on a terminal: {seen[:300]!r}")
    # No terminal: nothing.
    for arguments in (("verify", flag), ("backup", flag, copy), ("export", flag, "--what=versions")):
        done = test.run(*arguments)
        equal((done.returncode, done.stderr), (0, ""), f"{arguments} without a terminal")


def on_the_way(test):
    """Commands that are done in one go, and a pass, whose log goes to the same terminal."""
    simulator = test.simulator()
    config = test.configure(simulator, baseline=test.baseline)
    flag = "--config.file=" + config
    environment = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{simulator.imds_port}"}
    code, output, seen = on_terminal(test, "once", flag, "--log.level=error", added=environment)
    equal(code, 1, "exit code of once")
    contains(output, "This pass observed", "results of once")
    lines = lines_of(seen)
    check(all(line.startswith("asking Azure: ") and line.endswith(" s") for line in lines), f"once: {lines}")
    check(any(re.fullmatch(r"asking Azure: \d+ resources, \d+ cycles, \d+ s", line) for line in lines), f"once: {lines}")

    code, output, seen = on_terminal(test, "once", flag, added=environment)
    contains(seen, "asking Azure: ", "progress beside the log")
    logged = seen.split("\n")
    check(len(logged) > 5, f"no log: {seen!r}")
    for line in logged[:-1]:
        check(line.rstrip("\r").rpartition("\r")[2].startswith("ts="), f"a line of the log begins within another: {line!r}")

    directory = os.path.dirname(config)
    resources = os.path.join(directory, "resources.jsonl")
    with open(resources, "w", encoding="utf-8") as file:
        for number in range(2000):
            file.write(json.dumps({"id": f"/subscriptions/{PRODUCTION}/resourceGroups/rg/providers/"
                                         f"Microsoft.Insights/components/c{number}",
                                   "type": "Microsoft.Insights/components", "name": f"c{number}", "location": "westeurope",
                                   "properties": {"DisableLocalAuth": False}}) + "\n")
    key = os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    pack = os.path.join(directory, "pack")
    exemptions = os.path.join(directory, "exemptions.yaml")
    with open(exemptions, "w", encoding="utf-8") as file:
        file.write("exemptions: []\n")
    for arguments, begin in ((("report", flag), "reading "),
                             (("report", flag, "--exemptions", exemptions), "reading "),
                             (("report", flag, "--at", "2100-01-01T00:00:00Z"), "reading "),
                             (("evaluate", "--baseline", test.baseline, resources), "resources: "),
                             (("export", flag, "--evidence", pack, "--key", key), "writing " + pack),
                             (("verify", pack), "checking " + pack)):
        code, output, seen = on_terminal(test, *arguments)
        check(code in (0, 1), f"exit code of {arguments}: {code}, {seen}")
        check(output, f"no results of {arguments}")
        for line in lines_of(seen):
            check(line.startswith(begin) and line.endswith(" s"), f"{arguments}: {line!r}")


def errors_have_a_line_of_their_own(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    code, _, seen = on_terminal(test, "verify", "--config.file=" + config)
    equal(code, 2, "exit code")
    contains(seen, "\rplumbline: ", "the message begins where a line begins")


if __name__ == "__main__":
    main([each_command, on_the_way, errors_have_a_line_of_their_own])
