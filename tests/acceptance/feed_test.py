#!/usr/bin/env python3
"""Between two sweeps, an hour apart: what changes is known within one interval of the feed that tells of it, and what
goes wrong with a feed neither invents nor loses anything."""

import json
import os
import sqlite3
import time

from harness import DEVELOPMENT, PRODUCTION, check, contains, equal, main, wait_for

WORKSPACE = (f"/subscriptions/{PRODUCTION}/resourceGroups/RG-Contoso-AKS/providers/Microsoft.OperationalInsights/"
             "workspaces/law-contoso-aks")
VAULT = (f"/subscriptions/{PRODUCTION}/resourcegroups/rg-contoso-web/providers/microsoft.keyvault/vaults/"
         "kv-contoso-web")
SETTING = VAULT + "/providers/microsoft.insights/diagnosticSettings/audit"
MACHINE = (f"/subscriptions/{DEVELOPMENT}/resourceGroups/rg-contoso-dev/providers/Microsoft.Compute/"
           "virtualMachines/vm-dev-01")
QUERY = "NS-2.2-workspace-public-query"
DIAGNOSTICS = "LT-4.1-resource-diagnostics"
GRAPH = "/providers/microsoft.resourcegraph"
FEED = {"path_prefix": GRAPH, "body_contains": "\"resourcechanges |"}
# Changes every 2 s and activity every 3 s, with what the figures of a poll allow on top.
CHANGES = 2 + 5
ACTIVITY = 3 + 10


def watched(test, **options):
    simulator = test.simulator(*options.pop("flags", []))
    settings = {"sweep": "1h", "details": "1h", "changes": "2s", "activity": "3s", **options}
    daemon = test.serve(test.configure(simulator, **settings), simulator)
    daemon.wait_passes(1)
    return simulator, daemon


def polls(daemon, source="arg:resourcechanges"):
    """How many polls of a source have succeeded."""
    return daemon.metric("plumbline_collection_duration_seconds_count", source=source) or 0


def next_polls(daemon, source="arg:resourcechanges"):
    """Waits for a poll that began after this call."""
    count = polls(daemon, source) + 2
    wait_for(f"poll number {count} of {source}", lambda: polls(daemon, source) >= count, alive=[daemon])


def cycles(daemon, kind):
    return [cycle for cycle in daemon.api("cycles", limit=1000)["cycles"] if cycle["kind"] == kind]


def state(daemon, reference, identifier):
    rows = daemon.results(reference=reference, resource=identifier)
    return rows[0]["state"] if rows else None


def within(seconds, what, condition, daemon):
    started = time.monotonic()
    wait_for(what, condition, timeout=seconds, alive=[daemon])
    print(f"  {what}: {time.monotonic() - started:.1f} s", flush=True)


def noncompliant(daemon):
    return daemon.metric("plumbline_compliance_resources", definition=QUERY, state="NonCompliant") or 0


def open_workspace(simulator):
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})


