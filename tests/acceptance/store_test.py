#!/usr/bin/env python3
"""Copies of the store, what is done with a damaged one, history and exports beside a running daemon."""

import csv
import io
import json
import os
import shutil
import subprocess
import time

from harness import PRODUCTION, Skip, check, contains, equal, main, sqlite, wait_for

WORKSPACE = (f"/subscriptions/{PRODUCTION}/resourceGroups/RG-Contoso-AKS/providers/Microsoft.OperationalInsights/"
             f"workspaces/law-contoso-aks")
CHECK = "NS-2.2-workspace-public-query"


def with_backups(test, simulator, directory, **keys):
    """A configuration whose store has these keys as well."""
    extra = "".join(f", {key}: {value}" for key, value in keys.items())
    config = test.configure(simulator)
    with open(config, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("storage: {path: plumbline.db}",
                        f"storage: {{path: plumbline.db, backup: {{directory: \"{directory}\"{extra}}}}}")
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    return config


def copies(directory):
    return sorted(name for name in os.listdir(directory) if name.startswith("plumbline-"))


def copies_are_made_on_schedule(test):
    simulator = test.simulator()
    directory = test.directory("copies")
    hook = os.path.join(test.directory("hook"), "ship")
    shipped = hook + ".out"
    with open(hook, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho \"$1\" >> {shipped}\n")
    os.chmod(hook, 0o755)
    config = with_backups(test, simulator, directory, interval="5s", keep=2, after=hook)
    daemon = test.serve(config, simulator)
    wait_for("three copies", lambda: daemon.log().count(" event=backup_written ") >= 3, alive=[daemon])
    wait_for("rotation", lambda: len(copies(directory)) == 2, alive=[daemon])
    last = os.path.join(directory, copies(directory)[-1])
    equal(os.stat(last).st_mode & 0o777, 0o600, "mode of a copy")
    equal(test.run("verify", "--full", last).returncode, 0, "verify of a copy")
    check(time.time() - daemon.metric("plumbline_backup_last_success_timestamp_seconds") < 60, "time of the last copy")
    equal(daemon.metric("plumbline_backup_failures_total"), 0, "failures")
    with open(shipped, encoding="utf-8") as file:
        contains(file.read(), directory, "what the program was given")
    equal(daemon.stop(), 0, "exit code")


def a_copy_is_taken_and_put_back(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    store = config.replace("plumbline.yaml", "plumbline.db")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    before = sorted((row["reference"], row["resource_key"], row["state"]) for row in daemon.results())
    copy = os.path.join(test.directory("copies"), "now.db")
    done = test.run("backup", "--config.file=" + config, copy)
    equal((done.returncode, done.stdout), (0, copy + "\n"), f"backup beside a daemon ({done.stderr})")
    refused = test.run("restore", "--config.file=" + config, copy)
    equal(refused.returncode, 2, "restore beside a daemon")
    contains(refused.stderr, "another Plumbline is using this database", "message")
    equal(test.run("backup", "--config.file=" + config).returncode, 2, "backup without a place")
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    daemon.next_pass()
    check(sorted((row["reference"], row["resource_key"], row["state"]) for row in daemon.results()) != before,
          "nothing changed after the copy")
    daemon.stop()
    os.rename(store + ".key", store + ".key.away")
    refused = test.run("restore", "--config.file=" + config, copy)
    equal(refused.returncode, 2, "restore without the key")
    contains(refused.stderr, "the redaction key of the database is missing", "message")
    os.rename(store + ".key.away", store + ".key")
    done = test.run("restore", "--config.file=" + config, copy)
    equal(done.returncode, 0, f"restore ({done.stderr})")
    contains(done.stdout, "what was there is kept as " + store + ".replaced-", "message")
    simulator.kill()
    daemon = test.serve(config, imds_port=1)
    equal(sorted((row["reference"], row["resource_key"], row["state"]) for row in daemon.results()), before,
          "verdicts after the restore")


def a_damaged_store(test):
    simulator = test.simulator()
    directory = test.directory("copies")
    config = with_backups(test, simulator, directory)
    store = config.replace("plumbline.yaml", "plumbline.db")
    test.once(config, simulator)
    equal(test.run("backup", "--config.file=" + config).returncode, 0, "backup into the directory")
    with open(store, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 8192)
    refused = test.run("serve", "--config.file=" + config, simulator=simulator)
    equal(refused.returncode, 2, "exit code with a damaged store")
    contains(refused.stderr, "`plumbline restore FILE` puts a backup in its place", "advice")
    shutil.copy(config, config + ".old")
    with open(config + ".old", encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace(f"directory: \"{directory}\"", f"directory: \"{directory}\", restore: true"))
    daemon = test.serve(config, simulator)
    line = wait_for("event=store_restored", lambda: next(
        (line for line in daemon.log().splitlines() if " event=store_restored " in line), None), alive=[daemon])
    contains(line, store + ".damaged-", "the file that was set aside")
    contains(line, copies(directory)[0], "the copy that took its place")
    equal(len([name for name in os.listdir(os.path.dirname(store)) if ".damaged-" in name and
               not name.endswith(("-wal", "-shm"))]), 1, "files set aside")
    daemon.wait_passes(1)
    equal(daemon.stop(), 0, "exit code")
    equal(test.run("verify", "--full", store).returncode, 0, "verify")


def history_of_a_resource(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    option = "--config.file=" + config
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    daemon.next_pass()
    history = json.loads(test.run("history", option, "--format=json", WORKSPACE).stdout)
    equal(len(history["versions"]), 2, "versions")
    changes = {change["path"]: change for change in history["versions"][0]["changes"]}
    equal(changes["/properties/publicNetworkAccessForQuery"]["value"], "Enabled", "what changed")
    equal([(row["from"], row["to"]) for row in history["transitions"] if row["reference"] == CHECK],
          [("NoEvidence", "NonCompliant"), ("Compliant", "NoEvidence"), (None, "Compliant")], "transitions")
    then = history["versions"][1]["from"]
    past = json.loads(test.run("history", option, "--format=json", "--at", then, WORKSPACE).stdout)
    equal(past["configuration"]["properties"]["publicNetworkAccessForQuery"], "Disabled", "configuration then")
    states = {row["reference"]: row["state"] for row in past["verdicts"]}
    equal(states[CHECK], "Compliant", "state then")
    equal(daemon.api("resource", id=WORKSPACE, at=then), past, "the same from the API")
    now = daemon.api("resource", id=WORKSPACE, at="2100-01-01")
    equal({row["reference"]: row["state"] for row in now["verdicts"]},
          {row["reference"]: row["state"] for row in daemon.results(resource=WORKSPACE)}, "verdicts now, both ways")
    equal(daemon.get("/api/v1/resource", id=WORKSPACE, at="2001-01-01").status, 404, "before there was anything")
    equal(daemon.get("/api/v1/resource", id=WORKSPACE, at="yesterday").status, 400, "no instant")
    table = test.run("history", option, WORKSPACE).stdout
    contains(table, "replace  /properties/publicNetworkAccessForQuery = \"Enabled\"", "table")
    equal(test.run("history", option, "/subscriptions/none").returncode, 2, "history of nothing")

    lines = test.run("export", option, "--what=versions").stdout.splitlines()
    equal(len(lines), int(sqlite(config.replace("plumbline.yaml", "plumbline.db"), "SELECT count(*) FROM version")),
          "exported versions")
    bodies = [json.loads(line)["body"] for line in lines]
    check(all(isinstance(body, (dict, list)) for body in bodies), "bodies are JSON")
    rows = list(csv.DictReader(io.StringIO(test.run("export", option, "--what=transitions", "--format=csv",
                                                    "--from", history["versions"][0]["from"]).stdout, newline="")))
    contains(str([row["reference"] for row in rows]), CHECK, "transitions since the change")
    check(all(row["from_state"] for row in rows if row["key"] == past["key"]), "transitions from before were left out")
    equal(test.run("export", option, "--what=drift", "--to=2001-01-01").stdout, "", "drift before there was any")
    equal(test.run("verify", option).returncode, 0, "verify beside the daemon")


def an_audit_pack_and_a_report_of_then(test):
    if not shutil.which("openssl"):
        raise Skip("the openssl program is not installed")
    simulator = test.simulator()
    config = test.configure(simulator)
    option = "--config.file=" + config
    test.once(config, simulator)
    now = json.loads(test.run("report", option, "--at", "2100-01-01", "--format=json").stdout)
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    test.once(config, simulator)
    later = json.loads(test.run("report", option, "--at", "2100-01-01", "--format=json").stdout)
    then = json.loads(test.run("report", option, "--at", now["committed_at"], "--format=json").stdout)
    equal(then, now, "the report of then")

    def counted(report, state):
        return sum(row["count"] for row in report["counts"] if row["reference"] == CHECK and row["state"] == state)

    equal(counted(later, "NonCompliant"), counted(then, "NonCompliant") + 1, "what changed since")
    check(later["score"] < then["score"], "the score did not fall")
    contains(test.run("report", option, "--at", now["committed_at"]).stdout, f"At cycle {now['cycle']}, ", "table")
    equal(test.run("report", option, "--at", "2001-01-01").returncode, 2, "before there was anything")
    equal(test.run("report", option, "--at", "yesterday").returncode, 2, "no instant")

    place = test.directory("evidence")
    key, public, other, pack = (os.path.join(place, name) for name in ("key", "public", "other", "pack"))
    for file in (key, other):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", file], check=True)
    for file, target in ((key, public), (other, other + ".pub")):
        subprocess.run(["openssl", "pkey", "-in", file, "-pubout", "-out", target], check=True)
    done = test.run("export", option, "--evidence", pack, "--key", key, "--scope", f"/subscriptions/{PRODUCTION}")
    equal(done.returncode, 0, f"export of an audit pack ({done.stderr})")
    os.remove(config.replace("plumbline.yaml", "plumbline.db"))
    equal(test.run("verify", pack).returncode, 0, "verify with the pack's own key")
    proved = test.run("verify", "--key", public, pack)
    equal(proved.returncode, 0, f"verify ({proved.stdout})")
    contains(proved.stdout, done.stdout.splitlines()[1], "the last link")
    equal(test.run("verify", "--key", other + ".pub", pack).returncode, 1, "verify with another key")
    # Others' tools find the same.
    checked = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin",
                              "-in", os.path.join(pack, "manifest.json"),
                              "-sigfile", os.path.join(pack, "manifest.sig")], capture_output=True, check=False)
    equal(checked.returncode, 0, "openssl's verdict")
    with open(os.path.join(pack, "verdicts.jsonl"), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(pack, "verdicts.jsonl"), "w", encoding="utf-8") as file:
        file.write(text.replace("NonCompliant", "Compliant", 1))
    tampered = test.run("verify", "--key", public, pack)
    equal(tampered.returncode, 1, "verify of a pack that was changed")
    contains(tampered.stdout, "NOT SOUND", "message")
    contains(tampered.stdout, "is not what its last transition says", "message")


if __name__ == "__main__":
    main([copies_are_made_on_schedule, a_copy_is_taken_and_put_back, a_damaged_store, history_of_a_resource,
          an_audit_pack_and_a_report_of_then])
