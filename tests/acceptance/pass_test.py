#!/usr/bin/env python3
"""One pass over the scenario: every verdict is the one that its README promises, and a second pass writes nothing."""

import collections
import csv
import io
import json
import os
import re

from harness import (DEVELOPMENT, PLATFORM, PRODUCTION, check, contains, equal, last_segment, main, sqlite)

# check: (compliant, non-compliant, without evidence by reason), as in simulator/scenarios/contoso/README.md.
EXPECTED = {
    "NS-2.2-workspace-public-query": (
        "law-contoso-central law-contoso-security law-contoso-aks law-contoso-lab",
        "law-contoso-web law-contoso-dev", {"confirming_forbidden": "law-contoso-payments"}),
    "NS-2.2-workspace-public-ingestion": (
        "law-contoso-central law-contoso-security law-contoso-aks law-contoso-lab",
        "law-contoso-web law-contoso-dev", {"confirming_forbidden": "law-contoso-payments"}),
    "IM-1.1-component-local-auth": (
        "appi-contoso-payments appi-contoso-platform",
        "appi-contoso-web appi-contoso-dev", {"confirming_forbidden": "appi-contoso-checkout"}),
    "IM-3.1-vm-identity": (
        "vm-pay-01 vm-web-01 vm-dev-02 vmss-shop vmss-batch", "vm-jump-01 vm-dev-01", {"confirming_forbidden": "vm-pay-02"}),
    "IM-3.2-webhook-https": (
        "ag-contoso-oncall ag-contoso-payments", "ag-contoso-legacy", {"confirming_forbidden": "ag-contoso-dev"}),
    "IM-3.2-webhook-entra-auth": (
        "ag-contoso-oncall", "ag-contoso-payments ag-contoso-legacy", {"confirming_forbidden": "ag-contoso-dev"}),
    "PA-7.1-workspace-access-mode": (
        "law-contoso-central law-contoso-web law-contoso-aks law-contoso-lab",
        "law-contoso-security law-contoso-dev", {"confirming_forbidden": "law-contoso-payments"}),
    "DP-3.1-sink-storage-min-tls": (
        "stcontosoarchive", "stcontosoaudit stcontosodevlogs",
        {"forbidden": "stcontososhop", "confirming_forbidden": "stcontosopaylogs"}),
    "DP-5.1-cluster-cmk": (
        "logs-contoso-central logs-contoso-sandbox", "logs-contoso-trial", {"confirming_forbidden": "logs-contoso-forensics"}),
    "LT-4.1-workspace-query-audit": (
        "law-contoso-central law-contoso-security law-contoso-aks",
        "law-contoso-web law-contoso-dev law-contoso-lab", {"forbidden": "law-contoso-payments"}),
    "LT-4.1-resource-diagnostics": (
        "law-contoso-central law-contoso-security law-contoso-aks law-contoso-dev appi-contoso-payments "
        "kv-contoso-web kv-contoso-platform evhns-contoso-siem graf-contoso nsg-contoso-hub nsg-contoso-payments "
        "dcr-contoso-windows",
        "law-contoso-web law-contoso-lab appi-contoso-web appi-contoso-checkout appi-contoso-dev kv-contoso-dev "
        "kv-contoso-lab evhns-contoso-dev evhns-contoso-exports graf-contoso-secops nsg-contoso-dev vnet-contoso-hub "
        "vnet-contoso-prod vnet-contoso-dev dcr-contoso-linux dcr-contoso-dev as-contoso-web",
        {"forbidden": "law-contoso-payments kv-contoso-payments appi-contoso-platform"}),
    "LT-4.1-activity-log-export": (PRODUCTION, DEVELOPMENT, {"forbidden": PLATFORM}),
    "LT-4.1-alert-policy-assignment-write": (f"{PRODUCTION} {PLATFORM}", DEVELOPMENT, {}),
    "LT-4.1-component-workspace-based": (
        "appi-contoso-payments appi-contoso-web appi-contoso-platform",
        "appi-contoso-dev", {"confirming_forbidden": "appi-contoso-checkout"}),
    "BR-1.2-workspace-replication": (
        "law-contoso-central", "law-contoso-security", {"confirming_forbidden": "law-contoso-payments"}),
    "WAF-CONTAINERS.5-insights-workspace-secure": (
        "aks-contoso-prod", "aks-contoso-dev", {"not_collected": "aks-contoso-edge"}),
}
RESOURCES = 82
VERDICTS = os.path.join(os.path.dirname(__file__), "..", "data", "contoso", "verdicts.tsv")
REPORT = re.compile(r"This pass observed (\d+) resources and wrote (\d+) versions, (\d+) deletions and (\d+) "
                    r"transitions in (\d+) cycles\.")