def a_flip_is_known_within_one_interval(test):
    simulator, daemon = watched(test)
    equal(state(daemon, QUERY, WORKSPACE), "Compliant", "state before")
    before = noncompliant(daemon)
    next_polls(daemon)
    open_workspace(simulator)
    within(CHANGES, "non-compliant verdict and metric",
           lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant" and noncompliant(daemon) == before + 1, daemon)
    equal(daemon.passes(), 1, "passes")
    # One cycle tells all of it, and the polls after it none.
    next_polls(daemon)
    found = cycles(daemon, "changes")
    equal([(cycle["changed"], cycle["complete"]) for cycle in found], [(1, True)], "cycles of changes")
    contains(daemon.log(), f"event=change resource_id={WORKSPACE.lower()} kind=Update", "log")


def a_deleted_setting_is_known_within_one_activity_interval(test):
    simulator, daemon = watched(test)
    equal(state(daemon, DIAGNOSTICS, VAULT), "Compliant", "state before")
    next_polls(daemon, "activity")
    simulator.delete(SETTING)
    within(ACTIVITY, "non-compliant verdict", lambda: state(daemon, DIAGNOSTICS, VAULT) == "NonCompliant", daemon)
    equal(daemon.passes(), 1, "passes")
    equal(daemon.results(reference=DIAGNOSTICS, resource=VAULT)[0]["cause"], "related", "cause of the verdict")
    contains(daemon.log(), "event=details_stale", "log")
    next_polls(daemon, "activity")
    equal([cycle["changed"] for cycle in cycles(daemon, "details") if cycle["scope"] == "activity"], [1],
          "cycles of the activity log")


def a_body_that_is_not_there_yet_is_waited_for(test):
    simulator, daemon = watched(test)
    simulator.delay(graph_ms=5000)
    open_workspace(simulator)
    wait_for("the change in the log", lambda: "event=change " in daemon.log(), alive=[daemon])
    equal(state(daemon, QUERY, WORKSPACE), "Compliant", "state while Resource Graph lags")
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    equal(daemon.passes(), 1, "passes")


def a_feed_that_comes_late_loses_nothing(test):
    simulator, daemon = watched(test)
    simulator.delay(changes_ms=6000)
    open_workspace(simulator)
    simulator.delay(changes_ms=0)
    simulator.patch(MACHINE, {"tags": {"patched": "june"}})
    # The later change is told first; the watermark has gone past the earlier one by then.
    wait_for("second version of the machine", lambda: len(daemon.api("resource", id=MACHINE)["versions"]) == 2,
             alive=[daemon])
    equal(state(daemon, QUERY, WORKSPACE), "Compliant", "state before the feed tells")
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    equal(daemon.passes(), 1, "passes")


def a_deletion_is_confirmed(test):
    simulator, daemon = watched(test)
    resource = {"path_regex": "(?i)/virtualMachines/vm-dev-01$"}
    # Resource Manager will not say.
    simulator.set_faults([{"match": resource, "status": 403, "body_code": "AuthorizationFailed"}])
    simulator.delete(MACHINE)
    wait_for("deletion_unconfirmed in the log", lambda: "event=deletion_unconfirmed" in daemon.log(), alive=[daemon])
    equal(daemon.get("/api/v1/resource", id=MACHINE).status, 200, "status while nothing says that it is gone")
    simulator.clear_faults()
    wait_for("end of the resource", lambda: daemon.get("/api/v1/resource", id=MACHINE).status == 404, alive=[daemon])
    equal(daemon.results(resource=MACHINE), [], "verdicts of the deleted resource")
    equal(daemon.passes(), 1, "passes")


def a_new_resource_comes_with_its_lists(test):
    simulator, daemon = watched(test)
    body = simulator.body_of(VAULT)
    other = VAULT + "-2"
    body.update({"id": other, "name": "kv-contoso-web-2"})
    simulator.put(other, body)
    within(CHANGES + 3, "verdict with evidence", lambda: state(daemon, DIAGNOSTICS, other) == "NonCompliant", daemon)
    equal(daemon.passes(), 1, "passes")
    equal([cycle["scope"] for cycle in cycles(daemon, "details")].count("new resources"), 1, "batches of lists")


def rows_repeated_and_of_no_interest(test):
    simulator, daemon = watched(test)
    open_workspace(simulator)
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    row = simulator.graph_rows("resourcechanges")[0]
    strange = [{"id": row["id"] + suffix, "properties": {**row["properties"], **change}} for suffix, change in (
        ("1", {"targetResourceType": "microsoft.nobody/asks"}),
        ("2", {"targetResourceId": "/subscriptions/other/resourceGroups/r/providers/Microsoft.KeyVault/vaults/v",
               "targetResourceType": "microsoft.keyvault/vaults"}),
        ("3", {"changeType": "Rename"}), ("4", {"changeAttributes": {"timestamp": "yesterday"}}),
        ("5", {"targetResourceId": "nothing"}))]
    rows = [row, row] + strange + [{"id": "x"}]
    simulator.set_faults([{"match": FEED, "status": 200,
                           "body": {"totalRecords": len(rows), "count": len(rows), "resultTruncated": "false",
                                    "data": rows}}])
    next_polls(daemon)
    equal(len(cycles(daemon, "changes")), 1, "cycles of changes")
    equal(daemon.log().count(" event=change "), 1, "changes in the log")
    contains(daemon.log(), "event=rows_unusable source=arg:resourcechanges observed=4", "log")
    check(daemon.metric("plumbline_collection_errors_total", source="arg:resourcechanges", reason="unusable_row") >= 1,
          "no error counted")


def a_throttled_feed_goes_on_where_it_was(test):
    simulator, daemon = watched(test)
    next_polls(daemon)
    simulator.set_faults([{"match": FEED, "status": 429, "body_code": "RateLimiting", "retry_after": 1}])
    open_workspace(simulator)
    wait_for("changes_failed in the log", lambda: "event=changes_failed" in daemon.log(), alive=[daemon])
    contains(daemon.log(), "event=changes_failed source=arg:resourcechanges reason=throttled", "log")
    check(daemon.metric("plumbline_collection_errors_total", source="arg:resourcechanges", reason="throttled") >= 1,
          "no error counted")
    equal(state(daemon, QUERY, WORKSPACE), "Compliant", "state while the feed is refused")
    # What is known stays known: a feed that fails is no missing evidence.
    equal(daemon.counts()["NoEvidence"], 18, "verdicts without evidence")
    simulator.clear_faults()
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    equal(daemon.passes(), 1, "passes")


def bodies_that_cannot_be_read_stay_pending(test):
    simulator, daemon = watched(test)
    simulator.set_faults([{"match": {"path_prefix": GRAPH, "body_contains": "where id in~"}, "status": 400,
                           "body_code": "BadRequest"}])
    open_workspace(simulator)
    wait_for("changes_failed in the log",
             lambda: "event=changes_failed source=arg:resources " in daemon.log(), alive=[daemon])
    equal(state(daemon, QUERY, WORKSPACE), "Compliant", "state while the body is refused")
    simulator.clear_faults()
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])


