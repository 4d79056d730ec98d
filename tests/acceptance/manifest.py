"""What Plumbline promises to keep, told by the program itself: the names that others write into their own files.

A manifest is areas, each a map from a name to what belongs to it (a type, labels, a number). docs/compatibility.md says
what each area means.
"""

import json
import os
import re
import sqlite3
import subprocess
import urllib.parse

from harness import check, equal, wait_for

# Whatever the resource has, which is Azure's to name, not ours.
FOREIGN = {"configuration", "parameters", "tags", "old", "new", "value", "actual", "expected"}
TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "list", dict: "object"}
COMMENT = re.compile(r"^# TYPE (plumbline_\S+) (\S+)$", re.M)
SAMPLE = re.compile(r'^(plumbline_[a-z0-9_]+)(?:\{(.*)\})? ', re.M)


def fields(document, path=""):
    """Paths of a JSON document with their types; elements of a list are one."""
    found = {}
    if isinstance(document, dict):
        for name, value in document.items():
            place = f"{path}.{name}"
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                continue  # a map from names of users'
            if name in FOREIGN:
                found[place] = "null"
                continue
            if value is not None or place not in found:
                found[place] = TYPES.get(type(value), "null")
            # A tree is as deep as the rule that it explains.
            merge(found, {re.sub(r"(\.children\[\])+", ".children[]", below): kind
                          for below, kind in fields(value, place).items()})
    elif isinstance(document, list):
        for item in document:
            merge(found, fields(item, path + "[]"))
    return found


def merge(into, more):
    for name, kind in more.items():
        if into.get(name, "null") == "null":
            into[name] = kind


def metrics(text, source):
    with open(os.path.join(source, "docs", "metrics.md"), encoding="utf-8") as file:
        # Families without a sample yet; scripts/make-metrics-doc --check holds page and code equal.
        documented = re.findall(r"^\| `(plumbline_\w+)", file.read(), re.M)
    kinds = dict(COMMENT.findall(text))
    labels = {name: set() for name in kinds}
    for name, pairs in SAMPLE.findall(text):
        family = name if name in kinds else re.sub(r"_(bucket|sum|count)$", "", name)
        if family in kinds:
            labels[family].update(re.findall(r'([a-z_]+)="', pairs))
    seen = {name: " ".join([kinds[name], *sorted(labels[name] - {"le"})]) for name in kinds}
    return {name: "null" for name in documented} | seen


def api(daemon):
    found = {}

    def ask(name, **parameters):
        answer = daemon.api(name, **parameters)
        merge(found, {f"/api/v1/{name} {path[1:]}": kind for path, kind in fields(answer).items()})
        return answer

    for name in ("status", "scores", "checks", "drift", "exemptions", "transitions", "cycles"):
        ask(name)
    for row in ask("results", limit=1000)["results"]:
        if row["state"] == "NonCompliant":
            ask("explain", assignment=row["assignment"], reference=row["reference"], resource=row["resource_key"])
            ask("resource", id=row["resource_key"])
            break
    answer = daemon.get("/-/healthy?verbose")
    merge(found, {f"/-/healthy {path[1:]}": kind for path, kind in fields(answer.json()).items()})
    return found


def keys(schema, place=""):
    """Keys of the configuration and the choices of each, from its JSON Schema."""
    found = {}
    parts = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    for part in parts:
        for choice in part.get("enum", ()):
            found[f"{place}={choice}"] = ""
        for name, below in part.get("properties", {}).items():
            path = f"{place}.{name}" if place else name
            found[path] = ""
            found.update(keys(below, path))
        if isinstance(part.get("items"), dict):
            found.update(keys(part["items"], place + "[]"))
    return found


def commands(program):
    """Commands, and each of their flags with the values that it names."""
    found = {}

    def walk(words):
        text = subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True).stdout
        options = text.partition("Options:\n")[2].partition("\n\n")[0]
        for flag, rest in re.findall(r"^  (?:-h,)?(--[a-z.-]+)(.*)", options, re.M):
            found[" ".join([*words, flag])] = ""
            for choice in (re.search(r"\{([^}]*)\}", rest) or [None, ""])[1].split(","):
                if choice:
                    found[" ".join([*words, f"{flag}={choice}"])] = ""
        for child in re.findall(r"^  ([a-z-]+)  ", text.partition("Subcommands:\n")[2], re.M):
            found[" ".join([*words, child])] = ""
            walk([*words, child])

    walk([])
    return found


