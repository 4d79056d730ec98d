#!/usr/bin/env python3
"""Holds alert rules, their tests, runbooks, dashboards and docs/metrics.md together.

Usage: alerts_documented.py SOURCE_DIR. Every alert has a severity, a runbook that its link names, a test in which it
fires and one in which it does not; every recorded series is tested; every runbook belongs to an alert and has the
sections an operator looks for; every metric in a rule or a dashboard is described in docs/metrics.md; links between
dashboards lead somewhere, and panels do not lie on each other. The test proves itself first on planted mistakes.
"""
import json
import pathlib
import re
import sys

METRIC = re.compile(r"\b(?:plumbline|process)_[a-z0-9_]+")
RECORDED = re.compile(r"\bplumbline:[a-z0-9_]+:[a-z0-9_]+")
DOCUMENTED = re.compile(r"^\|\s*`((?:plumbline|process)_[a-z0-9_]+)`\s*\|\s*(\w+)", re.M)
SECTIONS = ("## Meaning", "## Impact", "## Diagnosis", "## Mending", "## Silencing")


def rules(text):
    """(alert or record, its name, its text) of a rule file."""
    found = re.split(r"(?m)^      - (alert|record): (\S+)\n", text)[1:]
    return [(found[i], found[i + 1], found[i + 2]) for i in range(0, len(found), 3)]


def expected(text):
    """Alert -> whether a test expects something of it (True) or nothing (False)."""
    outcomes = {}
    for case in re.split(r"(?m)^      - alertname: ", text)[1:]:
        name = case.split("\n", 1)[0].strip()
        outcomes.setdefault(name, set()).add(not re.search(r"exp_alerts: \[\]", case))
    return outcomes


def families(text):
    """Documented names, with those that a histogram's series have."""
    names = set()
    for name, kind in DOCUMENTED.findall(text):
        names.add(name)
        if kind == "histogram":
            names |= {name + suffix for suffix in ("_bucket", "_sum", "_count")}
    return names


def without_comments(text):
    return re.sub(r"(?m)^\s*#.*$", "", text)


def of_rules(text, tests, runbooks, names):
    found = rules(text)
    outcomes = expected(tests)
    recorded = {name for kind, name, _ in found if kind == "record"}
    for kind, name, body in found:
        if kind == "record":
            if f"- expr: {name}\n" not in tests:
                yield f"no test of the recorded series {name}"
            continue
        if outcomes.get(name) != {True, False}:
            yield f"{name} has no test in which it fires, or none in which it does not"
        if not re.search(r"\n          severity: (?:page|ticket)\n", body):
            yield f"{name} has no severity that routes"
        if not re.search(r"\n          component: (?:compliance|evidence|collection|daemon)\n", body):
            yield f"{name} has no component"
        for annotation in ("summary", "description"):
            if f"\n          {annotation}: " not in body:
                yield f"{name} has no {annotation}"
        if not re.search(rf"\n          runbook_url: \S+/{name}\.md\n", body):
            yield f"the runbook_url of {name} does not name its runbook"
        if name not in runbooks:
            yield f"{name} has no runbook"
        for section in SECTIONS:
            if section not in runbooks.get(name, section):
                yield f"the runbook of {name} has no section {section!r}"
    order = "group_eval_order:\n" + "".join(f"  - {name}\n" for name in re.findall(r"(?m)^  - name: (\S+)", text))
    if tests.count(order) != tests.count("rule_files:"):
        yield "a file of tests does not evaluate the groups in their order: its outcome would be a matter of chance"
    alerts = {name for kind, name, _ in found if kind == "alert"}
    for name in sorted(set(runbooks) - alerts):
        yield f"the runbook {name} belongs to no alert"
    for name in sorted(set(outcomes) - alerts):
        yield f"a test speaks of {name}, which is no alert"
    yield from of_queries("a rule", without_comments(text), names, recorded)


