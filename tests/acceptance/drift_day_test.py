#!/usr/bin/env python3
"""A day of a generated tenant: noise in every pass, and a few changes that mean something."""

import collections
import os
import random
import shutil

from harness import check, equal, main
from sweep_test import small_baseline

# What was rewritten with noise, what changed, the daemon's processor time in seconds and its memory in MiB.
Day = collections.namedtuple("Day", "rewritten changed cpu memory")


def noise(hour, kind):
    """What Azure writes by itself, or what says the same in other words."""
    at = f"2026-11-22T{hour:02}:17:00Z"
    choices = [{"etag": f'W/"{hour}"'},
               {"systemData": {"lastModifiedAt": at, "lastModifiedByType": "Application"}},
               {"properties": {"provisioningState": "Updating" if hour % 2 else "Succeeded"}},
               {"identity": {"type": "None"} if hour % 2 else None},
               {"zones": None}]
    if kind == "microsoft.operationalinsights/workspaces":
        choices.append({"properties": {"modifiedDate": at, "workspaceCapping": {"dataIngestionStatus": "RespectQuota",
                                                                                "quotaNextResetTime": at}}})
    return choices


def a_day(test, resources, share, changes, hours=24, sweep="5s", patience=60):
    """Makes a tenant and lets a day pass over it. `share` of it is rewritten with noise before each pass, `changes`
    resources change in the whole day. Fails unless exactly these are drift in the end."""
    simulator = test.simulator("--generate", str(resources), scenario=None)
    baseline = small_baseline(test.directory("baseline"))
    shutil.copy(os.path.join(test.source_dir, "baselines", "azure-monitor", "noise.json"), baseline)
    daemon = test.serve(test.configure(simulator, parameters=False, sweep=sweep, changes="5s", details="30d",
                                       baseline=baseline), simulator)
    daemon.wait_passes(1, patience)
    chosen = random.Random(resources)
    everything = [{"id": row["id"], "type": row["type"]} for row in simulator.graph_rows("resources")]
    equal(len(everything), resources, "resources")
    equal(open_changes(daemon), set(), "configuration drift before")
    wanted = set()
    times = [chosen.randrange(hours) for _ in range(changes)]
    rewritten = 0
    for hour in range(hours):
        for row in chosen.sample(everything, int(resources * share)):
            simulator.patch(row["id"], chosen.choice(noise(hour, row["type"].lower())))
            rewritten += 1
        for row in chosen.sample(everything, times.count(hour)):
            if row["type"].lower() == "microsoft.operationalinsights/workspaces":
                simulator.patch(row["id"], {"properties": {"retentionInDays": 7}})
                wanted.add((row["id"].lower(), "/properties/retentionInDays"))
            else:
                simulator.patch(row["id"], {"tags": {"owner": "moved"}})
                wanted.add((row["id"].lower(), "/tags/owner"))
        # One may have begun before the last of these was written.
        daemon.wait_passes(daemon.passes() + 2, patience)
    found = open_changes(daemon)
    equal((sorted(found - wanted), sorted(wanted - found)), ([], []), "what is told and is none, what is not told")
    equal({item["severity"] for item in items(daemon)}, {"low"}, "severity")
    return Day(rewritten, len(wanted), daemon.processor_seconds(), daemon.peak_rss_kib() / 1024)


def items(daemon):
    """Every open item of configuration drift."""
    found, after = [], None
    while True:
        page = daemon.api("drift", kind="configuration", limit=1000, **({"after": after} if after else {}))
        found += page["drift"]
        after = page.get("next")
        if not after:
            return found


def open_changes(daemon):
    return {(item["resource_key"], item["path"]) for item in items(daemon)}


def a_small_tenants_day(test):
    day = a_day(test, 1000, 0.01, 10, hours=4)
    check(day.rewritten == 4 * 10 and day.changed >= 9, day)


if __name__ == "__main__":
    main([a_small_tenants_day])
