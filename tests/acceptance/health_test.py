#!/usr/bin/env python3
"""Health: stuck threads make the daemon unhealthy; a collector that hangs and an identity that is refused do not."""

import os
import signal
import subprocess
import sys
import time

from harness import Skip, check, contains, equal, http_request, main, wait_for


def serving(test, **options):
    simulator = test.simulator()
    options.setdefault("sweep", "1h")
    daemon = test.serve(test.configure(simulator, details="5s", **options), simulator)
    daemon.wait_passes(1)
    return simulator, daemon


def details(daemon, path="/-/healthy"):
    answer = daemon.get(path + "?verbose")
    equal(answer.headers["Content-Type"], "application/json", f"content type of {path}")
    return answer.status, answer.json()


class Held:
    """A thread that stands still until the process ends."""

    def __init__(self, test, daemon, thread):
        tool = os.path.join(test.source_dir, "tests", "system", "hold-thread")
        self._process = subprocess.Popen([sys.executable, tool, str(daemon.pid), thread], stderr=subprocess.PIPE)

        def stopped():
            if self._process.poll() is not None:
                raise Skip(f"threads cannot be held here: {self._process.stderr.read().decode().strip()}")
            for task in os.listdir(f"/proc/{daemon.pid}/task"):
                with open(f"/proc/{daemon.pid}/task/{task}/stat", encoding="utf-8") as file:
                    name, _, rest = file.read().partition("(")[2].rpartition(")")
                if name == thread and rest.split()[0] == "t":
                    return True
            return False

        wait_for(f"the {thread} thread to stand still", stopped)

    def end(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def stuck_threads(test):
    """Both at once, for it takes a minute until a busy thread is taken for stuck."""
    cases = []
    try:
        for thread in ("storage", "cpu"):
            _, daemon = serving(test)
            cases.append((thread, daemon, Held(test, daemon, thread)))
        for thread, daemon, _ in cases:
            def unhealthy(daemon=daemon):
                started = time.monotonic()
                answer = daemon.get("/-/healthy")
                check(time.monotonic() - started < 5, "health waits for the thread that is stuck")
                return answer if answer.status != 200 else None

            answer = wait_for(f"503 with the {thread} thread held", unhealthy, timeout=90, alive=[daemon])
            equal(answer.status, 503, "status")
            contains(answer.text(), f"The {thread} thread has not answered for 6", "text")
            equal(answer.text().count("thread"), 1, "threads named")
            code, body = details(daemon)
            equal((code, body["healthy"], body["ready"]), (503, False, True), "details")
            equal({name: state["stuck"] for name, state in body["threads"].items()},
                  {name: name == thread for name in ("io", "cpu", "storage")}, "stuck threads")
            check(body["threads"][thread]["silent_seconds"] >= 60, "silence")
            equal(daemon.get("/-/ready").status, 200, "readiness: what was committed is served")
            done = test.run("healthcheck", f"--web.listen-address=127.0.0.1:{daemon.port}")
            equal(done.returncode, 1, "healthcheck")
    finally:
        for _, daemon, held in cases:
            held.end()
            daemon.signal(signal.SIGKILL)


def stopped_as_a_whole(test):
    """A daemon whose I/O thread is stuck answers nobody: the probe must end all the same."""
    _, daemon = serving(test)
    held = Held(test, daemon, "io")
    try:
        started = time.monotonic()
        done = test.run("healthcheck", f"--web.listen-address=127.0.0.1:{daemon.port}", timeout=30)
        equal(done.returncode, 2, "healthcheck")
        check(time.monotonic() - started < 15, "healthcheck takes too long")
    finally:
        held.end()
        daemon.signal(signal.SIGKILL)


def a_collector_hangs(test):
    simulator, daemon = serving(test, sweep="5s")
    code, body = details(daemon)
    equal((code, body["healthy"], body["ready"], body["sign_in"]), (200, True, True, {"ok": True, "error": None}),
          "details")
    check(body["last_cycle"]["number"] > 0 and body["last_cycle"]["complete"] in (True, False), "last cycle")
    check(body["store"]["size_bytes"] > 4096, "size of the store")
    equal(sorted(body["evidence"]), ["arg", "arm", "detail"], "sources")
    simulator.set_faults([{"match": {"path_regex": "^/subscriptions$"}, "delay_ms": 60000}])

    def hanging():
        now = details(daemon)[1]
        running = now["collection"]["pass_running_seconds"]
        return now if running is not None and running > 3 else None

    now = wait_for("a pass that takes its time", hanging, alive=[daemon])
    equal((now["healthy"], now["ready"]), (True, True), "health")
    check(now["evidence"]["arg"]["age_seconds"] > 3, "age of the evidence")
    equal(daemon.get("/-/healthy").text(), "Plumbline is Healthy.\n", "text")
    equal(daemon.get("/-/ready").status, 200, "readiness")


def an_identity_expires(test):
    simulator, daemon = serving(test, sweep="5s")
    simulator.set_faults([
        {"match": {"path_prefix": "/subscriptions"}, "status": 401,
         "body": {"error": {"code": "ExpiredAuthenticationToken", "message": "The access token expiry is in the past"}}},
        {"match": {"path_prefix": "/metadata/identity"}, "status": 400,
         "body": {"error": "invalid_request", "error_description": "Identity not found"}}])
    body = wait_for("the refusal", lambda: (lambda now: now if now["sign_in"]["ok"] is False else None)(
        details(daemon)[1]), alive=[daemon])
    check(body["sign_in"]["error"], "no error")
    equal((body["healthy"], body["ready"]), (True, True), "health")
    equal(daemon.get("/-/healthy").status, 200, "health")
    contains(daemon.get("/-/ready").text(), "Plumbline is Ready.\nCollection: Azure cannot be asked: ", "readiness")
    equal(details(daemon, "/-/ready")[0], 200, "readiness in detail")
    simulator.clear_faults()
    wait_for("signing in again", lambda: details(daemon)[1]["sign_in"]["ok"], alive=[daemon])


def in_detail_by_accept(test):
    _, daemon = serving(test)
    for path in ("/-/healthy", "/healthz", "/-/ready", "/readyz"):
        answer = http_request(daemon.port, "GET", path, headers={"Accept": "application/json"})
        equal((answer.status, answer.json()["healthy"]), (200, True), path)
        equal(answer.headers["Vary"], "Accept", f"Vary of {path}")
        check(not daemon.get(path).text().startswith("{"), f"{path} without Accept")


if __name__ == "__main__":
    main([stuck_threads, stopped_as_a_whole, a_collector_hangs, an_identity_expires, in_detail_by_accept])
