#!/usr/bin/env python3
"""What changes in the tenant shows up as drift with its cause, and closes again; what is gone, goes."""

import datetime
import json
import os
import signal
import socket
import urllib.parse

from harness import DEVELOPMENT, PRODUCTION, check, contains, equal, last_segment, main, wait_for

WORKSPACE = (f"/subscriptions/{PRODUCTION}/resourceGroups/RG-Contoso-AKS/providers/Microsoft.OperationalInsights/"
             "workspaces/law-contoso-aks")
CLUSTER = "aks-contoso-prod"
VAULT = (f"/subscriptions/{PRODUCTION}/resourcegroups/rg-contoso-web/providers/microsoft.keyvault/vaults/"
         "kv-contoso-web")
SETTING = VAULT + "/providers/microsoft.insights/diagnosticSettings/audit"
MACHINE = (f"/subscriptions/{DEVELOPMENT}/resourceGroups/rg-contoso-dev/providers/Microsoft.Compute/"
           "virtualMachines/vm-dev-01")
COMPONENT = (f"/subscriptions/{DEVELOPMENT}/resourceGroups/rg-contoso-dev/providers/microsoft.insights/components/"
             "appi-contoso-dev")
QUERY = "NS-2.2-workspace-public-query"
CHANGED = "/properties/publicNetworkAccessForQuery"


def instant():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
          [("NoEvidence", "NonCompliant", "resource"), ("Compliant", "NoEvidence", "resource")],
          "transitions of the workspace")
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

    def moves():
        return [move for move in daemon.api("transitions", limit=1000)["transitions"]
                if move["resource_key"] == MACHINE.lower()]

    moved = moves()
    simulator.patch(MACHINE, {"tags": {"patched": "june"}})
    wait_for("second version", lambda: len(daemon.api("resource", id=MACHINE)["versions"]) == 2, alive=[daemon])
    # A machine is none of Azure Monitor's resources.
    equal([item["path"] for item in drift_of(daemon, MACHINE) if item["id"] not in first], [], "drift")
    daemon.next_pass()
    equal(daemon.counts(), before, "counts by state")
    equal(moves(), moved, "transitions")


