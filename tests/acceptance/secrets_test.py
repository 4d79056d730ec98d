#!/usr/bin/env python3
"""Nothing that looks like a secret, and no token, comes out of the daemon by any door."""

import itertools
import json
import os
import re
import shutil
import subprocess
import urllib.parse

from harness import Skip, check, equal, last_segment, main, read_text, sqlite, wait_for

# What a person would call a secret, by the name of the property alone. Told apart on purpose from how the daemon
# does it.
SECRET_NAME = re.compile(r"(password|passwd|secret|token|passphrase|connection_?string|(access|account|api|primary|secondary"
                         r"|private|shared|instrumentation|function|master|auth)_?key)$", re.IGNORECASE)
NOT_SECRET_NAME = re.compile(r"^\$?(skip|continuation)token$|public_?key", re.IGNORECASE)
HOOK_NAME = re.compile(r"^(serviceUri|callbackUrl|httpTriggerUrl|webhookUr[il])$", re.IGNORECASE)


def planted(test):
    """The secrets that the scenario plants, the ones of its timeline included."""
    found = set()
    for folder, _, names in os.walk(test.scenario):
        for name in names:
            if name.endswith(".json"):
                for part in read_text(os.path.join(folder, name)).split("FAKE-SECRET-")[1:]:
                    length = next((index for index, letter in enumerate(part)
                                   if not (letter.isalnum() or letter in "-_")), len(part))
                    found.add("FAKE-SECRET-" + part[:length])
    check(len(found) >= 8, f"the scenario plants {len(found)} secrets only")
    return found


def latin(path):
    with open(path, "rb") as file:
        return file.read().decode("latin-1")


