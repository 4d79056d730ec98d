#!/usr/bin/env python3
"""What changes in the tenant shows up as drift with its cause, and closes again; what is gone, goes."""

from harness import DEVELOPMENT, PRODUCTION, check, equal, last_segment, main, wait_for

WORKSPACE = (f"/subscriptions/{PRODUCTION}/resourceGroups/RG-Contoso-AKS/providers/Microsoft.OperationalInsights/"
             "workspaces/law-contoso-aks")
CLUSTER = "aks-contoso-prod"
VAULT = (f"/subscriptions/{PRODUCTION}/resourcegroups/rg-contoso-web/providers/microsoft.keyvault/vaults/"
         "kv-contoso-web")
SETTING = VAULT + "/providers/microsoft.insights/diagnosticSettings/audit"
MACHINE = (f"/subscriptions/{DEVELOPMENT}/resourceGroups/rg-contoso-dev/providers/Microsoft.Compute/"
           "virtualMachines/vm-dev-01")
QUERY = "NS-2.2-workspace-public-query"
CHANGED = "/properties/publicNetworkAccessForQuery"


def verdict(daemon, reference, identifier):
    rows = daemon.results(reference=reference, resource=identifier)
    check(len(rows) <= 1, f"several verdicts of {reference} for {identifier}")
    return rows[0] if rows else None


def state(daemon, reference, identifier):
    row = verdict(daemon, reference, identifier)
    return row and row["state"]


def open_drift(daemon):
    return {item["id"]: item for item in daemon.api("drift", open="true", limit=1000)["drift"]}


def drift_of(daemon, identifier, opened="true"):
    return [item for item in daemon.api("drift", open=opened, limit=1000)["drift"]
            if item["resource_key"] == identifier.lower()]


def watched(test):
    simulator = test.simulator()
    daemon = test.serve(test.configure(simulator), simulator)
    daemon.wait_passes(1)
    # At first sight every non-compliant verdict is drift from the baseline, and no property has changed.
    first = open_drift(daemon)
    equal({(item["kind"], item["reference"], item["resource_key"]) for item in first.values()},
          {("baseline", row["reference"], row["resource_key"]) for row in daemon.results(state="NonCompliant")},
          "drift after the first pass")
    equal(daemon.metric("plumbline_drift_open"), len(first), "plumbline_drift_open after the first pass")
    return simulator, daemon, first


