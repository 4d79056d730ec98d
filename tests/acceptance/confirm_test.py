#!/usr/bin/env python3
"""What Resource Graph leaves out accuses nobody: a new finding that is grave, or rests on something absent, counts only
once Resource Manager has confirmed it, and waits without evidence until then."""

import sqlite3
import time

from harness import PRODUCTION, check, contains, equal, main, wait_for

WORKSPACE = (f"/subscriptions/{PRODUCTION}/resourceGroups/RG-Contoso-AKS/providers/Microsoft.OperationalInsights/"
             "workspaces/law-contoso-aks")
OMITTED = "properties.publicNetworkAccessForQuery"
QUERY = "NS-2.2-workspace-public-query"
WAITS = ("NoEvidence", "confirming")
BODY = r"(?i)/workspaces/law-contoso-aks$"


def database(config):
    return sqlite3.connect("file:" + config.replace("plumbline.yaml", "plumbline.db") + "?mode=ro", uri=True)


def story(config, identifier, reference=QUERY):
    """Everything that a check has said of a resource, from the first on: state, reason and cause."""
    with database(config) as store:
        return store.execute(
            "SELECT t.to_state, t.reason, t.cause FROM transition t JOIN policy_check c ON c.id = t.check_id "
            "JOIN resource r ON r.id = t.resource_id WHERE r.key = ? AND c.reference = ? ORDER BY t.id",
            (identifier.lower(), reference)).fetchall()


def verdict(daemon, identifier, reference=QUERY):
    rows = daemon.results(reference=reference, resource=identifier)
    return (rows[0]["state"], rows[0]["reason"]) if rows else None


def steps(config, identifier, reference=QUERY):
    """What happened to the drift of that check and resource."""
    with database(config) as store:
        return [step for step, in store.execute(
            "SELECT e.step FROM drift_event e JOIN drift d ON d.id = e.drift_id JOIN resource r ON r.id = d.resource_id "
            "JOIN policy_check c ON c.id = d.check_id WHERE d.kind = 'baseline' AND r.key = ? AND c.reference = ? "
            "ORDER BY e.id", (identifier.lower(), reference))]


def served(test, *faults, omitted=(), **options):
    simulator = test.simulator()
    simulator.omit(*omitted)
    simulator.set_faults(list(faults))
    config = test.configure(simulator, **{"sweep": "1h", "details": "1h", "changes": "1s", **options})
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    return simulator, config, daemon


def an_omitted_property_accuses_nobody(test):
    _, config, daemon = served(test, omitted=[(WORKSPACE, OMITTED)])
    equal(verdict(daemon, WORKSPACE), ("Compliant", ""), "verdict")
    said = [(state, reason) for state, reason, _ in story(config, WORKSPACE)]
    equal(said, [WAITS, ("Compliant", "")], "what was said of it")
    equal(steps(config, WORKSPACE), [], "drift")
    check(daemon.metric("plumbline_confirmations_total", result="contradicted") >= 1, "no contradiction was counted")
    check(daemon.metric("plumbline_confirmations_total", result="confirmed") >= 1, "nothing was confirmed")
    lines = [line for line in daemon.log().splitlines()
             if " event=confirmation_contradicted " in line and f"check={QUERY}" in line]
    equal(len(lines), 1, "lines about it")
    contains(lines[0], f"resource_id={WORKSPACE.lower()} ", "the line")
    contains(lines[0], f"path={OMITTED} ", "the line")
    contains(lines[0], "to=Compliant", "the line")
    told = daemon.api("explain", assignment="azure-monitor", reference=QUERY, resource=WORKSPACE)
    equal(told["confirmation"]["api_version"], "2023-09-01", "api-version of the confirmation")
    check(told["confirmation"]["observed_at"].endswith("Z"), f"when it was confirmed: {told['confirmation']}")
    # What is stored is what the plan's source shows: no other shape ever looks like a change.
    with database(config) as store:
        versions = store.execute("SELECT count(*) FROM version v JOIN resource r ON r.id = v.resource_id "
                                 "WHERE r.key = ?", (WORKSPACE.lower(),)).fetchone()[0]
    equal(versions, 1, "versions of the resource")


def a_property_that_goes_missing_is_no_change_of_verdict(test):
    simulator, config, daemon = served(test)
    equal(verdict(daemon, WORKSPACE), ("Compliant", ""), "verdict before")
    simulator.omit((WORKSPACE, OMITTED))
    simulator.patch(WORKSPACE, {"tags": {"touched": "yes"}})
    wait_for("the contradiction", lambda: daemon.metric("plumbline_confirmations_total", result="contradicted"),
             alive=[daemon])
    wait_for("its verdict", lambda: verdict(daemon, WORKSPACE) == ("Compliant", ""), alive=[daemon])
    states = [state for state, _, _ in story(config, WORKSPACE)]
    equal(states, ["Compliant", "NoEvidence", "Compliant"], "what was said of it")
    equal(steps(config, WORKSPACE), [], "baseline drift")


