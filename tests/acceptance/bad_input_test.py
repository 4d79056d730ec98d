#!/usr/bin/env python3
"""Bad configuration and bad databases: exit code 2, a message that says where, and nothing is touched."""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

from harness import PRODUCTION, Failure, Skip, check, contains, equal, main

# What: (text of the configuration, after %(...)s are filled in, message as a regular expression after file:).
GOOD = """azure:
  cloud: {custom: {authority: "https://127.0.0.1:1", resource_manager: "https://127.0.0.1:1",
                   audience: "https://management.azure.com/"}}
baseline:
  assignments:
    - name: azure-monitor
      initiative: "%(initiative)s"
      parameters: {}
schedule: {sweep: 10s}
storage: {path: plumbline.db}
web: {listen: "127.0.0.1:0"}
"""
CONFIGURATIONS = {
    "unknown key": (("schedule: {sweep: 10s}", "schedule: {sweep: 10s, swep: 10s}"), r"9:24: unknown key `swep`"),
    "unknown key at the top": (("storage:", "storrage: {}\nstorage:"), r"10:1: unknown key `storrage`"),
    "duplicate key": (("storage:", "schedule: {sweep: 20s}\nstorage:"), r"10:1: the key `schedule` is given twice"),
    "duplicate key in a mapping": (("{sweep: 10s}", "{sweep: 10s, sweep: 20s}"),
                                   r"9:24: the key `sweep` is given twice"),
    "wrong type: a list for a text": (("path: plumbline.db", "path: [a, b]"), r"10:17: `path` must be a string"),
    "wrong type: a text for a mapping": (("schedule: {sweep: 10s}", "schedule: often"),
                                         r"9:11: schedule must be a mapping"),
    "wrong type: a mapping for a list": (("    - name: azure-monitor\n      initiative",
                                          "      name: azure-monitor\n      initiative"),
                                         r"6:7: `assignments` must be a list"),
    "no duration": (("sweep: 10s", "sweep: soon"), r"9:19: `sweep` must be a duration"),
    "too short a duration": (("sweep: 10s", "sweep: 1s"), r"9:19: `sweep` must be at least 5s"),
    "no address": (("127.0.0.1:0", "127.0.0.1:99999"), r"11:15: .* is not an address:port"),
    "plain http for tokens": (("resource_manager: \"https:", "resource_manager: \"http:"),
                              r"2:\d+: `resource_manager` must be an https:// origin"),
    "no YAML": (("storage:", "storage: ["), r"\d+:\d+: "),
    "empty": ((GOOD, ""), r"1:1: "),
}


