#!/usr/bin/env python3
"""Azure fails in every way it knows: what is concerned has no evidence, the rest goes on, nothing is deleted."""

import socket
import threading

from harness import DEVELOPMENT, Failure, check, contains, equal, free_port, last_segment, main, wait_for

FAST = {"sweep": "5s", "details": "5s"}


def settings_of(name):
    """Matches the list of diagnostic settings of the resource of this name."""
    return {"path_regex": f"(?i)/{name}/providers/microsoft\\.insights/diagnosticsettings$"}


GRAPH = {"path_prefix": "/providers/microsoft.resourcegraph"}


def states(daemon):
    return {(row["reference"], row["resource_key"]): (row["state"], row["reason"]) for row in daemon.results()}


def drift(daemon):
    return {item["id"] for item in daemon.api("drift", open="true", limit=1000)["drift"]}


def deletions(daemon):
    return sum(cycle["deleted"] for cycle in daemon.api("cycles", limit=1000)["cycles"])


class Listener:
    """Accepts connections and keeps what comes; closes them without an answer."""

    def __init__(self):
        self.received = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.received.append(connection.recv(65536))
                except OSError:
                    self.received.append(b"")

    def close(self):
        self._socket.close()


def watched(test):
    simulator = test.simulator()
    daemon = test.serve(test.configure(simulator, **FAST), simulator)
    daemon.wait_passes(1)
    return simulator, daemon, states(daemon), drift(daemon)


def recovers(simulator, daemon, before, drift_before):
    simulator.clear_faults()
    wait_for("the verdicts from before", lambda: states(daemon) == before, alive=[daemon])
    daemon.next_pass()
    equal(states(daemon), before, "verdicts after the recovery")
    equal(drift(daemon), drift_before, "open drift after the recovery")
    equal(deletions(daemon), 0, "deletions")
    equal(daemon.get("/-/ready").text(), "Plumbline is Ready.\n", "readiness after the recovery")
    for move in daemon.api("transitions", limit=1000)["transitions"]:
        check(move["from"] != "NoEvidence" or move["cause"] in ("evidence", "resource"), f"transition {move}")


def details_fail_in_many_ways(test):
    """One failure for each resource, all in one pass: each is told by its reason, and none touches another."""
    simulator, daemon, before, drift_before = watched(test)
    # Body cut short and connections closed are retried: the reason is that of the last attempt.
    faults = {
        "kv-contoso-web": ({"status": 403}, "forbidden"),
        "kv-contoso-platform": ({"status": 500}, "unavailable"),
        "evhns-contoso-siem": ({"kind": "malformed_json"}, "parse"),
        "graf-contoso": ({"truncate_body_at": 5}, "truncated"),
        "nsg-contoso-hub": ({"kind": "close"}, "network"),
        "dcr-contoso-windows": ({"status": 429, "retry_after": 1}, "throttled"),
        "appi-contoso-payments": ({"status": 404, "body_code": "SubscriptionNotFound"}, "not_found"),
        "law-contoso-dev": ({"status": 401}, "unauthorized"),
        "law-contoso-central": ({"status": 200, "body": "[]]"}, "parse"),
    }
    simulator.set_faults([{"match": settings_of(name), **fault} for name, (fault, _) in faults.items()])

    def reasons():
        return {last_segment(key): reason for (reference, key), (state, reason) in states(daemon).items()
                if reference == "LT-4.1-resource-diagnostics" and state == "NoEvidence" and
                last_segment(key) in faults}

    # Retries take their time; the verdicts come with the cycles of their subscriptions.
    expected = {name: reason for name, (_, reason) in faults.items()}
    try:
        wait_for("9 verdicts without evidence", lambda: len(reasons()) == len(faults), alive=[daemon])
    except Failure as error:
        raise Failure(f"{error}; missing: {sorted(set(expected) - set(reasons()))}") from error
    equal(reasons(), expected, "reasons")
    now = states(daemon)
    names = set(faults)
    unconcerned = {verdict: state for verdict, state in before.items()
                   if last_segment(verdict[1]) not in names and verdict[0] != "DP-3.1-sink-storage-min-tls"}
    check(len(unconcerned) > 60, f"{len(unconcerned)} verdicts that are not concerned")
    equal({verdict: now.get(verdict) for verdict in unconcerned}, unconcerned, "verdicts that are not concerned")
    # A rule that reads no settings keeps its verdict even for the resources concerned.
    for verdict, state in before.items():
        if last_segment(verdict[1]) in names and verdict[0].startswith(("NS-", "PA-", "BR-", "IM-")):
            equal(now[verdict], state, f"{verdict}")
    equal(drift(daemon), drift_before, "open drift")
    equal(deletions(daemon), 0, "deletions")
    # What the metrics say, once the pass is over.
    wait_for("a lower coverage", lambda: daemon.metric("plumbline_evidence_coverage_ratio") < 0.90, alive=[daemon])
    for _, reason in faults.values():
        check(daemon.metric("plumbline_collection_errors_total", reason=reason,
                            source="arm:microsoft.insights/diagnosticsettings"), f"no error counted for {reason}")
    check(daemon.metric("plumbline_azure_requests_total", code="429") >= 1, "no 429 counted")
    check(daemon.metric("plumbline_azure_throttled_total", service="resource_manager") >= 1, "no throttling counted")
    check(daemon.metric("plumbline_cycles_total", kind="details", result="incomplete") >= 1, "no incomplete cycle")
    missing = {item["reason"] for item in daemon.api("status")["evidence_missing"]}
    check(missing >= {reason for _, reason in faults.values()}, f"reasons in the status: {missing}")
    # A part of the evidence is missing: the daemon is ready all the same.
    equal(daemon.get("/-/ready").status, 200, "readiness")
    recovers(simulator, daemon, before, drift_before)


