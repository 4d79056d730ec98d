#!/usr/bin/env python3
"""`plumbline plan`: what it foretells is what a first pass then does; what may not be read; and nothing is written."""

import collections
import json
import os

from harness import DEVELOPMENT, PLATFORM, PRODUCTION, check, contains, equal, main, sqlite

SETTINGS = "microsoft.insights/diagnosticsettings"


CONFIRMATIONS = "detail:%/providers/plumbline.evidence/confirmations"


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


def nested_lists(config, kind):
    """How many lists of a type were asked for, of what other lists name."""
    parent, own = kind.split("/")[-2:]
    return int(sqlite(database(config), f"SELECT count(*) FROM evidence WHERE key LIKE 'detail:%/{parent}/%/{own}'"))


def foretold(test, simulator, code=0, **options):
    """The plan, after a pass that did what it says."""
    config = test.configure(simulator, details="1h", **options)
    said = plan(test, config, simulator, code=code)
    equal(os.listdir(os.path.dirname(config)), ["plumbline.yaml"], "what plan leaves")
    done, graph, manager = requests_of(simulator, lambda: test.once(config, simulator))
    check(done.returncode in (0, 1, 3), f"exit code {done.returncode}: {done.stderr}")
    types = {item["type"]: item["count"] for item in said["resources"]["types"]}
    equal(types, stored_types(config), "resources by type")
    equal(said["resources"]["total"], sum(types.values()), "resources")
    equal(said["resource_graph"]["requests"], graph, "requests to Resource Graph")
    # What findings will wait for Resource Manager's word nobody can foretell.
    confirmed = int(sqlite(database(config), "SELECT (SELECT count(*) FROM resource WHERE "
                                             "type = 'plumbline.evidence/confirmations') + (SELECT count(*) FROM "
                                             f"evidence WHERE key LIKE '{CONFIRMATIONS}' AND NOT complete)"))
    check(confirmed > 0 or not types, "no finding was confirmed")
    manager -= confirmed
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
    namespace = next(row["id"] for row in simulator.graph_rows("resources")
                     if row["type"] == "microsoft.eventhub/namespaces")
    for name in ("one", "two"):
        hub = f"{namespace}/eventhubs/{name}"
        simulator.put(hub, {"id": hub, "name": name, "type": "Microsoft.EventHub/namespaces/eventhubs",
                            "properties": {"partitionCount": 1}})
    said, manager, config = foretold(test, simulator, baseline=test.baseline, inventory="all")
    equal(said["resource_manager"]["complete"], False, "some lists are of what other lists name")
    nested = [item for item in said["resource_manager"]["lists"] if "one_for_each" in item]
    check(nested, "no list of what another list names")
    found = sum(nested_lists(config, item["type"]) for item in nested)
    equal(found, 4, f"consumer groups and rules of two event hubs, in {nested}")
    # The second round, for what the first one found, asks again for what the first one could not read.
    failed = int(sqlite(database(config), "SELECT count(*) FROM evidence WHERE key LIKE 'detail:%' AND NOT complete "
                                          f"AND key NOT LIKE '{CONFIRMATIONS}'"))
    equal(said["resource_manager"]["requests"] + found + failed, manager, "requests to Resource Manager")


def refused_lists(test):
    simulator = test.simulator()
    said, manager, config = foretold(test, simulator, code=1)
    equal(said["resource_manager"]["requests"], manager, "requests to Resource Manager")
    equal([(item["type"], item["scopes"]) for item in said["missing"]], [(SETTINGS, ["/subscriptions/" + PLATFORM])],
          "what is refused")
    equal(said["missing"][0]["checks"], ["DP-3.1-sink-storage-min-tls", "LT-4.1-activity-log-export",
                                         "LT-4.1-resource-diagnostics", "LT-4.1-workspace-query-audit"],
          "the checks that read diagnostic settings")
    table = test.run("plan", "--config.file=" + config, simulator=simulator)
    equal(table.returncode, 1, "exit code")
    for part in (f"{said['resources']['total']} resources to keep", "microsoft.operationalinsights/workspaces\n",
                 f"{said['resource_graph']['requests']:>10}{said['resources']['total']:>10}  together\n",
                 f"{said['resource_manager']['requests']:>10}  together\n",
                 SETTINGS + "/read: refused where it was tried: /subscriptions/" + PLATFORM,
                 "    LT-4.1-activity-log-export\n"):
        contains(table.stdout, part, "the table")


