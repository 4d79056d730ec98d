#!/usr/bin/env python3
"""A kill at any moment loses at most the cycle in the making; a polite end takes seconds; one daemon a store."""

import os
import random
import signal
import time

from harness import check, contains, equal, free_port, main, sqlite, wait_for

KILLS = 10


def cycles(store):
    return [int(line) for line in sqlite(store, "SELECT number FROM cycle ORDER BY number").splitlines()]


def sound(store):
    equal(sqlite(store, "PRAGMA integrity_check"), "ok", "integrity_check")
    equal(sqlite(store, "PRAGMA foreign_key_check"), "", "foreign_key_check")
    numbers = cycles(store)
    equal(numbers, list(range(1, len(numbers) + 1)), "cycle numbers")
    for column in ("from_cycle", "to_cycle"):
        equal(sqlite(store, f"SELECT count(*) FROM version WHERE {column} NOT IN (SELECT number FROM cycle)"), "0",
              f"versions whose {column} is no committed cycle")
    equal(sqlite(store, "SELECT count(*) FROM transition WHERE cycle NOT IN (SELECT number FROM cycle)"), "0",
          "transitions of a cycle that was not committed")
    return len(numbers)


def served(daemon):
    """What a reader sees of the last committed state."""
    scores = daemon.api("scores")
    return scores, sorted((row["reference"], row["resource_key"], row["state"], row["reason"])
                          for row in daemon.results())


def kills_in_the_middle_of_a_pass(test):
    random.seed(4711)
    simulator = test.simulator("--latency-ms", "15")
    config = test.configure(simulator, sweep="1h", details="5s")
    store = config.replace("plumbline.yaml", "plumbline.db")
    # A pass over the scenario takes about 80 requests; each kill comes a little later than the one before.
    for number in range(KILLS):
        before = simulator.requests()["total"]
        daemon = test.serve(config, simulator)
        target = before + 2 + number * 7
        wait_for(f"{target - before} requests of pass {number}",
                 lambda: simulator.requests()["total"] >= target or daemon.passes(), alive=[daemon])
        deadline = time.monotonic() + random.uniform(0, 0.02)  # not always at the same place of a request
        while time.monotonic() < deadline:
            pass
        daemon.kill()
        equal(daemon.poll(), -signal.SIGKILL, "exit code of a killed daemon")
        sound(store)
        # What was committed is served before anything is asked, with nobody there to ask.
        committed = sqlite(store, "SELECT count(*) FROM verdict")
        offline = test.serve(config, imds_port=free_port())
        scores, rows = served(offline)
        equal(str(len(rows)), committed, "verdicts served after the kill")
        equal(sum(scores["overall"]["counts"].values()), len(rows), "counts served after the kill")
        offline.kill()
    # In the end a pass is left alone, and comes to what it always comes to.
    done = test.once(config, simulator)
    equal(done.returncode, 1, f"exit code of the last pass ({done.stderr[-500:]})")
    contains(done.stdout, "NonCompliant (41)\n", "report")
    contains(done.stdout, "NoEvidence (18)\n", "report")
    sound(store)
    check(not os.path.exists(store + "-staging"), "the staging file is still there")
    # No version was written twice on the way.
    equal(sqlite(store, "SELECT count(*) FROM (SELECT resource_id FROM version WHERE to_cycle IS NULL "
                        "GROUP BY resource_id HAVING count(*) > 1)"), "0", "resources with two current versions")
    equal(sqlite(store, "SELECT count(*) FROM version WHERE to_cycle IS NOT NULL"), "0",
          "versions that were replaced although nothing changed")


def the_last_state_before_the_first_poll(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    store = config.replace("plumbline.yaml", "plumbline.db")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    before = served(daemon)
    equal(before[0]["overall"]["counts"], {"Compliant": 48, "NonCompliant": 41, "NoEvidence": 18}, "counts")
    last = cycles(store)[-1]
    daemon.kill()
    simulator.kill()
    daemon = test.serve(config, imds_port=free_port())
    equal(served(daemon), before, "what is served with Azure away")
    equal(daemon.get("/-/ready").status, 200, "readiness")
    equal(daemon.api("status")["cycle"]["number"], last, "cycle served")
    check(daemon.metric("plumbline_compliance_score_ratio") > 0, "score in the metrics")
    equal(daemon.passes(), 0, "passes so far")


def a_signal_ends_a_pass(test):
    for number in (signal.SIGTERM, signal.SIGINT):
        simulator = test.simulator("--latency-ms", "200")
        config = test.configure(simulator)
        daemon = test.serve(config, simulator)
        wait_for("requests of the pass", lambda: simulator.requests()["total"] >= 8, alive=[daemon])
        started = time.monotonic()
        equal(daemon.stop(number), 0, f"exit code after {number.name}")
        check(time.monotonic() - started < 5, f"{number.name} took {time.monotonic() - started:.1f} s")
        check("event=pass_done" not in daemon.log().partition("event=stopping")[0],
              "the pass was over before the signal came")
        contains(daemon.log(), f"event=stopping reason={number.name}", "log")
        contains(daemon.log(), "event=stopped", "log")
        sound(config.replace("plumbline.yaml", "plumbline.db"))
        simulator.kill()


def a_signal_ends_an_answer_that_does_not_come(test):
    simulator = test.simulator()
    simulator.set_faults([{"match": {"path_prefix": "/providers/microsoft.resourcegraph"}, "delay_ms": 60000}])
    config = test.configure(simulator)
    daemon = test.serve(config, simulator)
    wait_for("first request", lambda: simulator.requests()["routes"].get("arm.subscriptions"), alive=[daemon])
    started = time.monotonic()
    equal(daemon.stop(), 0, "exit code")
    check(time.monotonic() - started < 5, f"took {time.monotonic() - started:.1f} s")
    sound(config.replace("plumbline.yaml", "plumbline.db"))


def a_second_instance_is_refused(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    first = test.serve(config, simulator)
    for command in ("serve", "once"):
        second = test.run(command, "--config.file=" + config, simulator=simulator)
        equal(second.returncode, 2, f"exit code of a second {command}")
        contains(second.stderr, "plumbline.db: another Plumbline is using this database", "message")
    equal(first.get("/-/healthy").status, 200, "health of the first")
    first.wait_passes(1)
    equal(first.stop(), 0, "exit code of the first")
    # The lock goes with its process.
    equal(test.once(config, simulator).returncode, 1, "exit code of a later pass")


if __name__ == "__main__":
    main([kills_in_the_middle_of_a_pass, the_last_state_before_the_first_poll, a_signal_ends_a_pass,
          a_signal_ends_an_answer_that_does_not_come, a_second_instance_is_refused])