def exit_codes(test, simulator, config):
    directory = os.path.dirname(config)

    def code(*arguments, **options):
        return str(test.run(*arguments, **options).returncode)

    missing = "--config.file=" + os.path.join(directory, "missing.yaml")
    flag = "--config.file=" + config
    return {"version": code("version"), "once on what is not compliant": code("once", flag, simulator=simulator),
            "once without a configuration": code("once", missing), "check-config": code("check-config", flag),
            "check-config of nothing": code("check-config", missing), "verify": code("verify", flag),
            "doctor of nothing": code("doctor", missing), "healthcheck of nobody": code("healthcheck", flag),
            "an unknown flag": code("serve", "--colour"),
            "policy lint of what is no definition": code("policy", "lint", config)}


def store(path):
    connection = sqlite3.connect(f"file:{urllib.parse.quote(path)}?mode=ro", uri=True)
    try:
        found = {"schema": str(connection.execute("PRAGMA user_version").fetchone()[0])}
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (table,) in tables.fetchall():
            if table.endswith("_row"):
                continue  # what its view shows is promised, not how it is kept
            for row in connection.execute(f'PRAGMA table_info("{table}")'):
                found[f"{table}.{row[1]}"] = row[2]
        # An expression has no declared type: what is in it tells.
        for (view,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
            for row in connection.execute(f'PRAGMA table_info("{view}")'):
                kind = connection.execute(f'SELECT upper(typeof("{row[1]}")) FROM "{view}" WHERE "{row[1]}" IS NOT NULL '
                                          "LIMIT 1").fetchone()
                found[f"{view}.{row[1]}"] = kind[0] if kind else row[2]
        return found
    finally:
        connection.close()


def error_words(source):
    """The page is held equal to the code by tests/troubleshooting_documented.py."""
    with open(os.path.join(source, "docs", "troubleshooting.md"), encoding="utf-8") as file:
        section = file.read().partition("## Error words\n")[2].partition("\n## ")[0]
    return {word: "" for word in re.findall(r"^\| `(\w+)`", section, re.M)}


def checks(baseline):
    with open(os.path.join(baseline, "initiative.json"), encoding="utf-8") as file:
        properties = json.load(file)["properties"]
    found = {item["policyDefinitionReferenceId"]: "" for item in properties["policyDefinitions"]}
    found.update({f"parameter {name}": value["type"] for name, value in properties["parameters"].items()})
    return found


def manifest_of(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", changes="1s", activity="1s")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    # Drift has fields of its own.
    [workspace] = [row for row in daemon.results(reference="PA-7.1-workspace-access-mode", state="Compliant")][:1]
    simulator.patch(workspace["resource_key"],
                    {"properties": {"features": {"enableLogAccessUsingOnlyResourcePermissions": False}}})
    wait_for("drift", lambda: daemon.api("drift")["drift"], alive=[daemon])
    answers = api(daemon)
    text = daemon.get("/metrics").text()
    equal(daemon.stop(), 0, "exit code")
    with open(os.path.join(test.source_dir, "config", "plumbline.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    found = {"api": answers, "checks": checks(test.baseline), "commands": commands(test.binary("plumbline")),
             "configuration": keys(schema), "error_words": error_words(test.source_dir),
             "exit_codes": exit_codes(test, simulator, config), "metrics": metrics(text, test.source_dir),
             "store": store(os.path.join(os.path.dirname(config), "plumbline.db"))}
    for area, least in (("api", 100), ("checks", 100), ("commands", 40), ("configuration", 50), ("error_words", 19),
                        ("exit_codes", 10), ("metrics", 35), ("store", 50)):
        check(len(found[area]) >= least, f"only {len(found[area])} names in {area}: {sorted(found[area])}")
    return found


def breaking_changes(changelog, since):
    """What the changelog names, in backquotes, under "### Breaking changes" of versions after `since`."""
    newer = re.split(rf"^## {re.escape(since)}\b", changelog, flags=re.M)[0]
    sections = re.findall(r"^### Breaking changes\n(.*?)(?=^##|\Z)", newer, re.M | re.S)
    return set(re.findall(r"`([^`]+)`", "\n".join(sections)))


def complaints(old, new, allowed):
    """What a release promised and the program no longer has."""
    for area, names in old.items():
        for name, was in names.items():
            now = new.get(area, {}).get(name)
            if name in allowed or (area == "store" and name == "schema" and now is not None and int(now) >= int(was)):
                continue
            if now is None:
                yield f"{area}: {name} is gone"
            elif "null" not in (was, now) and now != was:
                yield f"{area}: {name} was {was!r}, is {now!r}"