def snapshot(directory):
    """Every file with its mode and contents."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            found[os.path.relpath(path, directory)] = (digest, os.stat(path).st_mode)
    return found


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def refused(test, config, pattern, what, commands=("serve", "once")):
    """Exit code 2, the message, and a directory that is as it was."""
    directory = os.path.dirname(config)
    before = snapshot(directory)
    for command in commands:
        done = test.run(command, "--config.file=" + config, imds_port=1)
        equal(done.returncode, 2, f"{what}: exit code of {command} ({done.stderr[-300:]})")
        check(re.search(pattern, done.stderr), f"{what}: {command} says {done.stderr!r}, not {pattern!r}")
        check("terminate called" not in done.stderr and "internal error" not in done.stderr,
              f"{what}: {done.stderr!r}")
        after = snapshot(directory)
        check(after == before, f"{what}: {command} changed {sorted(set(after.items()) ^ set(before.items()))}")


def configurations(test):
    failures = []
    for what, ((old, new), pattern) in CONFIGURATIONS.items():
        directory = test.directory("config")
        text = GOOD.replace(old, new)
        check(text != GOOD, f"{what}: the configuration is not changed")
        path = os.path.join(directory, "plumbline.yaml")
        write(path, text % {"initiative": test.selected_baseline})
        try:
            refused(test, path, re.escape(path) + ":" + pattern, what, ("serve", "once", "check-config"))
        except Failure as error:
            failures.append(str(error))
    check(not failures, "\n".join(failures))


def the_good_one_is_good(test):
    directory = test.directory("config")
    path = os.path.join(directory, "plumbline.yaml")
    write(path, GOOD % {"initiative": test.selected_baseline})
    done = test.run("check-config", "--config.file=" + path)
    equal(done.returncode, 0, f"exit code of check-config ({done.stderr})")
    contains(done.stdout, "ok: 1 assignments, 16 checks", "check-config")
    equal(sorted(os.listdir(directory)), ["plumbline.yaml"], "files beside the configuration")


def no_room_for_results(test):
    """Exit code 2 and what is wrong, for little output and for much, whatever was found."""
    simulator = test.simulator()
    config = test.configure(simulator, baseline=test.baseline)
    test.once(config, simulator)
    flag = "--config.file=" + config
    definition = os.path.join(test.baseline, "definitions")
    resource = os.path.join(test.directory("resource"), "x.jsonl")
    write(resource, json.dumps({"id": f"/subscriptions/{PRODUCTION}/resourceGroups/rg/providers/"
                                      "Microsoft.Insights/components/c", "type": "Microsoft.Insights/components"}))
    commands = [("version",), ("--help",), ("once", "--help"), ("check-config", flag), ("doctor", flag), ("plan", flag),
                ("once", flag), ("once", flag, "--format", "html"), ("report", flag), ("report", flag, "--format", "json"),
                ("report", flag, "--format", "html"), ("report", flag, "--at", "2100-01-01T00:00:00Z"),
                ("history", flag, "/subscriptions/" + PRODUCTION), ("verify", flag),
                ("export", flag, "--what", "verdicts"), ("export", flag, "--what", "drift"),
                ("drift", "list", flag), ("drift", "export", flag), ("backup", flag, flag.partition("=")[2] + ".copy"),
                ("policy", "lint", definition), ("policy", "test", os.path.join(test.baseline, "cases")),
                ("evaluate", "--baseline", test.baseline, resource),
                ("evaluate", "--baseline", test.baseline, "--format", "sarif", resource)]
    for arguments in commands:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([test.binary("plumbline"), *arguments], stdin=subprocess.DEVNULL, stdout=full,
                                  stderr=subprocess.PIPE, text=True, check=False, timeout=120,
                                  env=test.environment(simulator))
        equal(done.returncode, 2, f"exit code of {arguments} ({done.stderr[-300:]})")
        last = done.stderr.strip().splitlines()[-1]
        equal(last, "plumbline: standard output cannot be written", f"what {arguments} says")


def files_that_are_named(test):
    """check-config looks at what is read later; a daemon would start."""
    directory = test.directory("config")
    path = os.path.join(directory, "plumbline.yaml")
    secret = os.path.join(directory, "secret")
    webhook = ("events:\n  webhooks: [{name: a, url: 'https://h/x', secret: {file: secret}}]\n"
               "  log: true\nlog: {level: error}\n")
    good = GOOD % {"initiative": test.selected_baseline} + webhook
    write(path, good)
    line = good.splitlines().index(webhook.splitlines()[1]) + 1
    done = test.run("check-config", "--config.file=" + path)
    equal(done.returncode, 2, "exit code without the secret")
    equal(done.stderr, f"{path}:{line}:59: `secret`: {secret}: No such file or directory\n", "what is said")
    findings = json.loads(test.run("doctor", "--config.file=" + path, "--format", "json").stdout)["findings"]
    equal((findings[0]["check"], findings[0]["health"]), ("config", "FAIL"), "the first line of doctor")
    write(secret, "whsec_MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw\n")
    done = test.run("check-config", "--config.file=" + path)
    equal((done.returncode, done.stderr), (0, ""), "exit code with it")
    contains(done.stdout, f"{path}:{line + 1}:8: `log` writes lines of level info, which `log.level: error` hides",
             "the warning")


def missing_files(test):
    directory = test.directory("config")
    path = os.path.join(directory, "absent.yaml")
    refused(test, path, re.escape(path) + ": No such file", "missing configuration")
    path = os.path.join(directory, "plumbline.yaml")
    write(path, GOOD % {"initiative": "no/such/baseline"})
    refused(test, path, "no/such/baseline/initiative.json: No such file", "missing baseline")
    write(path, (GOOD % {"initiative": test.selected_baseline}).replace("path: plumbline.db", "path: no/where/plumbline.db"))
    refused(test, path, "the directory .*no/where does not exist", "missing directory of the database")


def broken_baselines(test):
    def with_baseline(change):
        directory = test.directory("config")
        shutil.copytree(test.selected_baseline, os.path.join(directory, "baseline"))
        change(os.path.join(directory, "baseline"))
        path = os.path.join(directory, "plumbline.yaml")
        write(path, GOOD % {"initiative": "baseline"})
        return path

    name = "definitions/IM-3.1-vm-identity.json"

    def edited(edit):
        def change(baseline):
            path = os.path.join(baseline, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            changed = edit(text)
            check(changed != text, "the definition is not changed")
            write(path, changed)
        return change

    def rule(text, edit):
        definition = json.loads(text)
        edit(definition["properties"]["policyRule"])
        return json.dumps(definition, indent=2)

    refused(test, with_baseline(edited(lambda text: text[:len(text) // 2])),
            re.escape(name) + r":\d+:\d+: ", "definition cut in half")
    refused(test, with_baseline(edited(lambda text: text.replace("\"properties\": {", "\"properties\": {,", 1))),
            re.escape(name) + r":\d+:\d+: ", "comma too many")
    refused(test, with_baseline(edited(lambda text: rule(text, lambda policy: policy.update(
        {"if": {"field": "Microsoft.Compute/virtualMachines/noSuchAlias", "equals": "x"}})))),
            re.escape(name) + r":\d+:\d+: .*noSuchAlias", "unknown alias")
    refused(test, with_baseline(edited(lambda text: rule(text, lambda policy: policy.update(
        {"if": {"field": "type", "equalz": "x"}})))), re.escape(name) + r":\d+:\d+: .*equalz", "unknown operator")
    refused(test, with_baseline(edited(lambda text: rule(text, lambda policy: policy.update(
        {"if": {"field": "type", "equals": "[parameters('nowhere')]"}})))),
            re.escape(name) + r":\d+:\d+: .*nowhere", "undeclared parameter")
    refused(test, with_baseline(lambda baseline: write(os.path.join(baseline, "initiative.json"), "{")),
            r"initiative\.json:\d+:\d+: ", "initiative that is no JSON")
    features = "features.json"
    refused(test, with_baseline(lambda baseline: write(os.path.join(baseline, features), '{"features": [{"id": 1}]}')),
            r"features\.json:1:\d+: `id` must be a text", "feature without an id")
    refused(test, with_baseline(lambda baseline: os.remove(os.path.join(baseline, name))),
            "IM-3.1-vm-identity", "definition that is not there")

    directory = test.directory("config")
    path = os.path.join(directory, "plumbline.yaml")
    write(path, (GOOD % {"initiative": test.selected_baseline}).replace("parameters: {}", "parameters: {no_such: 1}"))
    refused(test, path, "assignment azure-monitor: .*has no parameter `no_such`", "unknown parameter")


def stored(test):
    """A store with a pass in it, and its configuration."""
    simulator = test.simulator()
    config = test.configure(simulator)
    equal(test.once(config, simulator).returncode, 1, "exit code of the pass")
    simulator.kill()
    return config, config.replace("plumbline.yaml", "plumbline.db")


def newer_schema(test):
    config, store = stored(test)
    connection = sqlite3.connect(store)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version={version + 1}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    refused(test, config, f"plumbline.db: .*has schema {version + 1}, .*newer version", "newer schema")


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=DELETE").fetchall()  # else readers are not kept out
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def locked(test):
    config, store = stored(test)
    # In a process of its own: closing a file drops the locks that the same process holds on it.
    with subprocess.Popen([sys.executable, "-c", LOCKER, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as locker:
        try:
            equal(locker.stdout.readline(), "locked\n", "the other process")
            refused(test, config, r"plumbline\.db: .*locked", "locked database")
        finally:
            locker.kill()


def not_ours(test):
    for what, make, pattern in (
            ("random bytes", lambda path: open(path, "wb").write(os.urandom(8192)),
             r"plumbline\.db: .*(not a database|damaged)"),
            ("a text", lambda path: open(path, "w", encoding="utf-8").write("hello\n" * 1000),
             r"plumbline\.db: .*(not a database|damaged)"),
            ("another program's database", None, r"plumbline\.db: .*belongs to another program")):
        simulator = test.simulator()
        config = test.configure(simulator)
        store = config.replace("plumbline.yaml", "plumbline.db")
        with open(store + ".key", "wb") as key:
            key.write(os.urandom(32))
        os.chmod(store + ".key", 0o600)
        if make:
            make(store)
        else:
            connection = sqlite3.connect(store)
            connection.execute("CREATE TABLE songs (title TEXT)")
            connection.execute("INSERT INTO songs VALUES ('Imagine')")
            connection.commit()
            connection.close()
        with open(store + ".lock", "w", encoding="utf-8"):
            pass
        os.chmod(store + ".lock", 0o600)
        refused(test, config, pattern, what)
        simulator.kill()


def damaged(test):
    config, store = stored(test)
    size = os.path.getsize(store)
    with open(store, "r+b") as file:
        for offset in range(8192, size - 4096, 4096):
            file.seek(offset)
            file.write(b"\xff" * 512)
    refused(test, config, r"plumbline\.db: .*(damaged|malformed)", "damaged database")


def keys(test):
    config, store = stored(test)
    os.chmod(store + ".key", 0o644)
    refused(test, config, r"plumbline\.db\.key: the redaction key is readable by others", "open key")
    os.chmod(store + ".key", 0o600)
    with open(store + ".key", "ab") as key:
        key.write(b"x")
    refused(test, config, r"plumbline\.db\.key: not a redaction key", "key of a wrong size")
    os.remove(store + ".key")
    refused(test, config, r"plumbline\.db\.key: the redaction key of the database is missing", "missing key")


def a_read_only_directory(test):
    """As somebody who may not write there: root may write everywhere, so root becomes nobody."""
    directory = test.directory("config")
    path = os.path.join(directory, "plumbline.yaml")
    baseline = os.path.join(directory, "baseline")
    shutil.copytree(test.selected_baseline, baseline)
    write(path, GOOD % {"initiative": "baseline"})
    os.chmod(test.temporary, 0o755)
    os.chmod(directory, 0o555)
    somebody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    before = snapshot(directory)
    try:
        for command in ("serve", "once"):
            try:
                done = subprocess.run([test.binary("plumbline"), command, "--config.file=" + path],
                                      capture_output=True, text=True, check=False, timeout=60, **somebody)
            except PermissionError as error:
                raise Skip(f"nobody may not run the program: {error}") from error
            equal(done.returncode, 2, f"exit code of {command} ({done.stderr})")
            check(re.search(r"plumbline\.db.*Permission denied", done.stderr), f"{command} says {done.stderr!r}")
            equal(snapshot(directory), before, f"files after {command}")
    finally:
        os.chmod(directory, 0o755)


def a_port_in_use(test):
    simulator = test.simulator()
    config = test.configure(simulator, listen=f"127.0.0.1:{simulator.imds_port}")
    done = test.run("serve", "--config.file=" + config, simulator=simulator)
    equal(done.returncode, 2, f"exit code ({done.stderr})")
    contains(done.stderr, f"cannot listen on 127.0.0.1 port {simulator.imds_port}: Address already in use", "message")


def arguments(test):
    for line in (["serve", "--no-such-flag"], ["frobnicate"], [], ["once", "--format", "xml"],
                 ["serve", "--log.level=loud"]):
        done = subprocess.run([test.binary("plumbline"), *line], capture_output=True, text=True, check=False,
                              timeout=60)
        equal(done.returncode, 2, f"exit code of plumbline {line}")
        check(done.stderr.strip(), f"plumbline {line} says nothing")


if __name__ == "__main__":
    main([configurations, the_good_one_is_good, no_room_for_results, files_that_are_named, missing_files,
          broken_baselines, newer_schema, locked, not_ours, damaged, keys, a_read_only_directory, a_port_in_use, arguments])