def roles(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    workspaces = "microsoft.operationalinsights/workspaces"
    role = {"value": [{"actions": ["*/read"], "notActions": [workspaces + "/read", SETTINGS + "/read"]}]}
    simulator.admin("POST", "faults", [{"match": {"path_regex": f"(?i){PLATFORM}.*authorization/permissions$"},
                                        "status": 200, "body": json.dumps(role)}])
    missing = {item["type"]: item for item in plan(test, config, simulator, code=1)["missing"]}
    equal(sorted(missing), [SETTINGS, workspaces], "what no role allows")
    for item in missing.values():
        equal((item["reason"], item["scopes"]), ("no role allows it", [PLATFORM]), "where, and why")
    check("NS-2.2-workspace-public-query" in missing[workspaces]["checks"], f"the checks: {missing}")

    simulator.admin("POST", "faults", [{"match": {"path_regex": "(?i)authorization/permissions$"}, "status": 403,
                                        "body_code": "AuthorizationFailed"}])
    said = plan(test, config, simulator)
    equal((said["missing"], len(said["notes"])), ([], 3), "permissions that cannot be told")

    simulator.admin("POST", "faults", [{"match": {"path_prefix": "/providers/Microsoft.ResourceGraph"}, "status": 403,
                                        "body_code": "AuthorizationFailed"}])
    said = plan(test, config, simulator, code=1)
    equal([(item["type"], len(item["checks"])) for item in said["missing"]], [(None, 16)], "no queries: no check")


def scopes(test):
    simulator = test.simulator()
    simulator.admin("POST", "faults", [])
    said, manager, _ = foretold(test, simulator, azure=f"  scope: {{subscriptions: [{PRODUCTION}]}}\n")
    equal(said["subscriptions"], [PRODUCTION], "the subscription that is named")
    equal(said["resource_manager"]["requests"], manager, "requests to Resource Manager")
    said, manager, _ = foretold(test, simulator, azure="  scope: {management_groups: [contoso-nonprod]}\n")
    equal(said["subscriptions"], [DEVELOPMENT], "the subscriptions below a group")
    equal(said["resource_manager"]["requests"], manager, "requests to Resource Manager")

    config = test.configure(simulator, azure="  scope: {subscriptions: [not-ours]}\n")
    said = plan(test, config, simulator, code=1)
    equal((said["subscriptions"], said["resources"], said["resource_graph"]["requests"], said["disk_bytes"]),
          ([], {"total": 0, "types": []}, 0, 0), "a scope that cannot be read")
    equal([(item["reason"], item["scopes"]) for item in said["missing"]],
          [("no subscription can be read", []), ("the subscription cannot be read", ["not-ours"])], "what is missing")

    config = test.configure(simulator, azure="  scope: {management_groups: [contoso]}\n")
    simulator.admin("POST", "faults", [{"match": {"path_regex": "/managementGroups/[^/]+/descendants$"}, "status": 403,
                                        "body_code": "AuthorizationFailed"}])
    said = plan(test, config, simulator, code=1)
    check("microsoft.management/managementgroups/descendants" in [item["type"] for item in said["missing"]],
          f"the group: {said['missing']}")


def shape(test):
    simulator = test.simulator()
    simulator.admin("POST", "faults", [])
    config = test.configure(simulator, changes="30s", activity="5m")
    said = plan(test, config, simulator)
    equal(sorted(said), ["disk_bytes", "missing", "notes", "quota_percent", "resource_graph", "resource_manager",
                         "resources", "seconds", "subscriptions"], "members")
    equal(sorted(said["resource_graph"]), ["requests", "requests_per_minute", "seconds", "tables"], "of Resource Graph")
    equal(sorted(said["resource_manager"]), ["complete", "lists", "requests", "requests_per_minute", "seconds"],
          "of Resource Manager")
    equal(sum(item["rows"] for item in said["resource_graph"]["tables"]), said["resources"]["total"], "rows")
    equal(sum(item["requests"] for item in said["resource_graph"]["tables"]), said["resource_graph"]["requests"],
          "requests of the tables")
    equal(said["resource_graph"]["requests_per_minute"], 4, "two change tables, twice a minute")
    equal(said["resource_manager"]["requests_per_minute"], 1.8, "three providers of three subscriptions in 5 minutes")


def cannot_run(test):
    simulator = test.simulator()
    done = test.run("plan", "--config.file=/nowhere/plumbline.yaml")
    equal((done.returncode, done.stdout), (2, ""), "without a configuration")
    config = test.configure(simulator)
    simulator.set_faults([{"match": {"path_regex": "^/subscriptions$"}, "status": 403,
                           "body_code": "AuthorizationFailed"}])
    done = test.run("plan", "--config.file=" + config, simulator=simulator)
    equal((done.returncode, done.stdout), (2, ""), "who may not list subscriptions")
    contains(done.stderr, "AuthorizationFailed", "why")
    done = test.run("plan", "--config.file=" + config, imds_port=1)
    equal((done.returncode, done.stdout), (2, ""), "who cannot sign in")


if __name__ == "__main__":
    main([a_few_checks, every_check, everything, refused_lists, roles, scopes, shape, cannot_run])