def noise_is_no_drift_and_more_counts_where_configured(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    with open(config, "a", encoding="utf-8") as file:
        file.write("drift: {noise: noise.yaml, include: [{types: [Microsoft.Compute/*], paths: [/tags/*]}]}\n")
    with open(os.path.join(os.path.dirname(config), "noise.yaml"), "w", encoding="utf-8") as file:
        file.write("rules: [{kind: ignore, types: ['*'], paths: [/tags/patched], reason: written by the patching}]\n")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    first = open_drift(daemon)
    simulator.patch(MACHINE, {"tags": {"patched": "june", "owner": "nobody"}})
    simulator.patch(WORKSPACE, {"properties": {"modifiedDate": "2030-01-01T00:00:00Z", "provisioningState": "Updating",
                                               "retentionInDays": 31}})
    for identifier in (MACHINE, WORKSPACE):
        wait_for("second version", lambda of=identifier: len(daemon.api("resource", id=of)["versions"]) == 2,
                 alive=[daemon])
    equal({(item["resource_key"], item["path"]) for number, item in open_drift(daemon).items()
           if item["kind"] == "configuration" and number not in first},
          {(MACHINE.lower(), "/tags/owner"), (WORKSPACE.lower(), "/properties/retentionInDays")}, "drift")


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
    # The list of its diagnostic settings goes with it, and what Resource Manager said of it.
    equal(sum(cycle["deleted"] for cycle in daemon.api("cycles")["cycles"]), 3, "deletions in the cycles")


def a_deleted_workspace_is_missed_by_what_sends_to_it(test):
    reference = "LT-4.1-resource-diagnostics-not-dangling"
    baseline = os.path.join(test.source_dir, "baselines", "azure-monitor")
    simulator = test.simulator()
    config = test.configure(simulator, baseline=baseline)
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    senders = {row["resource_key"] for row in daemon.results(reference=reference, state="Compliant")}
    equal(daemon.results(reference=reference, state="NonCompliant"), [], "what misses something before")
    simulator.delete(WORKSPACE)
    missing = wait_for("a sender that misses it",
                       lambda: daemon.results(reference=reference, state="NonCompliant"), alive=[daemon])
    check({row["resource_key"] for row in missing} <= senders, missing)
    equal({item["resource_key"] for item in open_drift(daemon).values() if item["reference"] == reference},
          {row["resource_key"] for row in missing}, "drift")
    done = test.run("report", "--config.file", config, "--baseline", baseline, "--format", "json")
    equal((done.returncode, json.loads(done.stdout)["verdicts"]), (0, []), "what the same baseline would change")


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
    wait_for("18 verdicts without evidence", lambda: daemon.counts()["NoEvidence"] == 18, alive=[daemon])
    equal(open_drift(daemon), first, "open drift")


def drift_command(test, config, *arguments, code=0):
    done = test.run("drift", arguments[0], "--config.file=" + config, *arguments[1:])
    equal(done.returncode, code, f"exit code of drift {arguments[0]}: {done.stderr}")
    return done.stdout if code == 0 else done.stderr


def access_of(daemon, **filters):
    """State, old and new value of the drift of the workspace's property; none: resolved or never opened."""
    rows = [row for row in daemon.api("drift", **{"states": "open,accepted,snoozed", "scope": WORKSPACE, **filters})["drift"]
            if row["path"] == CHANGED]
    check(len(rows) <= 1, f"several items of one property: {rows}")
    return rows[0] if rows else None


def flip(simulator, daemon, value):
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": value}})
    wait_for(f"the value {value}", lambda: daemon.api("resource", id=WORKSPACE)["configuration"]["properties"]
             ["publicNetworkAccessForQuery"] == value, alive=[daemon])


def drift_is_accepted_by_command(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    first = daemon.metric("plumbline_drift_open")
    flip(simulator, daemon, "Enabled")
    item = access_of(daemon)
    equal((item["state"], item["old"], item["new"]), ("open", '"Disabled"', '"Enabled"'), "drift")
    listed = json.loads(drift_command(test, config, "list", "--scope", WORKSPACE, "--kind", "configuration",
                                      "--format", "json"))
    equal([(row["id"], row["path"]) for row in listed], [(item["id"], CHANGED)], "drift list")
    contains(drift_command(test, config, "list"), f"{CHANGED}: \"Disabled\" -> \"Enabled\"", "table of drift list")
    csv = drift_command(test, config, "list", "--format=csv").splitlines()
    check(csv[0].startswith("id,identity,state,kind,severity") and len(csv) > 3, f"CSV of drift list: {csv[0]}")

    out = drift_command(test, config, "accept", str(item["id"]), "--reason", "CHG-4711", "--author", "ana")
    contains(out, "Acceptance 1 covers 1 drift items.", "drift accept")
    wait_for("the metric", lambda: daemon.metric("plumbline_drift_open") == first + 2, alive=[daemon])
    accepted = access_of(daemon)
    equal(accepted["state"], "accepted", "state")
    equal(accepted["acceptance"]["author"], f"ana (uid {os.getuid()})", "author")
    # Another value is drift from the accepted one, and has the same identity.
    flip(simulator, daemon, "SecuredByPerimeter")
    again = access_of(daemon)
    equal((again["state"], again["old"], again["new"]), ("open", '"Enabled"', '"SecuredByPerimeter"'), "drift after that")
    equal(again["identity"], item["identity"], "identity")
    flip(simulator, daemon, "Enabled")
    equal(access_of(daemon), None, "drift at the accepted value")
    steps = daemon.api("drift", item=item["id"])["drift"][0]["events"]
    equal([step["step"] for step in steps], ["opened", "accepted"], "steps of the accepted item")
    steps = daemon.api("drift", item=again["id"])["drift"][0]["events"]
    equal([step["step"] for step in steps], ["changed", "resolved"], "steps of the item after it")

    # A whole scope, put off; withdrawn, it opens again.
    contains(drift_command(test, config, "accept", "--scope", "/", "--reference", QUERY, "--reason", "r", "--snooze",
                           code=2), "to snooze needs an end", "snooze without an end")
    drift_command(test, config, "accept", "--scope", "/", "--reference", QUERY, "--reason", "r", "--snooze",
                  "--expires-on", "2099-01-01T00:00:00Z")
    equal({row["state"] for row in daemon.api("drift", states="all", reference=QUERY)["drift"]
           if row["resolved_at"] is None}, {"snoozed"}, "snoozed")
    contains(drift_command(test, config, "withdraw", "2"), "Acceptance 2 is withdrawn.", "withdraw")
    equal({row["state"] for row in daemon.api("drift", reference=QUERY)["drift"]}, {"open"}, "opened again")

    # What cannot be: nothing is changed, and the reason is said.
    before = daemon.api("acceptances", all="true")
    for arguments, reason in ((("accept", "999", "--reason", "r"), "no drift 999 is open"),
                              (("accept", str(again["id"]), "--reason", "r"), "is open"),
                              (("accept", "--reason", "r"), "say what is accepted"),
                              (("accept", "--scope", "/", "--type", "no.such/type", "--reason", "r"), "no open drift fits"),
                              (("accept", "--scope", "prod", "--reason", "r"), "`prod` is no `/`"),
                              (("accept", "--scope", "/", "--reason", "r", "--expires-on", "2001-01-01T00:00:00Z"),
                               "no instant to come"),
                              (("withdraw", "2"), "no acceptance 2 is in force")):
        contains(drift_command(test, config, *arguments, code=2), reason, f"drift {arguments}")
    equal(daemon.api("acceptances", all="true"), before, "acceptances")

    # The socket is its owner's, and takes no nonsense.
    path = config.replace("plumbline.yaml", "plumbline.db.sock")
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode of the socket")
    for line in (b"nonsense\n", b"[]\n", b'{"ids": "x"}\n', b"x" * 70_000 + b"\n", b""):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            peer.settimeout(20)
            try:
                peer.sendall(line)
                peer.shutdown(socket.SHUT_WR)
                answer = peer.recv(10_000)
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
        check(answer == b"" or b'"error"' in answer, f"answer to {line[:20]!r}: {answer!r}")
    equal(drift_command(test, config, "export"), "acceptances: []\n", "drift export of what does not stand")
    drift_command(test, config, "accept", "--scope", "/", "--type", "no.such/type", "--standing", "--reason", "stands")
    contains(drift_command(test, config, "export"), "stands", "drift export")
    equal(daemon.stop(), 0, "exit code")
    check(not os.path.exists(path), "the socket is left behind")
    contains(drift_command(test, config, "accept", "--scope", "/", "--reason", "r", code=2), "no daemon listens there",
             "no daemon")
    equal(test.run("verify", "--full", "--config.file=" + config).returncode, 0, "verify")


def drift_is_accepted_by_file(test):
    simulator = test.simulator()
    directory = test.directory("store")
    file = os.path.join(directory, "acceptances.yaml")
    entry = (f"acceptances:\n  - name: access\n    scope: {WORKSPACE}\n    path: {CHANGED}\n"
             f"    reason: CHG-1\n    author: team\n")
    with open(file, "w", encoding="utf-8") as out:
        out.write(entry)
    config = test.configure(simulator, directory, extra="drift: {acceptances: acceptances.yaml, first_pass: accept}\n")

    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    wait_for("the first pass's acceptance", lambda: daemon.metric("plumbline_drift_open") is None, alive=[daemon])
    equal({row["acceptance"]["author"] for row in daemon.api("drift", states="all", limit=1000)["drift"]}, {"plumbline"},
          "who accepted what the first pass found")
    flip(simulator, daemon, "Enabled")
    equal(access_of(daemon)["acceptance"]["name"], "access", "acceptance")
    with open(file, "w", encoding="utf-8") as out:
        out.write("acceptances: []\n")
    daemon.signal(signal.SIGHUP)
    wait_for("the end of the entry", lambda: access_of(daemon)["state"] == "open", alive=[daemon])
    with open(file, "w", encoding="utf-8") as out:
        out.write(entry.replace("scope:", "scop:"))
    daemon.signal(signal.SIGHUP)
    wait_for("a refusal", lambda: "event=reload_failed" in daemon.log(), alive=[daemon])
    contains(daemon.log(), "acceptances.yaml:3:5: unknown key `scop`", "log")
    with open(file, "w", encoding="utf-8") as out:
        out.write(entry)
    equal(daemon.stop(), 0, "exit code")
    # A restart takes it over with its first pass, and accepts nothing as the first pass's again.
    daemon = test.serve(config, simulator)
    wait_for("the entry", lambda: access_of(daemon)["state"] == "accepted", alive=[daemon])
    equal(len([row for row in daemon.api("acceptances", all="true")["acceptances"] if row["author"] == "plumbline"]), 1,
          "acceptances of the first pass")
    equal({row["kind"] for row in daemon.api("drift")["drift"]}, {"baseline"}, "open drift")


def ids(rows):
    return [row["id"] for row in rows]


def drift_is_chosen_by_subscription_control_actor_and_owner(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", changes="2s",
                            extra="drift: {owner_tags: [team]}\n")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)

    def steps(**labels):
        return daemon.metric("plumbline_drift_events_total", **labels) or 0

    before = {step: steps(step=step) for step in ("opened", "accepted", "snoozed", "reopened", "resolved")}
    equal(before["opened"], len(open_drift(daemon)), "steps that opened")
    equal([before[step] for step in ("accepted", "snoozed", "reopened", "resolved")], [0] * 4, "other steps")
    query = urllib.parse.urlencode({"id": WORKSPACE, "changed_by": "mallory@contoso.example",
                                    "client_type": "Azure Portal"})
    simulator.admin("PATCH", "resources?" + query, {"properties": {"publicNetworkAccessForQuery": "Enabled"},
                                                    "tags": {"team": "Platform"}})
    wait_for("drift", lambda: access_of(daemon), alive=[daemon])
    item = access_of(daemon)
    # Against the baseline it is drift once Resource Manager has confirmed it.
    wait_for("drift from the baseline",
             lambda: daemon.api("drift", scope=WORKSPACE, reference=QUERY)["drift"], alive=[daemon])
    both = ids(row for row in daemon.api("drift", scope=WORKSPACE)["drift"]
               if row["change"] and row["change"].get("changed_by"))
    check(item["id"] in both and len(both) > 1, f"what mallory did: {both}")

    def found(**filters):
        return ids(daemon.api("drift", limit=1000, **filters)["drift"])

    every = open_drift(daemon)
    equal(found(actor="MALLORY@contoso.example"), both, "by actor")
    equal(found(actor="nobody@contoso.example"), [], "by another actor")
    equal(found(owner="platform"), [row["id"] for row in daemon.api("drift", scope=WORKSPACE, limit=1000)["drift"]],
          "by owner")
    equal(found(owner="plat"), [], "by part of an owner")
    equal(found(owner="platform", actor="nobody"), [], "by owner and another actor")
    production = [number for number, row in every.items() if PRODUCTION in row["resource_key"]]
    check(0 < len(production) < len(every), "drift of one subscription is some of it")
    equal(found(subscription=PRODUCTION.upper()), production, "by subscription")
    equal(found(subscription="no-such"), [], "by another subscription")
    of_control = {row["reference"] for row in daemon.api("checks")["checks"] if "NS-2" in row["controls"]}
    network = found(control="NS-2")
    equal([number for number in network if every[number]["kind"] == "baseline"],
          [number for number, row in every.items() if row["reference"] in of_control], "checks of a control")
    # The property is read by a check of NS-2, the tag by none.
    equal([every[number]["path"] for number in network if every[number]["kind"] == "configuration"], [CHANGED],
          "properties that its checks read")
    equal(found(control="no-such"), [], "by another control")

    # Counts are of what is chosen, whatever the state; a filter that only looking can decide has none.
    counted = daemon.api("drift", counts="true", subscription=PRODUCTION, states="accepted")
    equal((counted["drift"], counted["counts"]),
          ([], {"open": len(production), "accepted": 0, "snoozed": 0, "resolved": 0}), "counts")
    equal(daemon.api("drift", counts="true", actor="nobody")["counts"], None, "counts of an actor")
    check("counts" not in daemon.api("drift"), "counts that nobody asked for")
    # Pages: every item once, and the last one says so.
    for filters in ({}, {"subscription": PRODUCTION}, {"control": "NS-2"}, {"owner": "platform"}):
        whole, pages, after = found(**filters), [], ""
        while after is not None:
            page = daemon.api("drift", limit=2, after=after, **filters)
            check(len(page["drift"]) <= 2, "size of a page")
            pages += ids(page["drift"])
            after = page["next"]
        equal(pages, whole, f"pages of {filters}")

    # One item: what it is about.
    equal(QUERY in [entry["reference"] for entry in daemon.api("drift", item=item["id"])["drift"][0]["checks"]], True,
          "a check that reads the property")
    against = daemon.api("drift", scope=WORKSPACE, reference=QUERY)["drift"][0]
    equal([entry["reference"] for entry in daemon.api("drift", item=against["id"])["drift"][0]["checks"]], [QUERY],
          "the check of baseline drift")
    versions = [row["version"] for row in daemon.api("resource", id=WORKSPACE)["versions"]]
    equal([item["new_version"], item["old_version"]], versions, "versions that were compared")

    # The command chooses in the same ways.
    for name, value, wanted in (("actor", "mallory@contoso.example", both), ("actor", "nobody", []),
                                ("owner", "PLATFORM", found(owner="platform")), ("owner", "nobody", []),
                                ("subscription", PRODUCTION, production), ("subscription", "none", []),
                                ("control", "ns-2", network)):
        equal(ids(json.loads(drift_command(test, config, "list", "--format=json", f"--{name}={value}"))), wanted,
              f"drift list --{name}={value}")
    unknown = test.run("drift", "list", "--control=NS-22", f"--config.file={config}")
    equal(unknown.returncode, 2, "exit code for an unknown control")
    contains(unknown.stderr, "the baseline has no control NS-22; it has ", "an unknown control")
    contains(unknown.stderr, ", NS-2, ", "the controls that there are")

    # Steps are counted as they are committed, and a start counts none of those before it.
    moved = len(every) - before["opened"]
    equal(steps(step="opened") - before["opened"], moved, "steps that opened")
    drift_command(test, config, "accept", str(item["id"]), "--reason", "CHG-1")
    wait_for("an acceptance", lambda: steps(step="accepted", severity=item["severity"]) == 1, alive=[daemon])
    equal(steps(step="accepted"), 1, "steps of acceptance")
    equal(daemon.stop(), 0, "exit code")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal([steps(step=step) for step in ("opened", "accepted", "resolved")], [0, 0, 0], "steps after a start")


def all_of_a_resource_is_one_timeline(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", changes="2s")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)

    def patch(body, **by):
        query = urllib.parse.urlencode({"id": WORKSPACE, **by})
        simulator.admin("PATCH", "resources?" + query, body)

    patch({"properties": {"publicNetworkAccessForQuery": "Enabled"}},
          changed_by="mallory@contoso.example", client_type="Azure Portal")
    wait_for("drift", lambda: access_of(daemon), alive=[daemon])
    drift_command(test, config, "accept", str(access_of(daemon)["id"]), "--reason", "CHG-9", "--author", "ana")

    def timeline():
        return daemon.api("history", id=WORKSPACE, limit=1000)["timeline"]

    entries = timeline()
    equal([entry["at"] for entry in entries], sorted((entry["at"] for entry in entries), reverse=True), "order")
    equal({entry["entry"] for entry in entries}, {"version", "transition", "drift", "change"}, "kinds of entries")
    versions = [entry for entry in entries if entry["entry"] == "version"]
    equal([[change["path"] for change in entry["changes"]] for entry in versions], [[CHANGED], []], "versions")
    equal(versions[0]["change"]["changed_by"], "mallory@contoso.example", "who made the version")
    check("changed_by" not in versions[1]["change"], "nobody is named for what was there at first sight")
    told = [entry for entry in entries if entry["entry"] == "change"]
    equal([(entry["changed_by"], entry["client_type"], entry["paths"]) for entry in told],
          [("mallory@contoso.example", "Azure Portal", ["properties.publicNetworkAccessForQuery"])], "what Azure told")
    mine = [entry for entry in entries if entry["entry"] == "drift" and entry["path"] == CHANGED]
    equal([(entry["step"], (entry["acceptance"] or {}).get("reason"), (entry["change"] or {}).get("changed_by"))
           for entry in mine], [("accepted", "CHG-9", None), ("opened", None, "mallory@contoso.example")], "steps")
    # Azure's record, what was observed, what that means.
    order = [entry["entry"] for entry in reversed(entries) if entry["at"] >= told[0]["at"]]
    equal(order[:2], ["change", "version"], "how it came about")
    check(set(order[2:]) == {"transition", "drift"}, f"what follows: {order}")
    cut = daemon.api("history", id=WORKSPACE, limit=3)
    equal((cut["timeline"], cut["more"]), (entries[:3], True), "the latest three")
    equal(daemon.api("history", id=WORKSPACE, limit=1000)["more"], False, "all of it")

    # Two people: the version is nobody's, and each of them is told of.
    patch({"properties": {"retentionInDays": 60}}, changed_by="ana@contoso.example", client_type="Azure CLI")
    patch({"properties": {"publicNetworkAccessForQuery": "Disabled"}}, changed_by="bob@contoso.example",
          client_type="Azure Portal")
    wait_for("both changes", lambda: sum(entry["entry"] == "change" for entry in timeline()) == 3, alive=[daemon])
    entries = timeline()
    latest = next(entry for entry in entries if entry["entry"] == "version")
    if len(latest["changes"]) == 2:
        check("changed_by" not in latest["change"], f"two people's version: {latest}")
    else:  # the feed was read in between: each has a version of his own
        equal(latest["change"].get("changed_by"), "bob@contoso.example", "who made the last version")
    equal([entry["changed_by"] for entry in entries if entry["entry"] == "change"],
          [name + "@contoso.example" for name in ("bob", "ana", "mallory")], "what Azure told")

    # The command tells the same, and keeps what it had.
    history = json.loads(test.run("history", "--config.file=" + config, "--format=json", WORKSPACE).stdout)
    equal([{name: value for name, value in entry.items() if name != "title"} for entry in entries], history["timeline"],
          "timeline of the command")
    check(history["versions"] and history["transitions"] and history["drift"], "the members from before")
    table = test.run("history", "--config.file=" + config, WORKSPACE).stdout
    for part in ("by mallory@contoso.example with Azure Portal at ", "Azure tells of Update: by ana@contoso.example",
                 "by ana (uid ", ": CHG-9", f"replace  {CHANGED} = \"Enabled\"", "nobody that is known, before "):
        contains(table, part, "table")

    simulator.delete(WORKSPACE)
    wait_for("its end", lambda: timeline()[0]["entry"] != "version" and
             any(entry["entry"] == "end" for entry in timeline()), alive=[daemon])
    equal(daemon.get("/api/v1/resource", id=WORKSPACE).status, 404, "status of the resource")


def who_changed_it_is_named(test):
    """By the change feed, where that is certain; rules about who did it accept a change or raise it."""
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", changes="2s", extra=(
        "drift:\n  owner_tags: [team]\n  expected:\n"
        "    - {name: pipeline, effect: accept, actors: [pipeline@contoso.example]}\n"
        "    - {name: by hand, effect: escalate, clients: [Azure Portal]}\n"))
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)

    def change(value, by, client):
        query = urllib.parse.urlencode({"id": WORKSPACE, "changed_by": by, "client_type": client})
        simulator.admin("PATCH", "resources?" + query, {"properties": {"publicNetworkAccessForQuery": value},
                                                        "tags": {"team": "platform"}})

    change("Enabled", "mallory@contoso.example", "Azure Portal")
    wait_for("drift", lambda: access_of(daemon), alive=[daemon])
    item = access_of(daemon)
    equal(item["change"]["changed_by"], "mallory@contoso.example", "who")
    equal(item["change"]["client_type"], "Azure Portal", "with what")
    check(item["change"]["not_before"] < item["change"]["at"] <= item["change"]["not_after"], f"when: {item['change']}")
    equal(item["owner"], "platform", "owner")
    equal((item["state"], item["severity"]), ("open", "critical"), "raised by a rule")
    # It waits for Resource Manager's word, a moment longer.
    against = wait_for("drift from the baseline",
                       lambda: daemon.api("drift", scope=WORKSPACE, reference=QUERY)["drift"], alive=[daemon])
    equal([(row["severity"], row["change"]["changed_by"]) for row in against],
          [("critical", "mallory@contoso.example")], "drift from the baseline")
    contains(drift_command(test, config, "list", "--scope", WORKSPACE), "by mallory@contoso.example with Azure Portal",
             "drift list")
    change("Disabled", "mallory@contoso.example", "Azure Portal")
    wait_for("the end", lambda: access_of(daemon) is None, alive=[daemon])
    change("Enabled", "pipeline@contoso.example", "Azure Resource Manager")
    wait_for("drift", lambda: access_of(daemon), alive=[daemon])
    item = access_of(daemon)
    # Azure may take five minutes to tell of somebody else: until then it is only put off.
    equal((item["state"], item["severity"], item["change"]["complete"]), ("snoozed", "high", False), "put off by a rule")
    equal((item["acceptance"]["author"], item["acceptance"]["reason"]),
          ("rule pipeline", "an expected change, unless Azure tells of somebody else"), "by what")
    check(item["acceptance"]["expires_at"] > item["opened_at"], f"until when: {item['acceptance']}")
    # It, too, waits for Resource Manager's word first.
    against = wait_for("the check's drift", lambda: daemon.api("drift", scope=WORKSPACE, reference=QUERY,
                                                               states="open,snoozed")["drift"], alive=[daemon])
    equal([row["state"] for row in against], ["snoozed"], "the check's drift")