def of_queries(where, text, names, recorded):
    for name in sorted(set(METRIC.findall(text)) - names):
        yield f"{where} uses {name}, which docs/metrics.md does not describe"
    for name in sorted(set(RECORDED.findall(text)) - recorded):
        yield f"{where} uses {name}, which no rule records"


def of_dashboards(dashboards, names, recorded):
    uids = [board["uid"] for board in dashboards.values()]
    for file, board in dashboards.items():
        queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
        queries += [variable["query"]["query"] for variable in board["templating"]["list"]
                    if variable["type"] == "query"]
        yield from of_queries(file, "\n".join(queries), names, recorded)
        for uid in sorted(set(re.findall(r'/d/([\w-]+)', json.dumps(board))) - set(uids)):
            yield f"{file} links to {uid}, which is no dashboard"
        defined = {variable["name"] for variable in board["templating"]["list"]}
        for name in sorted(set(re.findall(r"\$(\w+)|\$\{(\w+)", "\n".join(queries)))):
            if (name[0] or name[1]) not in defined | {"__rate_interval", "__range"}:
                yield f"{file} uses the variable {name[0] or name[1]}, which it does not define"
        taken = {}
        for panel in board["panels"]:
            place = panel["gridPos"]
            if panel["type"] != "row" and not panel["fieldConfig"]["defaults"].get("noValue"):
                yield f"{file}: panel {panel['title']!r} does not say that it has no data"
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    other = taken.setdefault((x, y), panel["title"])
                    if other != panel["title"] or x >= 24:
                        yield f"{file}: panel {panel['title']!r} is out of the grid or on {other!r}"
                        break
                else:
                    continue
                break
    for uid in sorted({uid for uid in uids if uids.count(uid) > 1}):
        yield f"two dashboards have the uid {uid}"


def prove():
    text = ("      - record: plumbline:a:sum\n        expr: plumbline_a_total # x\n"
            "      - alert: Bad\n        expr: plumbline:b:sum > process_x\n")
    tests = ("      - alertname: Bad\n        exp_alerts: []\n"
             "      - alertname: Gone\n        exp_alerts:\n          - x\n")
    found = list(of_rules(text, tests, {"Other": ""}, families("| `plumbline_a` | histogram |")))
    assert len(found) == 13, found
    board = {"uid": "a", "panels": [
        {"type": "stat", "title": title, "gridPos": {"x": x, "y": 0, "w": 12, "h": 2}, "fieldConfig": {"defaults": {}},
         "targets": [{"expr": "plumbline_b{x=\"$y\"}"}], "links": "/d/c"} for title, x in (("p", 0), ("q", 11))],
        "templating": {"list": []}}
    found = list(of_dashboards({"f": board, "g": board}, {"plumbline_a"}, set()))
    assert len(found) == 13, found


def main():
    root = pathlib.Path(sys.argv[1])
    prove()
    text = (root / "dashboards" / "prometheus" / "plumbline.rules.yaml").read_text(encoding="utf-8")
    tests = "\n".join(path.read_text(encoding="utf-8")
                      for path in sorted((root / "dashboards" / "prometheus" / "tests").glob("*.yaml")))
    runbooks = {path.stem: path.read_text(encoding="utf-8") for path in (root / "docs" / "runbooks").glob("*.md")
                if path.stem != "README"}
    names = families((root / "docs" / "metrics.md").read_text(encoding="utf-8"))
    dashboards = {path.name: json.loads(path.read_text(encoding="utf-8"))
                  for path in sorted((root / "dashboards" / "grafana").glob("*.json"))}
    recorded = {name for kind, name, _ in rules(text) if kind == "record"}
    found = list(of_rules(text, tests, runbooks, names)) + list(of_dashboards(dashboards, names, recorded))
    print("\n".join(found + [f"{len(rules(text))} rules, {len(runbooks)} runbooks, {len(dashboards)} dashboards, "
                             f"{len(found)} complaints"]))
    return 1 if found or not rules(text) or not dashboards else 0


if __name__ == "__main__":
    sys.exit(main())