def a_cut_feed_asks_for_a_sweep(test):
    simulator, daemon = watched(test)
    simulator.set_faults([{"match": FEED, "status": 200,
                           "body": {"totalRecords": 5, "count": 0, "resultTruncated": "true", "data": []}}])
    open_workspace(simulator)
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    daemon.wait_passes(2)
    contains(daemon.log(), "event=change_feed_gap source=arg:resourcechanges", "log")
    # The feed stays as it is: that is no reason to sweep again and again.
    next_polls(daemon)
    equal(daemon.passes(), 2, "passes later on")
    # The feed never told of that change.
    equal(daemon.metric("plumbline_change_feed_missed_total"), 0, "missed changes, within the grace")


def positions(config):
    with sqlite3.connect(os.path.join(os.path.dirname(config), "plumbline.db")) as store:
        return dict(store.execute("SELECT source, position FROM watermark"))


def a_restart_keeps_the_watermark(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", changes="2s", activity="3s")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    next_polls(daemon)
    next_polls(daemon, "activity")
    daemon.stop()
    before = positions(config)
    sources = {"arg:resourcechanges", "arg:resourcecontainerchanges"} | {
        "activity:" + row["subscriptionId"] for row in json.loads(
            simulator.arm("GET", "/subscriptions?api-version=2022-12-01").body)["value"]}
    equal(set(before), sources | {source + "|whole" for source in sources}, "watermarks")
    open_workspace(simulator)
    simulator.delete(SETTING)
    daemon = test.serve(config, simulator)
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    # What the sweep of the start found, the feed tells all the same: who changed it is kept.
    wait_for("the change in the log", lambda: "event=change " in daemon.log(), alive=[daemon])
    next_polls(daemon)
    next_polls(daemon, "activity")
    daemon.stop()
    after = positions(config)
    equal(set(after), set(before), "watermarks after the restart")
    check(all(after[source] > before[source] for source in sources), f"{before} -> {after}")
    # Nothing was lost in between.
    equal({source: after[source + "|whole"] for source in sources},
          {source: before[source + "|whole"] for source in sources}, "since when all records were read")
    with sqlite3.connect(os.path.join(os.path.dirname(config), "plumbline.db")) as store:
        rows = list(store.execute("SELECT resource_key, kind, changed_by, client_type, operation, paths, "
                                  "correlation_id <> '' FROM change_record ORDER BY changed_at"))
    equal(rows[0], (WORKSPACE.lower(), "Update", "simulator@contoso.example", "Simulator",
                    "microsoft.operationalinsights/workspaces/write",
                    "[\"properties.publicNetworkAccessForQuery\"]", 1), "record of the change")


def a_watermark_older_than_the_feed_is_a_gap(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", changes="2s", activity="3s")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    next_polls(daemon)
    daemon.stop()
    past = int((time.time() - 15 * 86400) * 1e6)
    future = int((time.time() + 86400) * 1e6)
    with sqlite3.connect(os.path.join(os.path.dirname(config), "plumbline.db")) as store:
        store.execute("UPDATE watermark SET position = ? WHERE source = 'arg:resourcechanges'", (past,))
        store.execute("UPDATE watermark SET position = ? WHERE source <> 'arg:resourcechanges'", (future,))
    open_workspace(simulator)
    daemon = test.serve(config, simulator)
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    next_polls(daemon)
    for source in ("arg:resourcechanges", "arg:resourcecontainerchanges"):
        contains(daemon.log(), f"event=change_feed_gap source={source}", "log")
    # The sweep of the start has seen everything: none is needed beside it.
    equal(daemon.passes(), 1, "passes")
    equal(daemon.log().count("event=change_feed_gap"), 2, "gaps")
    simulator.delete(SETTING)
    wait_for("verdict from the activity log", lambda: state(daemon, DIAGNOSTICS, VAULT) == "NonCompliant",
             alive=[daemon])
    now = positions(config)
    check(all(abs(position - time.time() * 1e6) < 60e6 for source, position in now.items()
              if not source.endswith("|whole")), f"watermarks {now}")
    # From then on, and no longer from before the gap or from a day to come.
    whole = {source: position for source, position in now.items() if source.endswith("|whole")}
    check(len(whole) == 5 and all(-3600e6 < position - time.time() * 1e6 < 0 for position in whole.values()), f"{whole}")


def a_sweep_tells_what_the_feed_knew_of(test):
    """A change that a sweep sees first is no missed one once the feed tells."""
    simulator, daemon = watched(test, sweep="5s")
    simulator.delay(changes_ms=8000)
    open_workspace(simulator)
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])
    wait_for("the change in the log", lambda: "event=change " in daemon.log(), alive=[daemon])
    equal(daemon.metric("plumbline_change_feed_missed_total"), 0, "missed changes")