def two_instants_are_compared(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    before = instant()
    flip(simulator, daemon, "Enabled")
    simulator.delete(COMPONENT)
    wait_for("end of the resource", lambda: daemon.get("/api/v1/resource", id=COMPONENT).status == 404, alive=[daemon])
    after = instant()
    changed = {row["key"]: row["patch"] for row in json.loads(
        drift_command(test, config, "diff", before, after, "--format=json"))}
    equal(changed[WORKSPACE.lower()], [{"op": "replace", "path": CHANGED, "value": "Enabled"}], "patch")
    equal(changed[COMPONENT.lower()], [{"op": "remove", "path": ""}], "patch of what is gone")
    contains(drift_command(test, config, "diff", before, after, "--scope", WORKSPACE), CHANGED, "table")
    equal(json.loads(drift_command(test, config, "diff", after, instant(), "--format=json")), [], "nothing since")
    removed = [row for row in daemon.api("drift", scope=COMPONENT)["drift"]]
    equal([(row["kind"], row["path"], row["new"]) for row in removed], [("configuration", "", "")], "drift of what is gone")
    contains(drift_command(test, config, "diff", "yesterday", after, code=2), "`yesterday` is no instant", "an instant")


if __name__ == "__main__":
    main([a_property_flips_and_flips_back, a_deleted_setting_concerns_its_resource, a_change_that_no_rule_reads,
          noise_is_no_drift_and_more_counts_where_configured,
          a_deleted_resource_goes_with_its_verdicts, a_deleted_workspace_is_missed_by_what_sends_to_it,
          a_resource_that_graph_forgets_stays,
          drift_is_accepted_by_command, drift_is_accepted_by_file,
          drift_is_chosen_by_subscription_control_actor_and_owner, all_of_a_resource_is_one_timeline,
          who_changed_it_is_named, two_instants_are_compared])