def expected_rows():
    rows = set()
    for reference, (compliant, noncompliant, missing) in EXPECTED.items():
        rows |= {(reference, name, "Compliant", "") for name in compliant.split()}
        rows |= {(reference, name, "NonCompliant", "") for name in noncompliant.split()}
        for reason, names in missing.items():
            rows |= {(reference, name, "NoEvidence", reason) for name in names.split()}
    return rows


def rows_of(results):
    return {(row["reference"], last_segment(row["resource_id"]), row["state"], row["reason"]) for row in results}


def compare(actual, what):
    expected = expected_rows()
    check(actual == expected,
          f"{what}:\n  missing: {sorted(expected - actual)}\n  not expected: {sorted(actual - expected)}")


def verified():
    """Every verdict of the whole baseline on the scenario, read off the resource bodies by hand. Machines may have an
    extension of the same name, so a line may occur twice."""
    with open(VERDICTS, encoding="utf-8") as file:
        return collections.Counter(tuple(line.rstrip("\n").split("\t")) for line in file if not line.startswith("#"))


def the_whole_baseline(test):
    simulator = test.simulator()
    config = test.configure(simulator, baseline=test.baseline)
    first = test.once(config, simulator, "--format", "json")
    equal(first.returncode, 1, f"exit code ({first.stderr[-500:]})")
    actual = collections.Counter(
        (row["reference"], last_segment(row["resource_id"]), row["state"], row["reason"])
        for row in json.loads(first.stdout)["results"])
    expected = verified()
    check(actual == expected, f"missing: {sorted((expected - actual).elements())}\n  "
                              f"not expected: {sorted((actual - expected).elements())}")
    again = test.once(config, simulator)
    equal(pass_totals(again.stdout)[1:4], [0, 0, 0], "versions, deletions, transitions of the second pass")


def pass_totals(report):
    found = REPORT.search(report)
    check(found is not None, f"no closing line in {report[-500:]!r}")
    return [int(number) for number in found.groups()]


def contents(store):
    """Rows of the tables that only a change may write."""
    return {table: sqlite(store, f"SELECT * FROM {table} ORDER BY 1, 2, 3", "-quote")
            for table in ("version", "verdict", "transition", "drift", "dependency", "reference")}


def first_and_second_pass(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    first = test.once(config, simulator)
    equal(first.returncode, 1, f"exit code of the first pass ({first.stderr[-500:]})")
    contains(first.stdout, f"{RESOURCES} resources in 3 subscriptions", "report")
    contains(first.stdout, "NonCompliant (41)\n", "report")
    contains(first.stdout, "NoEvidence (18)\n", "report")
    _, versions, deletions, transitions, _ = pass_totals(first.stdout)
    check(versions >= RESOURCES, f"only {versions} versions after the first pass")
    equal(deletions, 0, "deletions of the first pass")
    check(transitions >= 100, f"only {transitions} transitions after the first pass")

    store = config.replace("plumbline.yaml", "plumbline.db")
    before = contents(store)
    cycles = int(sqlite(store, "SELECT max(number) FROM cycle"))
    second = test.once(config, simulator)
    equal(second.returncode, 1, "exit code of the second pass")
    observed, versions, deletions, transitions, written = pass_totals(second.stdout)
    check(observed >= RESOURCES, f"the second pass observed {observed} resources only")
    equal((versions, deletions, transitions), (0, 0, 0), "versions, deletions, transitions of the second pass")
    changed = [table for table, rows in contents(store).items() if rows != before[table]]
    equal(changed, [], "tables that the second pass changed")
    equal(int(sqlite(store, "SELECT max(number) FROM cycle")), cycles + written, "number of the last cycle")
    equal(first.stdout.split("\nThis pass")[0], second.stdout.split("\nThis pass")[0], "report of the second pass")


def formats(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    as_json = test.once(config, simulator, "--format", "json")
    equal(as_json.returncode, 1, f"exit code with --format json ({as_json.stderr[-500:]})")
    report = json.loads(as_json.stdout)
    equal((report["resources"], report["subscriptions"]), (RESOURCES, 3), "resources, subscriptions")
    check(0 < report["score"] < 1, f"score {report['score']}")
    equal(round(report["coverage"], 6), round(89 / 107, 6), "coverage")
    compare(rows_of(report["results"]), "verdicts in JSON")

    as_csv = test.once(config, simulator, "--format", "csv")
    equal(as_csv.returncode, 1, f"exit code with --format csv ({as_csv.stderr[-500:]})")
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout, newline="")))
    equal(len(rows), 107, "lines of the CSV")
    check(all(None not in row and None not in row.values() for row in rows), "every line has every column")
    compare(rows_of(rows), "verdicts in CSV")
    equal({row["observed_at"][-1] for row in rows}, {"Z"}, "times are in UTC")