def a_property_flips_and_flips_back(test):
    simulator, daemon, first = watched(test)
    equal(state(daemon, QUERY, WORKSPACE), "Compliant", "state before")
    cluster = [row for row in daemon.results(reference="WAF-CONTAINERS.5-insights-workspace-secure")
               if last_segment(row["resource_id"]) == CLUSTER]
    equal([row["state"] for row in cluster], ["Compliant"], "state of the cluster before")
    cluster_id = cluster[0]["resource_id"]

    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    equal(verdict(daemon, QUERY, WORKSPACE)["cause"], "resource", "cause of the verdict")
    related = verdict(daemon, "WAF-CONTAINERS.5-insights-workspace-secure", cluster_id)
    equal((related["state"], related["cause"]), ("NonCompliant", "related"), "verdict of the cluster")

    # The API reads the store; the summary behind the metrics follows at the end of the pass.
    wait_for("new drift in the metrics", lambda: daemon.metric("plumbline_drift_open") == len(first) + 3,
             alive=[daemon])
    items = drift_of(daemon, WORKSPACE)
    properties = [item for item in items if item["kind"] == "configuration"]
    equal([(item["path"], item["old"], item["new"]) for item in properties],
          [(CHANGED, '"Disabled"', '"Enabled"')], "drift of the property")
    against = [item for item in items if item["kind"] == "baseline"]
    equal([(item["reference"], item["severity"], item["resolved_at"]) for item in against],
          [(QUERY, "high", None)], "drift from the baseline")
    equal([item["reference"] for item in drift_of(daemon, cluster_id)],
          ["WAF-CONTAINERS.5-insights-workspace-secure"], "drift of the cluster")
    before = len([item for item in first.values()
                  if item["severity"] == "high" and PRODUCTION in item["resource_key"]])
    equal(daemon.metric("plumbline_drift_open", kind="baseline", severity="high", subscription_id=PRODUCTION),
          before + 1, "plumbline_drift_open of high severity")
    equal(daemon.metric("plumbline_drift_open", kind="baseline"), len(first) + 2, "plumbline_drift_open, baseline")
    equal(daemon.metric("plumbline_drift_open", kind="configuration"), 1, "plumbline_drift_open, configuration")
    equal(daemon.api("scores")["drift_open"], {"baseline": len(first) + 2, "configuration": 1}, "open drift in the scores")
    moves = [move for move in daemon.api("transitions", limit=1000)["transitions"]
             if move["resource_key"] == WORKSPACE.lower() and move["reference"] == QUERY and move["from"]]
    equal([(move["from"], move["to"], move["cause"]) for move in moves],
          [("Compliant", "NonCompliant", "resource")], "transition of the workspace")
    versions = daemon.api("resource", id=WORKSPACE)["versions"]
    equal(len(versions), 2, "versions of the workspace")
    equal(len([version for version in versions if version["to_cycle"] is None]), 1, "current versions")

    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Disabled"}})
    wait_for("compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "Compliant", alive=[daemon])
    wait_for("closed drift in the metrics", lambda: daemon.metric("plumbline_drift_open") == len(first),
             alive=[daemon])
    equal(open_drift(daemon), first, "open drift at the end")
    closed = drift_of(daemon, WORKSPACE, opened="false")
    equal({item["kind"] for item in closed if item["resolved_at"]}, {"baseline", "configuration"}, "resolved drift")


def a_deleted_setting_concerns_its_resource(test):
    simulator, daemon, first = watched(test)
    reference = "LT-4.1-resource-diagnostics"
    equal(state(daemon, reference, VAULT), "Compliant", "state before")
    simulator.delete(SETTING)
    wait_for("non-compliant verdict", lambda: state(daemon, reference, VAULT) == "NonCompliant", alive=[daemon])
    # The vault itself is as it was: what changed belongs to it.
    equal(verdict(daemon, reference, VAULT)["cause"], "related", "cause of the verdict")
    equal([item["reference"] for item in drift_of(daemon, VAULT) if item["kind"] == "baseline"], [reference],
          "drift from the baseline")
    equal(len(daemon.api("resource", id=VAULT)["versions"]), 1, "versions of the vault")


def a_change_that_no_rule_reads(test):
    simulator, daemon, first = watched(test)
    before = daemon.counts()
    simulator.patch(MACHINE, {"tags": {"patched": "june"}})
    wait_for("second version", lambda: len(daemon.api("resource", id=MACHINE)["versions"]) == 2, alive=[daemon])
    items = [item for item in drift_of(daemon, MACHINE) if item["id"] not in first]
    equal([(item["kind"], item["path"], item["new"]) for item in items],
          [("configuration", "/tags/patched", '"june"')], "drift")
    daemon.next_pass()
    equal(daemon.counts(), before, "counts by state")
    equal([move for move in daemon.api("transitions", limit=1000)["transitions"]
           if move["resource_key"] == MACHINE.lower() and move["from"]], [], "transitions")


def a_deleted_resource_goes_with_its_verdicts(test):
    simulator, daemon, first = watched(test)
    equal(state(daemon, "IM-3.1-vm-identity", MACHINE), "NonCompliant", "state before")
    simulator.delete(MACHINE)
    wait_for("end of the resource", lambda: daemon.get("/api/v1/resource", id=MACHINE).status == 404, alive=[daemon])
    equal(daemon.results(resource=MACHINE), [], "verdicts of the deleted resource")
    moves = [(move["from"], move["to"], move["reason"], move["cause"])
             for move in daemon.api("transitions", limit=1000)["transitions"]
             if move["resource_key"] == MACHINE.lower() and move["reference"] == "IM-3.1-vm-identity"]
    equal(moves[0], ("NonCompliant", None, "deleted", "resource"), "last transition")
    wait_for("81 resources in the summary", lambda: daemon.api("status")["resources"] == 81, alive=[daemon])
    # Its drift ends with it, and no other does.
    equal(open_drift(daemon), {number: item for number, item in first.items()
                               if item["resource_key"] != MACHINE.lower()}, "open drift")
    # The list of its diagnostic settings goes with it.
    equal(sum(cycle["deleted"] for cycle in daemon.api("cycles")["cycles"]), 2, "deletions in the cycles")


def a_resource_that_graph_forgets_stays(test):
    simulator, daemon, first = watched(test)
    machines = [row for row in simulator.graph_rows("resources")]
    shown = [row for row in machines if row["id"].lower() != MACHINE.lower()]
    equal(len(machines) - len(shown), 1, "rows of the machine")
    planned = {row["type"] for row in daemon.results()}
    rows = [row for row in shown if daemon.get("/api/v1/resource", id=row["id"]).status == 200]
    check(planned and len(rows) > 50, f"{len(rows)} rows")
    # Resource Graph answers a complete result without the machine; Resource Manager still has it.
    simulator.set_faults([{"match": {"path_prefix": "/providers/microsoft.resourcegraph",
                                     "body_contains": "\"resources |"},
                           "status": 200,
                           "body": {"totalRecords": len(rows), "count": len(rows), "resultTruncated": "false",
                                    "data": rows, "facets": []}}])
    wait_for("deletion_unconfirmed in the log", lambda: "event=deletion_unconfirmed" in daemon.log(), alive=[daemon])
    daemon.next_pass()
    equal(daemon.get("/api/v1/resource", id=MACHINE).status, 200, "status of the resource")
    equal(sum(cycle["deleted"] for cycle in daemon.api("cycles", limit=1000)["cycles"]), 0, "deletions")
    row = verdict(daemon, "IM-3.1-vm-identity", MACHINE)
    check(row is not None, "the verdict is gone")
    check(row["state"] in ("NonCompliant", "NoEvidence"), f"verdict {row}")
    simulator.clear_faults()
    wait_for("verdict with evidence", lambda: state(daemon, "IM-3.1-vm-identity", MACHINE) == "NonCompliant",
             alive=[daemon])
    wait_for("7 verdicts without evidence", lambda: daemon.counts()["NoEvidence"] == 7, alive=[daemon])
    equal(open_drift(daemon), first, "open drift")


if __name__ == "__main__":
    main([a_property_flips_and_flips_back, a_deleted_setting_concerns_its_resource, a_change_that_no_rule_reads,
          a_deleted_resource_goes_with_its_verdicts, a_resource_that_graph_forgets_stays])