def a_sweep_fails(simulator, daemon, before, drift_before, fault, reason):
    simulator.set_faults([{"match": GRAPH, **fault}])
    own = {verdict for verdict in before}

    def unknown():
        now = states(daemon)
        return set(now) == own and all(state == "NoEvidence" for state, _ in now.values()) and now

    now = wait_for(f"nothing but NoEvidence ({reason})", unknown, alive=[daemon])
    # A verdict that rests on several missing pieces names one of them.
    check(sum(text == reason for _, text in now.values()) >= 90, f"reasons for {fault}: {set(now.values())}")
    wait_for("coverage 0", lambda: daemon.metric("plumbline_evidence_coverage_ratio") == 0, alive=[daemon])
    check(daemon.metric("plumbline_collection_errors_total", source="arg:resources", reason=reason) >= 1,
          f"no error counted for {reason}")
    # Nothing counted means no series, never 1.
    equal(daemon.metric("plumbline_compliance_score_ratio"), None, "score")
    equal(drift(daemon), drift_before, "open drift")
    equal(daemon.get("/-/ready").status, 200, "readiness")
    recovers(simulator, daemon, before, drift_before)


def sweeps_fail(test):
    simulator, daemon, before, drift_before = watched(test)
    for fault, reason in (({"kind": "malformed_json"}, "parse"),
                          ({"status": 200, "body": {"totalRecords": 4000, "count": 0, "data": [],
                                                    "resultTruncated": "false"}}, "truncated"),
                          ({"status": 401}, "unauthorized")):
        a_sweep_fails(simulator, daemon, before, drift_before, fault, reason)


def sweeps_are_cut(test):
    simulator, daemon, before, drift_before = watched(test)
    a_sweep_fails(simulator, daemon, before, drift_before, {"truncate_body_at": 700}, "truncated")


def sweeps_that_are_empty_delete_nothing(test):
    """Resource Graph answers, completely, that there is nothing: its reader was lost, not the resources."""
    simulator, daemon, before, drift_before = watched(test)
    simulator.set_faults([{"match": {**GRAPH, "body_contains": "\"resources |"}, "status": 200,
                           "body": {"totalRecords": 0, "count": 0, "data": [], "resultTruncated": "false"}}])
    wait_for("mass_disappearance in the log", lambda: "event=mass_disappearance" in daemon.log(), alive=[daemon])
    daemon.next_pass()
    equal(deletions(daemon), 0, "deletions")
    equal(drift(daemon), drift_before, "open drift")
    recovers(simulator, daemon, before, drift_before)


