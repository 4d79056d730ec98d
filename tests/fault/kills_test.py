#!/usr/bin/env python3
"""kill -9 at random instants of a busy daemon: nothing that was committed is lost or torn, the chain fits."""

import os
import random
import re
import signal
import threading
import time

from harness import check, contains, equal, main, sqlite, wait_for

KILLS = int(os.environ.get("PLUMBLINE_FAULTS", "100"))
WORKSPACE = ("/subscriptions/3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1/resourceGroups/rg-contoso-aks/providers/"
             "Microsoft.OperationalInsights/workspaces/law-contoso-aks")


class Changes(threading.Thread):
    """Somebody who changes a resource all the time."""

    def __init__(self, simulator):
        super().__init__(daemon=True)
        self._simulator = simulator
        self._stop_asked = threading.Event()
        self.made = 0

    def run(self):
        while not self._stop_asked.wait(0.05):
            self.made += 1
            self._simulator.patch(WORKSPACE, {"tags": {"round": str(self.made)}})

    def stop(self):
        self._stop_asked.set()
        self.join()


def committed(log):
    """The cycles that the log says were committed."""
    return [int(number) for number in re.findall(r" event=cycle_committed cycle=(\d+)", log)]


def kills_at_random_instants(test):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}, {KILLS} kills", flush=True)
    chance = random.Random(seed)
    simulator = test.simulator("--latency-ms", "10")
    config = test.configure(simulator, sweep="5s", details="5s")
    store = config.replace("plumbline.yaml", "plumbline.db")
    changes = Changes(simulator)
    changes.start()
    last = 0
    in_the_middle = 0
    window = 0.8
    for number in range(KILLS):
        daemon = test.serve(config, simulator)
        served = daemon.api("status")["cycle"]
        check(served is None or served["number"] >= last,
              f"kill {number}: cycle {last} was committed, {served} is served after it")
        time.sleep(chance.uniform(0, window))
        daemon.kill()
        equal(daemon.poll(), -signal.SIGKILL, "exit code of a killed daemon")
        log = daemon.log()
        logged = max(committed(log), default=last)
        hit = "event=pass_done" not in log
        in_the_middle += hit
        # How long a pass takes depends on the machine: about half the kills are to hit one.
        window = min(window * 1.3, 5.0) if hit else max(window * 0.7, 0.005)
        verified = test.run("verify", "--full", store)
        equal(verified.returncode, 0, f"verify after kill {number} (seed {seed}): {verified.stdout}{verified.stderr}")
        last = int(sqlite(store, "SELECT coalesce(max(number), 0) FROM cycle"))
        check(last >= logged, f"kill {number}: the log tells of cycle {logged}, the store of {last}")
    changes.stop()
    check(in_the_middle >= KILLS // 4, f"only {in_the_middle} of {KILLS} kills hit a pass")
    check(last > KILLS, f"only {last} cycles were committed")
    # Left alone, it comes to what the tenant is.
    done = test.once(config, simulator)
    equal(done.returncode, 1, f"exit code of the last pass ({done.stderr[-500:]})")
    newest = test.run("history", "--config.file=" + config, "--format=json", WORKSPACE).stdout
    contains(newest, f'"{changes.made}"', "the last change")
    verified = test.run("verify", "--full", store)
    equal(verified.returncode, 0, f"verify at the end: {verified.stdout}{verified.stderr}")
    print(f"{in_the_middle} kills in the middle of a pass; {verified.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main([kills_at_random_instants])