def nothing_happens_at_rest(test):
    simulator, daemon = watched(test)
    next_polls(daemon, "activity")
    number = daemon.api("cycles")["cycles"][0]["number"]
    before = simulator.requests()["routes"]
    polled = polls(daemon)
    success = daemon.metric("plumbline_collection_last_success_timestamp_seconds", source="activity")
    next_polls(daemon, "activity")
    now = simulator.requests()["routes"]
    asked = now["arg.query"] - before["arg.query"]
    # One question a poll for each of the two tables, nothing else; a poll may be under way.
    polled = polls(daemon) - polled
    check(2 * polled - 2 <= asked <= 2 * polled + 2, f"{asked} queries in {polled} polls")
    equal(daemon.api("cycles")["cycles"][0]["number"], number, "number of the last cycle")
    check(daemon.metric("plumbline_collection_last_success_timestamp_seconds", source="activity") > success,
          "the time of the last success stands still")
    check(daemon.metric("plumbline_collection_last_success_timestamp_seconds", source="arg:resourcechanges"),
          "no time of a success of the feed")


def feeds_are_switched_by_a_reload(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal(polls(daemon), 0, "polls while the feed is off")
    test.configure(simulator, directory=os.path.dirname(config), sweep="1h", details="1h", changes="2s",
                   activity="3s")
    daemon.signal(1)
    wait_for("polls", lambda: polls(daemon) > 1 and polls(daemon, "activity") > 1, alive=[daemon])
    open_workspace(simulator)
    wait_for("non-compliant verdict", lambda: state(daemon, QUERY, WORKSPACE) == "NonCompliant", alive=[daemon])


if __name__ == "__main__":
    main([a_flip_is_known_within_one_interval, a_deleted_setting_is_known_within_one_activity_interval,
          a_body_that_is_not_there_yet_is_waited_for, a_feed_that_comes_late_loses_nothing, a_deletion_is_confirmed,
          a_new_resource_comes_with_its_lists, rows_repeated_and_of_no_interest,
          a_throttled_feed_goes_on_where_it_was, bodies_that_cannot_be_read_stay_pending,
          a_cut_feed_asks_for_a_sweep, a_restart_keeps_the_watermark, a_watermark_older_than_the_feed_is_a_gap,
          a_sweep_tells_what_the_feed_knew_of, nothing_happens_at_rest, feeds_are_switched_by_a_reload])
