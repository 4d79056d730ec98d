#!/usr/bin/env python3
"""`plumbline plan`: what it foretells is what a first pass then does; what may not be read; and nothing is written."""

import collections
import json
import os

from harness import DEVELOPMENT, PLATFORM, PRODUCTION, check, contains, equal, main, sqlite

SETTINGS = "microsoft.insights/diagnosticsettings"


def plan(test, config, simulator, code=0):
    done = test.run("plan", "--config.file=" + config, "--format=json", simulator=simulator)
    equal(done.returncode, code, f"exit code ({done.stdout[-3000:]} {done.stderr})")
    return json.loads(done.stdout)


def requests_of(simulator, call):
    """What `call` returns, and the requests to Resource Graph and to Resource Manager that it made."""
    before = simulator.requests()["routes"]
    result = call()
    after = simulator.requests()["routes"]
    made = collections.Counter(after)
    made.subtract(before)
    graph = sum(count for route, count in made.items() if route.startswith("arg"))
    identity = sum(count for route, count in made.items() if route.startswith("imds"))
    return result, graph, sum(made.values()) - graph - identity


def database(config):
    return os.path.join(os.path.dirname(config), "plumbline.db")


def stored_types(config):
    rows = sqlite(database(config), "SELECT type, count(*) FROM resource WHERE version_id IS NOT NULL AND is_detail = 0 "
                                    "GROUP BY type").splitlines()
    return {name: int(count) for name, count in (row.split("|") for row in rows)}


def found_by_lists(config, kind):
    """Members of the stored lists of one type."""
    return int(sqlite(database(config), "SELECT count(*) FROM evidence WHERE key LIKE 'detail:%/" + kind + "'"))


def foretold(test, simulator, **options):
    """The plan, after a pass that did what it says."""
    config = test.configure(simulator, details="1h", **options)
    (said, _, _) = requests_of(simulator, lambda: plan(test, config, simulator))
    equal(os.listdir(os.path.dirname(config)), ["plumbline.yaml"], "what plan leaves")
    done, graph, manager = requests_of(simulator, lambda: test.once(config, simulator))
    check(done.returncode in (0, 1, 3), f"exit code {done.returncode}: {done.stderr}")
    types = {item["type"]: item["count"] for item in said["resources"]["types"]}
    equal(types, stored_types(config), "resources by type")
    equal(said["resources"]["total"], sum(types.values()), "resources")
    equal(said["resource_graph"]["requests"], graph, "requests to Resource Graph")
    size = os.path.getsize(database(config))
    check(size / 4 < said["disk_bytes"] < size * 4, f"disk: {said['disk_bytes']} was said, {size} it is")
    return said, manager, config


def a_few_checks(test):
    simulator = test.simulator()
    simulator.admin("POST", "faults", [])
    said, manager, _ = foretold(test, simulator)
    equal(said["subscriptions"], sorted([PRODUCTION, PLATFORM, DEVELOPMENT]), "subscriptions")
    equal(said["missing"], [], "what is missing")
    equal(said["resource_manager"]["complete"], True, "every list is known before")
    equal(said["resource_manager"]["requests"], manager, "requests to Resource Manager")


def every_check(test):
    simulator = test.simulator()
    simulator.admin("POST", "faults", [])
    said, manager, _ = foretold(test, simulator, baseline=test.baseline)
    equal(said["resource_manager"]["complete"], True, "every list is known before")
    equal(said["resource_manager"]["requests"], manager, "requests to Resource Manager")


def everything(test):
    simulator = test.simulator()
    simulator.admin("POST", "faults", [])
    said, manager, config = foretold(test, simulator, baseline=test.baseline, inventory="all")
    equal(said["resource_manager"]["complete"], False, "some lists are of what other lists name")
    nested = [item for item in said["resource_manager"]["lists"] if "one_for_each" in item]
    check(nested, "no list of what another list names")
    found = sum(found_by_lists(config, item["type"].rpartition("/")[2]) for item in nested)
    check(found > 0, "nothing was found by lists")
    equal(said["resource_manager"]["requests"] + found, manager, "requests to Resource Manager")


if __name__ == "__main__":
    main([a_few_checks, every_check, everything])