def a_subscription_is_no_longer_listed(test):
    simulator, daemon, before, drift_before = watched(test)
    listed = simulator.arm("GET", "/subscriptions?api-version=2022-12-01").json()
    listed["value"] = [item for item in listed["value"] if item["subscriptionId"] != DEVELOPMENT]
    simulator.set_faults([{"match": {"path_regex": "^/subscriptions$"}, "status": 200, "body": listed}])

    def lost():
        now = states(daemon)
        mine = {verdict: state for verdict, state in now.items() if DEVELOPMENT in verdict[1]}
        return mine and all(state == ("NoEvidence", "forbidden") for state in mine.values()) and now

    now = wait_for("NoEvidence for the subscription", lost, alive=[daemon])
    equal(set(now), set(before), "verdicts that exist")
    equal(deletions(daemon), 0, "deletions")
    equal(drift(daemon), drift_before, "open drift")
    wait_for("unreadable subscription in the metrics",
             lambda: daemon.metric("plumbline_subscriptions", state="unreadable") == 1, alive=[daemon])
    recovers(simulator, daemon, before, drift_before)


def a_next_link_to_another_host(test):
    simulator, daemon, before, drift_before = watched(test)
    elsewhere = Listener()
    try:
        link = f"https://127.0.0.1:{elsewhere.port}/subscriptions?api-version=2022-12-01"
        simulator.set_faults([{"match": {"path_regex": "^/subscriptions$"}, "kind": "foreign_next_link",
                               "next_link": link}])
        wait_for("refusal in the log or the status",
                 lambda: "refused to follow a link to another origin" in daemon.get("/-/ready").text(),
                 alive=[daemon])
        equal(daemon.get("/-/ready").status, 200, "readiness: the last state is served")
        # The list is incomplete, so nothing is known of any subscription.
        wait_for("nothing but NoEvidence",
                 lambda: {state for state, _ in states(daemon).values()} == {"NoEvidence"}, alive=[daemon])
        equal(deletions(daemon), 0, "deletions")
        recovers(simulator, daemon, before, drift_before)

        # The same for a list of one resource.
        simulator.set_faults([{"match": settings_of("kv-contoso-web"), "kind": "foreign_next_link",
                               "next_link": link}])
        vault = next(key for reference, key in before
                     if reference == "LT-4.1-resource-diagnostics" and last_segment(key) == "kv-contoso-web")
        daemon.next_pass()
        daemon.next_pass()
        equal(elsewhere.received, [], "what came to the other host")
        equal(states(daemon)[("LT-4.1-resource-diagnostics", vault)][0], "NoEvidence",
              "verdict that rests on a part of a list")
        recovers(simulator, daemon, before, drift_before)
    finally:
        elsewhere.close()


def throttled_once(test):
    """A 429 is waited out: the pass loses nothing, and asks again no sooner than it was told."""
    simulator = test.simulator()
    simulator.set_faults([{"match": GRAPH, "status": 429, "retry_after": 2, "times": 1},
                          {"match": settings_of("kv-contoso-web"), "status": 429, "retry_after": 1, "times": 2},
                          {"match": settings_of("kv-contoso-platform"), "status": 503, "times": 1},
                          {"match": settings_of("graf-contoso"), "kind": "close", "times": 2},
                          {"match": settings_of("law-contoso-dev"), "status": 401, "times": 1}])
    daemon = test.serve(test.configure(simulator, sweep="1h", details="1h"), simulator)
    daemon.wait_passes(1)
    equal(daemon.counts(), {"Compliant": 48, "NonCompliant": 41, "NoEvidence": 18}, "counts")
    equal(daemon.metric("plumbline_azure_throttled_total", service="resource_graph"), 1, "throttled queries")
    equal(daemon.metric("plumbline_azure_throttled_total", service="resource_manager"), 2, "throttled reads")
    times = [line.split(" ", 1)[0] for line in daemon.log().splitlines()
             if "event=listening" in line or "kind=sweep" in line]
    equal(len(times), 2, "lines of the log")

    def seconds(text):
        hours, minutes, rest = text.split("T")[1].rstrip("Z").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest)

    check((seconds(times[1]) - seconds(times[0])) % 86400 >= 2, f"the sweep did not wait: {times}")


