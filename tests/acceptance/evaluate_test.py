#!/usr/bin/env python3
"""Verdicts without a daemon: what another baseline would change, `evaluate` on files, reports."""

import csv
import glob
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

from harness import PRODUCTION, Skip, check, contains, equal, last_segment, main, resource_key

WORKSPACE = (f"/subscriptions/{PRODUCTION}/resourceGroups/RG-Contoso-AKS/providers/Microsoft.OperationalInsights/"
             f"workspaces/law-contoso-aks")
FLIPPED = "NS-2.2-workspace-public-query"
DECIDED = ("Compliant", "NonCompliant")


def once(test, simulator, config):
    """The verdicts of a pass: (reference, resource) to state."""
    done = test.once(config, simulator, "--format", "json")
    check(done.returncode in (0, 1, 3), f"once: {done.stderr}")
    return {(row["reference"], resource_key(row["resource_id"])): row["state"]
            for row in json.loads(done.stdout)["results"]}


def what_if(test, config, *arguments):
    done = test.run("report", "--config.file=" + config, *arguments, "--format", "json")
    equal(done.returncode, 0, f"report ({done.stderr})")
    return json.loads(done.stdout)


def flipped_baseline(test, source):
    """A copy in which one check says the opposite."""
    path = os.path.join(test.directory("flipped"), "azure-monitor")
    shutil.copytree(source, path)
    name = os.path.join(path, "definitions", FLIPPED + ".json")
    with open(name, encoding="utf-8") as file:
        definition = json.load(file)
    rule = definition["properties"]["policyRule"]
    others = [part for part in rule["if"]["allOf"] if part.get("field") == "type"]
    rest = [part for part in rule["if"]["allOf"] if part.get("field") != "type"]
    rule["if"]["allOf"] = others + [{"not": {"allOf": rest}}]
    with open(name, "w", encoding="utf-8") as file:
        json.dump(definition, file)
    return path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def the_same_baseline_changes_nothing(test):
    simulator = test.simulator()
    config = test.configure(simulator, baseline=test.baseline)
    verdicts = once(test, simulator, config)
    check(len(verdicts) > 500, "verdicts")
    store = config.replace("plumbline.yaml", "plumbline.db")
    before = digest(store)
    test.variables["TMPDIR"] = test.directory("scratch")
    same = what_if(test, config, "--baseline", test.baseline)
    equal(same["verdicts"], [], "verdicts that differ")
    equal(same["counts"], {"added": 0, "removed": 0, "changed": 0, "checks": 180}, "checks")
    equal(same["score"]["before"], same["score"]["after"], "score")
    check(0 < same["score"]["after"] < 1, "score")
    equal(digest(store), before, "the database")
    equal(os.listdir(test.variables["TMPDIR"]), [], "what is left of the copy")