def leaves(node):
    """Conditions of an explanation, from top to bottom."""
    if not node["children"]:
        yield node
    for child in node["children"]:
        yield from leaves(child)


def explain(daemon, reference, name):
    rows = [row for row in daemon.results(reference=reference) if last_segment(row["resource_id"]) == name]
    equal(len(rows), 1, f"results of {reference} for {name}")
    answer = daemon.api("explain", assignment="azure-monitor", reference=reference, resource=rows[0]["resource_id"])
    equal((answer["state"], answer["reason"]), (rows[0]["state"], rows[0]["reason"]), "state and reason explained")
    equal(answer["version"], rows[0]["version"], "version explained")
    check(answer["explanation"] is not None, f"{reference} {name}: no explanation")
    return answer, [leaf for leaf in leaves(answer["explanation"]) if leaf["decisive"]]


def explained(test):
    simulator = test.simulator()
    daemon = test.serve(test.configure(simulator), simulator)
    daemon.wait_passes(1)
    compare(rows_of(daemon.results()), "verdicts in the API")
    equal(daemon.counts(), {"Compliant": 48, "NonCompliant": 41, "NoEvidence": 18}, "counts")

    # A property.
    answer, decisive = explain(daemon, "NS-2.2-workspace-public-query", "law-contoso-web")
    equal(answer["state"], "NonCompliant", "state of the property check")
    found = [leaf for leaf in decisive if leaf["path"].endswith("publicNetworkAccessForQuery")]
    check(found and all(leaf["actual"].strip('"') == "Enabled" for leaf in found),
          f"no deciding condition shows Enabled: {decisive}")

    # An array.
    answer, decisive = explain(daemon, "IM-3.2-webhook-https", "ag-contoso-legacy")
    equal(answer["state"], "NonCompliant", "state of the array check")
    shown = [leaf["actual"] for leaf in decisive if leaf["path"] == "properties.webhookReceivers[*].serviceUri"]
    check(any(value.startswith('"http://chat.contoso.example/') for value in shown),
          f"no deciding condition shows the address of the plain webhook: {decisive}")
    check(all("FAKE-SECRET" not in value for value in shown), f"a secret is explained: {shown}")

    # A relation.
    answer, decisive = explain(daemon, "WAF-CONTAINERS.5-insights-workspace-secure", "aks-contoso-dev")
    equal(answer["state"], "NonCompliant", "state of the relation check")
    shown = {leaf["path"].rsplit(".", 1)[1]: leaf["actual"] for leaf in decisive
             if ".containerInsightsWorkspace[*].properties." in leaf["path"]}
    equal(shown.get("publicNetworkAccessForIngestion"), '"Enabled"', f"value of the related workspace in {decisive}")

    # Missing evidence.
    answer, decisive = explain(daemon, "LT-4.1-workspace-query-audit", "law-contoso-payments")
    equal((answer["state"], answer["reason"]), ("NoEvidence", "forbidden"), "state of the check without evidence")
    check(any(leaf["truth"] == "undetermined" and leaf["reason"] == "forbidden" for leaf in decisive),
          f"no deciding condition is undetermined for lack of permission: {decisive}")


if __name__ == "__main__":
    main([first_and_second_pass, formats, explained, the_whole_baseline])
