#!/usr/bin/env python3
"""From a cycle to what was asked for it: one id in its line, in the lines of its requests, and on the wire."""

import json

from harness import PRODUCTION, check, equal, main, wait_for


def lines_of(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def named(lines, event):
    return [line for line in lines if line["event"] == event]


def a_pass(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    done = test.once(config, simulator, "--log.level=debug", "--log.format=json")
    lines = lines_of(done.stderr)
    requests = named(lines, "azure_request")
    check(len(requests) > 50, f"only {len(requests)} requests")
    # The scenario has a subscription that may not be read as a whole.
    equal({line["code"] for line in requests}, {"200", "403"}, "codes")
    equal(len({line["request_id"] for line in requests}), len(requests), "each request has an id of its own")
    check(all("?" not in line["path"] for line in requests), "a query is logged")
    cycles = named(lines, "cycle_committed")
    asked = [line for line in cycles if line["correlation_id"]]
    check({line["kind"] for line in asked} == {"sweep", "details"}, f"cycles that asked: {asked}")
    check(len(asked) >= 4, f"only {len(asked)} cycles")
    ids = [line["correlation_id"] for line in asked]
    equal(len(set(ids)), len(ids), "each cycle has an id of its own")
    for cycle in asked:
        own = [line for line in requests if line["correlation_id"] == cycle["correlation_id"]]
        check(own, f"nothing was asked for {cycle}")
        check(all(line["ts"] <= cycle["ts"] for line in own), f"asked for after the commit: {cycle}")
    details = {line["correlation_id"]: line["scope"] for line in asked if line["kind"] == "details"}
    for line in requests:
        scope = details.get(line["correlation_id"])
        check(scope is None or scope not in (PRODUCTION,) or PRODUCTION in line["path"],
              f"a request of another subscription: {line}")
    # What decided anew without asking has none.
    equal({line["correlation_id"] for line in cycles if line["kind"] == "baseline"}, {""}, "ids of baseline cycles")


def what_goes_wrong(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    simulator.set_faults([{"match": {"path_regex": "(?i)/diagnosticSettings$", "subscription": PRODUCTION}, "status": 403,
                           "body_code": "AuthorizationFailed"}])
    done = test.once(config, simulator, "--log.format=json")
    lines = lines_of(done.stderr)
    failed = named(lines, "azure_request_failed")
    check(any(PRODUCTION in line["path"] for line in failed), "no request of the faults' failed")
    equal(named(lines, "azure_request"), [], "requests at level info")
    cycles = {line["correlation_id"]: line for line in named(lines, "cycle_committed")}
    for line in failed:
        cycle = cycles.get(line["correlation_id"])
        check(cycle and cycle["kind"] == "details", f"the failure belongs to {cycle}: {line}")
    # The same failure of one list is told once, though its ids differ with every pass.
    daemon = test.serve(config, simulator)
    wait_for("three passes", lambda: daemon.log().count(" event=pass_done ") >= 3, alive=[daemon], timeout=60)
    told = [line.partition(" request_id=")[0].partition(" ")[2] for line in daemon.log().splitlines()
            if " event=azure_request_failed " in line]
    check(told, "no request failed")
    equal(len(told), len(set(told)), "repeated warnings")


if __name__ == "__main__":
    main([a_pass, what_goes_wrong])