def identity_refuses(test):
    """The identity endpoint knows no identity: final, and told."""
    simulator = test.simulator()
    simulator.set_faults([{"match": {"path_prefix": "/metadata/identity"}, "status": 400,
                           "body": {"error": "invalid_request", "error_description": "Identity not found"}}])
    config = test.configure(simulator, **FAST)
    done = test.once(config, simulator)
    equal(done.returncode, 2, "exit code of once")
    contains(done.stderr, "managed identity: status 400 invalid_request", "error of once")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    answer = daemon.get("/-/ready")
    equal(answer.status, 200, "readiness: a state is served, though an empty one")
    contains(answer.text(), "Azure cannot be asked", "readiness")
    contains(answer.text(), "status 400 invalid_request", "readiness")
    equal(daemon.results(), [], "verdicts")
    check(daemon.metric("plumbline_azure_requests_total", service="imds", code="400") >= 1, "no refusal counted")
    check(daemon.metric("plumbline_collection_errors_total", source="arm:subscriptions", reason="unauthorized") >= 1,
          "no error counted")
    equal(daemon.metric("plumbline_compliance_score_ratio"), None, "score without verdicts")
    equal(daemon.get("/-/healthy").status, 200, "health")
    simulator.clear_faults()
    # The sweep is published before the details that its verdicts wait for.
    wait_for("the usual counts", lambda: daemon.counts() == {"Compliant": 48, "NonCompliant": 41, "NoEvidence": 18},
             alive=[daemon])
    wait_for("readiness without a complaint", lambda: daemon.get("/-/ready").text() == "Plumbline is Ready.\n",
             alive=[daemon])


def identity_and_azure_are_down_at_start(test):
    """Nothing listens: the daemon starts, says so, and serves what it has."""
    simulator = test.simulator()
    config = test.configure(simulator, arm_port=free_port(), **FAST)
    nowhere = free_port()
    daemon = test.serve(config, imds_port=nowhere)
    equal(daemon.get("/-/ready").status, 200, "readiness while the first pass goes on")
    equal(daemon.get("/-/healthy").status, 200, "health")
    daemon.wait_passes(1)
    contains(daemon.get("/-/ready").text(), "Azure cannot be asked: managed identity", "readiness")
    equal(daemon.api("status")["cycle"]["complete"], False, "completeness of the cycle")
    check(daemon.api("status")["sign_in_error"], "no error in the status")
    equal(daemon.stop(), 0, "exit code")

    # It listens where it should, but closes every connection; then it is well again.
    config = test.configure(simulator, **FAST)
    simulator.set_faults([{"match": {"path_prefix": "/subscriptions"}, "kind": "close"}])
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    contains(daemon.get("/-/ready").text(), "Azure cannot be asked", "readiness")
    check(daemon.metric("plumbline_collection_errors_total", source="arm:subscriptions", reason="network") >= 1,
          "no error counted")
    simulator.clear_faults()
    # The sweep is published before the details that its verdicts wait for.
    wait_for("the usual counts", lambda: daemon.counts() == {"Compliant": 48, "NonCompliant": 41, "NoEvidence": 18},
             alive=[daemon])


def a_slow_azure(test):
    """Answers that take their time change nothing; meanwhile the last state is served at once."""
    simulator, daemon, before, drift_before = watched(test)
    simulator.set_faults([{"match": GRAPH, "delay_ms": 3000},
                          {"match": settings_of("kv-contoso-web"), "delay_ms": 3000}])
    asked = simulator.requests()["routes"]["arm.subscriptions"]
    wait_for("a pass that waits", lambda: simulator.requests()["routes"]["arm.subscriptions"] > asked,
             alive=[daemon])
    for _ in range(20):
        equal(states(daemon), before, "verdicts while Azure is slow")
        equal(daemon.get("/-/healthy").status, 200, "health while Azure is slow")
    daemon.wait_passes(daemon.passes() + 1)
    equal(states(daemon), before, "verdicts after the slow pass")
    equal(drift(daemon), drift_before, "open drift")
    equal({move["cause"] for move in daemon.api("transitions", limit=1000)["transitions"] if move["from"] is None}
          <= {"resource", "evidence"}, True, "causes")


if __name__ == "__main__":
    main([details_fail_in_many_ways, sweeps_fail, sweeps_are_cut, sweeps_that_are_empty_delete_nothing,
          a_subscription_is_no_longer_listed, a_next_link_to_another_host, throttled_once, identity_refuses,
          identity_and_azure_are_down_at_start, a_slow_azure])