def nothing_comes_out(test):
    secrets = planted(test)
    simulator = test.simulator()
    config = test.configure(simulator, inventory="all", extra="log: {level: debug}\n")
    store = config.replace("plumbline.yaml", "plumbline.db")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    # A secret that changes is drift: its old and new values are not.
    group = next(row["resource_id"] for row in daemon.results(reference="IM-3.2-webhook-https")
                 if last_segment(row["resource_id"]) == "ag-contoso-legacy")
    body = simulator.body_of(group)
    for receiver in body["properties"]["webhookReceivers"]:
        receiver["serviceUri"] = "http://chat.contoso.example/hook?token=FAKE-SECRET-changed-just-now"
    simulator.put(group, body)
    secrets.add("FAKE-SECRET-changed-just-now")
    wait_for("drift of the webhook",
             lambda: [item for item in daemon.api("drift", limit=1000)["drift"]
                      if item["kind"] == "configuration" and "serviceUri" in item["path"]], alive=[daemon])
    # A refused token is replaced; neither may show.
    simulator.admin("DELETE", "tokens")
    daemon.next_pass()

    doors = {}
    for name in ("status", "scores", "checks", "drift?open=false&limit=1000", "transitions?limit=1000",
                 "cycles?limit=1000", "results?limit=1000", "nothing"):
        doors["/api/v1/" + name] = daemon.get("/api/v1/" + name).text()
    keys = sqlite(store, "SELECT key FROM resource WHERE version_id IS NOT NULL").splitlines()
    check(len(keys) > 150, f"{len(keys)} resources and lists in the store")
    fingerprints = 0
    for key in keys:
        answer = daemon.get("/api/v1/resource", id=key)
        equal(answer.status, 200, f"status of resource {key}")
        doors["resource " + key] = answer.text()
        fingerprints += answer.text().count("redacted:")
    check(fingerprints >= len(secrets), f"only {fingerprints} places are redacted")
    for row in daemon.results():
        query = urllib.parse.urlencode({"assignment": row["assignment"], "reference": row["reference"],
                                        "resource": row["resource_id"]})
        doors["explain " + query] = daemon.get("/api/v1/explain?" + query).text()
    for path in ("/", "/metrics", "/-/ready", "/-/healthy"):
        doors[path] = daemon.get(path).text()

    def files():
        found = {"log": daemon.log(), "standard output": read_text(daemon.stdout_path)}
        for name in os.listdir(os.path.dirname(store)):
            if not name.endswith((".yaml", ".sock")):
                found[name] = latin(os.path.join(os.path.dirname(store), name))
        return found

    doors.update(files())
    check("plumbline.db-wal" in doors, "there is no write-ahead log to look into")
    equal(daemon.stop(), 0, "exit code")
    doors.update({"at the end " + name: text for name, text in files().items()})
    option = "--config.file=" + config
    # Every version, decompressed; and what is carried off the machine.
    for kind in ("resources", "versions", "verdicts", "transitions", "drift"):
        done = test.run("export", option, "--what", kind)
        equal(done.returncode, 0, f"export of {kind} ({done.stderr})")
        check(done.stdout, f"export of {kind} is empty")
        doors["resource export of " + kind] = done.stdout
    copy = os.path.join(test.directory("copy"), "copy.db")
    equal(test.run("backup", option, copy).returncode, 0, "backup")
    doors["backup"] = latin(copy)
    key = os.path.join(test.directory("key"), "key.pem")
    if shutil.which("openssl"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        pack = os.path.join(os.path.dirname(key), "pack")
        done = test.run("export", option, "--evidence", pack, "--key", key)
        equal(done.returncode, 0, f"audit pack ({done.stderr})")
        proved = test.run("verify", pack)
        equal(proved.returncode, 0, f"verify of the audit pack ({proved.stdout}{proved.stderr})")
        private = read_text(key).splitlines()[1]
        for name in os.listdir(pack):
            doors["resource audit pack " + name] = latin(os.path.join(pack, name))
            check(private not in doors["resource audit pack " + name], f"the private key is in {name}")
    # Bodies are compressed in the store: what the API shows of each is what it holds.
    for door, text in doors.items():
        for secret in secrets | {"FAKE-SECRET", "Bearer ", "bearer ", "access_token", "sim."}:
            if secret == "sim." and door.startswith(("resource ", "/", "explain ")):
                continue  # tokens of the simulator begin so; host names may, too
            at = text.find(secret)
            if secret == "sim." and at >= 0:
                token = text[at + 4:at + 36]
                at = at if len(token) == 32 and all(letter in "0123456789abcdef" for letter in token) else -1
            check(at < 0, f"{secret!r} in {door}: {text[max(0, at - 80):at + 80]!r}")
    report = test.once(config, simulator, "--format", "json")
    check("FAKE-SECRET" not in report.stdout + report.stderr, "a secret is in the report")


def old_versions_too(test):
    """What the store compresses, decompressed: every version of every body."""
    simulator = test.simulator()
    config = test.configure(simulator, inventory="all")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    texts = [daemon.get("/api/v1/resource", id=row["resource_id"]).text() for row in daemon.results()]
    components = [text for text in texts if '"type":"microsoft.insights/components"' in text]
    check(components, "no component")
    for text in components:
        check("redacted:" in text, f"instrumentation keys and connection strings are not redacted: {text[:500]}")


def with_secrets(value, number, path=()):
    """The payload with a secret of its own in each place where one could be."""
    name = path[-1] if path else ""
    if isinstance(value, dict):
        return {key: with_secrets(member, number, path + (key,)) for key, member in value.items()}
    if isinstance(value, list):
        return [with_secrets(member, number, path) for member in value]
    if not isinstance(value, str) or not value:
        return value
    secret = f"FAKE-SECRET-{next(number):05}"
    around = path[-2] if len(path) > 1 else ""
    if HOOK_NAME.match(name):
        return f"https://hooks.contoso.example/{secret}/run?code={secret}"
    if SECRET_NAME.search(name) and not NOT_SECRET_NAME.search(name):
        return secret
    if (around, name) in (("headers", "value"), ("storageAccount", "key")) or around.lower() == "webhookproperties":
        return secret
    # An address of something else: Azure's own ids, and what a list goes on with, are none.
    if re.match(r"https?://[^/?#]+/[^?#]", value) and name not in ("nextLink", "id") and "$skip" not in value.lower():
        return value + ("&" if "?" in value else "?") + f"sig={secret}"
    return value


def none_of_all_payloads(test):
    """A secret in every place of the official payloads that is named like one."""
    examples = test.arguments.examples
    if not os.path.isdir(examples):
        raise Skip(f"{examples} is absent")
    planted_here = test.directory("planted")
    number = itertools.count()
    files = 0
    for folder, _, names in os.walk(examples):
        for name in (name for name in names if name.endswith(".json")):
            with open(os.path.join(folder, name), encoding="utf-8-sig") as file:
                payload = with_secrets(json.load(file), number)
            target = os.path.join(planted_here, os.path.relpath(folder, examples), name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as file:
                json.dump(payload, file)
            files += 1
    simulator = test.simulator(data=planted_here)
    config = test.configure(simulator, inventory="all", sweep="1h", details="1h", parameters=False,
                            baseline=test.baseline, extra="log: {level: debug}\n")
    store = config.replace("plumbline.yaml", "plumbline.db")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    held = sum("FAKE-SECRET" in json.dumps(row) for table in ("resources", "resourcecontainers", "insightsresources")
               for row in simulator.graph_rows(table))
    check(held > 20, f"only {held} rows of Resource Graph hold a secret")
    doors = {"/metrics": daemon.get("/metrics").text(), "results": json.dumps(daemon.results())}
    keys = sqlite(store, "SELECT key FROM resource WHERE version_id IS NOT NULL").splitlines()
    for key in keys:
        doors["resource " + key] = daemon.get("/api/v1/resource", id=key).text()
    for name in ("drift?open=false&limit=1000", "transitions?limit=1000", "cycles?limit=1000", "checks", "status"):
        doors["/api/v1/" + name] = daemon.get("/api/v1/" + name).text()
    doors["log"] = daemon.log()
    for name in ("plumbline.db", "plumbline.db-wal", "plumbline.db-staging"):
        doors[name] = latin(os.path.join(os.path.dirname(store), name))
    equal(daemon.stop(), 0, "exit code")
    copy = os.path.join(test.directory("copy"), "copy.db")
    equal(test.run("backup", "--config.file=" + config, copy).returncode, 0, "backup")
    doors["backup"] = latin(copy)
    for kind in ("versions", "verdicts", "drift"):
        done = test.run("export", "--config.file=" + config, "--what", kind)
        equal(done.returncode, 0, f"export of {kind} ({done.stderr})")
        doors["export of " + kind] = done.stdout
    redacted = doors["export of versions"].count("redacted:")
    print(f"{files} payloads, {held} rows with a secret, {len(keys)} resources and lists, {redacted} places redacted")
    check(redacted > 50, f"only {redacted} places are redacted")
    seen = sorted({(door.split("/")[0], text[max(0, found.start() - 120):found.end() + 6])
                   for door, text in doors.items() for found in re.finditer("FAKE-SECRET", text)})
    equal(seen[:20], [], f"secrets seen ({len(seen)} places)")


if __name__ == "__main__":
    main([nothing_comes_out, old_versions_too, none_of_all_payloads], needs_shared=True)