def a_changed_check_changes_its_verdicts_alone(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    verdicts = once(test, simulator, config)
    flipped = flipped_baseline(test, test.selected_baseline)
    other = what_if(test, config, "--baseline", flipped)
    expected = {key[1]: state for key, state in verdicts.items() if key[0] == FLIPPED and state in DECIDED}
    check(len(expected) > 4, "verdicts of the check")
    equal({row["reference"] for row in other["verdicts"]}, {FLIPPED}, "checks that differ")
    # What waits for Resource Manager waits no more where it is no finding.
    waited = [row for row in other["verdicts"] if row["from"] == "NoEvidence"]
    equal([(last_segment(row["resource_id"]), row["to"]) for row in waited], [("law-contoso-payments", "Compliant")],
          "what waited")
    decided = [row for row in other["verdicts"] if row not in waited]
    equal({resource_key(row["resource_id"]): row["from"] for row in decided}, expected, "resources")
    for row in decided:
        equal({row["from"], row["to"]}, set(DECIDED), "states")
        equal(row["cause"], "definition", "cause")
    equal([(row["reference"], row["what"]) for row in other["checks"]], [(FLIPPED, "definition")], "checks")
    rows = list(csv.DictReader(io.StringIO(test.run(
        "report", "--config.file=" + config, "--baseline", flipped, "--format", "csv").stdout)))
    equal(len(rows), len(expected) + 1, "rows of the CSV")
    text = test.run("report", "--config.file=" + config, "--baseline", flipped).stdout
    contains(text, f"VERDICTS THAT DIFFER ({len(expected) + 1})", "table")
    contains(text, "0 added, 0 removed, 1 changed", "table")


def the_past_is_judged_by_another_baseline(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    daemon.next_pass()
    rows = daemon.results(reference=FLIPPED)
    before = {resource_key(row["resource_id"]): row["state"] for row in rows}
    instant = daemon.api("status")["cycle"]["committed_at"]
    equal(before[resource_key(WORKSPACE)], "Compliant", "the workspace at first")
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    daemon.next_pass()
    daemon.next_pass()
    flipped = flipped_baseline(test, test.selected_baseline)

    def of_workspace(report):
        return [(row["from"], row["to"]) for row in report["verdicts"]
                if resource_key(row["resource_id"]) == resource_key(WORKSPACE)]

    # The daemon runs on meanwhile.
    equal(of_workspace(what_if(test, config, "--baseline", flipped)), [("NonCompliant", "Compliant")], "now")
    past = what_if(test, config, "--at", instant, "--baseline", flipped)
    equal(of_workspace(past), [("Compliant", "NonCompliant")], "then")
    equal(past["evidence"], "last", "what is said of evidence")
    equal(what_if(test, config, "--at", instant, "--baseline", test.selected_baseline)["verdicts"], [],
          "the same baseline then")
    contains(test.run("report", "--config.file=" + config, "--at", instant, "--baseline", flipped).stdout,
             "Of evidence the store keeps only the last", "table")
    equal(test.run("report", "--config.file=" + config, "--at", "2001-01-01T00:00:00Z", "--baseline",
                   flipped).returncode, 2, "exit code for an instant before everything")


def exemptions_are_tried_out(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    verdicts = once(test, simulator, config)
    path = os.path.join(test.directory("exemptions"), "exemptions.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"exemptions:\n  - name: agreed\n    scope: {WORKSPACE}\n    properties:\n"
                   f"      exemptionCategory: Waiver\n      description: known\n")
    report = what_if(test, config, "--exemptions", path)
    expected = {key[0] for key in verdicts if key[1] == resource_key(WORKSPACE)}
    equal({row["reference"] for row in report["verdicts"]}, expected, "checks")
    equal({(row["to"], row["cause"], row["reason"]) for row in report["verdicts"]},
          {("Exempt", "exemption", "agreed")}, "what becomes of them")


def what_nobody_asked_for_is_no_evidence(test):
    """Everything that a greater baseline decides on a smaller one's state is what a pass of its own decides."""
    simulator = test.simulator()
    small = test.configure(simulator)
    once(test, simulator, small)
    truth = once(test, simulator, test.configure(simulator, baseline=test.baseline))
    report = what_if(test, small, "--baseline", test.baseline)
    check(report["counts"]["added"] > 150, "checks added")
    check("microsoft.network/privateendpoints" in report["not_asked_for"], "types")
    decided = {(row["reference"], resource_key(row["resource_id"])): row["to"] for row in report["verdicts"]
               if row["to"] in DECIDED}
    check(len(decided) > 50, f"only {len(decided)} decided")
    wrong = {key: (state, truth.get(key)) for key, state in decided.items() if truth.get(key) != state}
    equal(wrong, {}, "verdicts on what was never asked for")


def write_resources(test, containers=()):
    """Containers and every resource of the scenario, one a line. Returns the path and the ids, by line."""
    resources = list(containers)
    for path in sorted(glob.glob(os.path.join(test.scenario, "resources", "*.json"))):
        with open(path, encoding="utf-8") as file:
            resources += json.load(file)
    path = os.path.join(test.directory("resources"), "all of it.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        for resource in resources:
            file.write(json.dumps(resource) + "\n")
    return path, [resource["id"] for resource in resources]


def evaluate_contradicts_no_pass(test):
    simulator = test.simulator()
    config = test.configure(simulator, baseline=test.baseline)
    verdicts = once(test, simulator, config)
    # Resource Graph alone tells the management groups above a subscription.
    subscriptions = [row for row in simulator.graph_rows("resourcecontainers")
                     if row["type"].lower() == "microsoft.resources/subscriptions"]
    equal(len(subscriptions), 3, "subscriptions")
    path, ids = write_resources(test, subscriptions)
    for flags, least in (((), 270), (("--complete",), 370)):
        done = test.run("evaluate", "--config.file=" + config, "--format", "json", *flags, path)
        equal(done.returncode, 1, f"exit code ({done.stderr})")
        agreed = 0
        for row in map(json.loads, done.stdout.splitlines()):
            equal(ids[row["line"] - 1], row["resource_id"], "the line")
            known = verdicts.get((row["reference"], resource_key(row["resource_id"])))
            if row["state"] not in DECIDED or known == "NoEvidence":
                continue
            equal(row["state"], known, f"{row['reference']} of {row['resource_id']} {flags}")
            agreed += 1
        check(agreed >= least, f"only {agreed} verdicts agree {flags}")


def evaluate(test, *arguments, text=None):
    return subprocess.run([test.binary("plumbline"), "evaluate", "--baseline", test.selected_baseline, *arguments],
                          input=text, capture_output=True, text=True, timeout=120, check=False,
                          env=test.environment())


def workspace(name, access):
    return {"id": f"/subscriptions/{PRODUCTION}/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/"
                  f"{name}", "type": "Microsoft.OperationalInsights/workspaces", "name": name, "location": "westeurope",
            "properties": {"publicNetworkAccessForQuery": access, "publicNetworkAccessForIngestion": access}}


def evaluate_reads_every_layout(test):
    pair = [workspace("law-a", "Enabled"), workspace("law-b", "Disabled")]
    lines = "".join(json.dumps(item) + "\n" for item in pair)
    expected = None
    for text in (lines, lines.replace("\n", "\n\n"), json.dumps(pair), json.dumps({"value": pair}),
                 json.dumps({"value": pair}, indent=2), json.dumps(pair, indent=2), json.dumps({"data": pair})):
        done = evaluate(test, "--format", "csv", text=text)
        rows = [{key: value for key, value in row.items() if key != "line"}
                for row in csv.DictReader(io.StringIO(done.stdout))]
        expected = expected or rows
        equal(rows, expected, text[:40])
    states = {(row["reference"], row["resource_id"][-1]): (row["state"], row["reason"]) for row in expected}
    equal(states[FLIPPED, "a"], ("NonCompliant", ""), "an open workspace")
    equal(states[FLIPPED, "b"], ("Compliant", ""), "a closed workspace")
    equal(states["LT-4.1-resource-diagnostics", "a"], ("NoEvidence", "not_collected"), "what is not in the input")


def evaluate_ends_with_the_documented_codes(test):
    bad, good = (json.dumps(workspace("law-a", access)) for access in ("Enabled", "Disabled"))
    equal(evaluate(test, text=bad).returncode, 1, "a finding")
    equal(evaluate(test, "--fail-on", "high", text=bad).returncode, 1, "a high finding")
    equal(evaluate(test, "--fail-on", "critical", text=bad).returncode, 0, "none that is critical")
    equal(evaluate(test, "--fail-on", "none", text=bad).returncode, 0, "fail on nothing")
    equal(evaluate(test, "--fail-on", "none", "--complete", text=good).returncode, 3, "evidence is missing")
    equal(evaluate(test, text="").returncode, 0, "an empty input")
    equal(evaluate(test, "/nonexistent").returncode, 2, "no such file")
    for line, words in (("{\"id\": ", "standard input:2: "), ("{\"name\": \"x\"}", "standard input:2: no resource"),
                        ("17", "standard input:2: "), (bad, "standard input:2: the resource")):
        done = evaluate(test, text=f"{bad}\n{line}\n")
        equal(done.returncode, 2, line)
        contains(done.stderr, words, line)
    page = json.dumps({"value": [], "nextLink": "https://management.azure.com/next"})
    equal(evaluate(test, text=page).returncode, 0, "a page")
    done = evaluate(test, "--complete", text=page)
    equal(done.returncode, 2, "a page for everything")
    contains(done.stderr, "a page of a longer list", "a page for everything")
    kept = evaluate(test, "--keep-going", "--format", "json", text=f"{bad}\nnonsense\n{good.replace('law-a', 'law-b')}\n")
    equal(kept.returncode, 2, "lines left out")
    contains(kept.stderr, "standard input:2: ", "what was left out")
    equal({json.loads(line)["line"] for line in kept.stdout.splitlines()}, {1, 3}, "lines that were judged")


def evaluate_writes_sarif_and_junit(test):
    path, _ = write_resources(test)
    rows = [json.loads(line) for line in evaluate(test, "--format", "json", path).stdout.splitlines()]
    bad = sorted((row["reference"], row["resource_id"], row["line"]) for row in rows if row["state"] == "NonCompliant")
    check(len(bad) > 20, "findings")

    root = xml.etree.ElementTree.fromstring(evaluate(test, "--format", "junit", path).stdout)
    failures = sorted((case.get("classname"), case.get("name")) for case in root.iter("testcase")
                      if case.find("failure") is not None)
    equal(failures, [row[:2] for row in bad], "failures")
    equal(int(root.get("failures")), len(bad), "their number")
    equal(int(root.get("tests")), sum(int(suite.get("tests")) for suite in root), "tests")
    equal(int(root.get("tests")), len(list(root.iter("testcase"))), "cases")

    done = evaluate(test, "--format", "sarif", path)
    run = json.loads(done.stdout)["runs"][0]
    found = sorted((result["ruleId"], result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"],
                    result["locations"][0]["physicalLocation"]["region"]["startLine"]) for result in run["results"])
    equal(found, bad, "results")
    prints = {json.dumps(result["partialFingerprints"]) for result in run["results"]}
    equal(len(prints), len(bad), "fingerprints")
    for result in run["results"]:
        equal(run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"], result["ruleId"], "the rule's place")

    schemas = os.path.join(test.source_dir, "tests", "node_modules", "@microsoft", "jest-sarif")
    if not os.path.isdir(schemas) or not shutil.which("node"):
        raise Skip("the SARIF schema is not installed: npm ci --prefix tests")
    written = os.path.join(test.directory("sarif"), "found.sarif")
    broken = written + ".broken"
    with open(written, "w", encoding="utf-8") as file:
        file.write(done.stdout)
    with open(broken, "w", encoding="utf-8") as file:
        file.write(done.stdout.replace('"ruleIndex"', '"ruleNumber"'))
    validator = ["node", os.path.join(test.source_dir, "tests", "sarif", "validate.mjs")]
    valid = subprocess.run([*validator, written], capture_output=True, text=True, check=False)
    equal((valid.returncode, valid.stdout), (0, ""), f"validation ({valid.stderr})")
    equal(subprocess.run([*validator, broken], capture_output=True, check=False).returncode, 1, "a broken log")


def the_report_is_one_page(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    verdicts = once(test, simulator, config)
    done = test.run("report", "--config.file=" + config, "--format", "html")
    equal(done.returncode, 0, f"report ({done.stderr})")
    page = done.stdout
    check(not re.search(r"<script|<link|src=|@import|url\(", page), "the page fetches something")
    for (reference, resource), state in verdicts.items():
        if state in ("NonCompliant", "NoEvidence"):
            check(reference in page and resource in page.lower(), f"{reference} of {resource} is not on it")
    contains(page, "Remediation.", "page")
    xml.etree.ElementTree.fromstring("<r>" + re.sub(r"<(meta|br)\b[^>]*>", "", page.partition("<body>")[2])
                                     .replace("</body>", "").replace("</html>", "") + "</r>")
    rows = list(csv.DictReader(io.StringIO(test.run("report", "--config.file=" + config, "--format", "csv").stdout)))
    equal(len(rows), len(verdicts), "rows of the last state")


if __name__ == "__main__":
    main([
        the_same_baseline_changes_nothing,
        a_changed_check_changes_its_verdicts_alone,
        the_past_is_judged_by_another_baseline,
        exemptions_are_tried_out,
        what_nobody_asked_for_is_no_evidence,
        evaluate_contradicts_no_pass,
        evaluate_reads_every_layout,
        evaluate_ends_with_the_documented_codes,
        evaluate_writes_sarif_and_junit,
        the_report_is_one_page,
    ])