def a_real_finding_waits_for_its_confirmation(test):
    simulator, config, daemon = served(test)
    equal(verdict(daemon, WORKSPACE), ("Compliant", ""), "verdict before")
    simulator.set_faults([{"match": {"path_regex": BODY}, "delay_ms": 3000}])
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    wait_for("a verdict that waits", lambda: verdict(daemon, WORKSPACE) == WAITS, alive=[daemon])
    equal(steps(config, WORKSPACE), [], "drift while it waits")
    wait_for("the finding", lambda: verdict(daemon, WORKSPACE) == ("NonCompliant", ""), alive=[daemon])
    equal(story(config, WORKSPACE)[1:],
          [("NoEvidence", "confirming", "resource"), ("NonCompliant", "", "resource")], "what was said of it")
    equal(steps(config, WORKSPACE), ["opened"], "drift")
    asked = daemon.metric("plumbline_confirmations_total", result="confirmed")
    # Unchanged, it is asked for no more; nor when something else of it changes.
    simulator.set_faults([{"match": {"path_regex": BODY}, "status": 500}])
    simulator.patch(WORKSPACE, {"tags": {"touched": "yes"}})
    wait_for("the change", lambda: "touched" in str(daemon.api("resource", id=WORKSPACE)), alive=[daemon])
    time.sleep(2)
    equal(verdict(daemon, WORKSPACE), ("NonCompliant", ""), "verdict after another change")
    equal(daemon.metric("plumbline_confirmations_total", result="confirmed"), asked, "confirmations")
    equal(steps(config, WORKSPACE), ["opened"], "drift after another change")


def refused(test, status, word):
    simulator, config, daemon = served(test)
    simulator.set_faults([{"match": {"path_regex": BODY}, "status": status}])
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    waits = ("NoEvidence", f"confirming_{word}")
    wait_for("the refusal", lambda: verdict(daemon, WORKSPACE) == waits, alive=[daemon])
    check(daemon.metric("plumbline_confirmations_total", result="failed") >= 1, "no failure was counted")
    check(daemon.metric("plumbline_confirmations_pending") >= 1, "nothing is pending")
    contains(daemon.log(), f"event=confirmation_failed resource_id={WORKSPACE} reason={word} ", "log")
    equal(steps(config, WORKSPACE), [], "drift while nobody knows")
    # A process that starts anew does not wait for the time that the one before had set.
    daemon.kill()
    simulator.clear_faults()
    again = test.serve(config, simulator)
    wait_for("the finding", lambda: verdict(again, WORKSPACE) == ("NonCompliant", ""), alive=[again])
    equal([state for state, _, _ in story(config, WORKSPACE)], ["Compliant", "NoEvidence", "NoEvidence", "NonCompliant"],
          "what was said of it")
    equal(story(config, WORKSPACE)[-1], ("NonCompliant", "", "resource"), "the last of it")
    equal(steps(config, WORKSPACE), ["opened"], "drift")


def a_forbidden_answer_leaves_no_evidence(test):
    refused(test, 403, "forbidden")


def a_failing_service_leaves_no_evidence(test):
    refused(test, 500, "unavailable")


def a_finding_that_waits_outlives_a_crash(test):
    simulator, config, daemon = served(test)
    simulator.set_faults([{"match": {"path_regex": BODY}, "delay_ms": 20000}])
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    wait_for("a verdict that waits", lambda: verdict(daemon, WORKSPACE) == WAITS, alive=[daemon])
    daemon.kill()
    again = test.serve(config, simulator)
    equal(verdict(again, WORKSPACE), WAITS, "verdict after the restart")
    check(again.metric("plumbline_confirmations_pending") >= 1, "nothing is pending after the restart")
    simulator.clear_faults()
    wait_for("the finding", lambda: verdict(again, WORKSPACE) == ("NonCompliant", ""), alive=[again])
    equal([(state, cause) for state, _, cause in story(config, WORKSPACE)][1:],
          [("NoEvidence", "resource"), ("NonCompliant", "resource")], "what was said of it")
    equal(steps(config, WORKSPACE), ["opened"], "drift")


def what_is_beyond_the_budget_waits(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", changes="off", azure="  confirmations: 3\n")
    counts = []
    for _ in range(30):
        # The scenario's own refusals are asked for again by each process, so they use up the budget.
        simulator.admin("DELETE", "faults")
        done = test.once(config, simulator)
        check(done.returncode in (1, 3), f"exit code {done.returncode} ({done.stderr[-500:]})")
        with database(config) as store:
            counts.append(store.execute("SELECT count(DISTINCT resource_id) FROM verdict WHERE state = 'NoEvidence' "
                                        "AND reason = 'confirming'").fetchone()[0])
        if counts[-1] == 0:
            break
    check(len(counts) > 2, f"one pass asked for more than the budget: {counts}")
    equal([a - b for a, b in zip(counts, counts[1:-1])], [3] * (len(counts) - 2), "confirmed by each pass")
    equal(counts[-1], 0, "waiting at last")


if __name__ == "__main__":
    main([an_omitted_property_accuses_nobody, a_property_that_goes_missing_is_no_change_of_verdict,
          a_real_finding_waits_for_its_confirmation, a_forbidden_answer_leaves_no_evidence,
          a_failing_service_leaves_no_evidence, a_finding_that_waits_outlives_a_crash,
          what_is_beyond_the_budget_waits])
