#!/usr/bin/env python3
"""The official example payloads as a tenant: everything is inventoried, every quirk survives, nothing is written twice."""

import collections
import json
import os
import re
import time

from harness import Skip, check, equal, main, resource_key, sqlite

# Tables that hold resources; the others hold changes, health, recommendations.
TABLES = ("resources", "resourcecontainers", "policyresources", "authorizationresources", "insightsresources",
          "securityresources", "networkresources", "kubernetesconfigurationresources",
          "guestconfigurationresources")
# Results of assessments, one or more for each resource: no configuration, and many times as many rows.
NOT_CONFIGURATION = ("microsoft.policyinsights/policystates", "microsoft.security/assessments")
# Bodies with an id and a type that are no configuration of a resource: measurements, events, what may be chosen.
NOT_A_RESOURCE = re.compile(
    r"^(microsoft\.(resourcehealth/.*|resources/changes|insights/metrics|insights/diagnosticsettingscategories|"
    r"(resourcenotifications|policyinsights|resources)\.[^/]*)|.*/privatelinkresources|/providers/microsoft\.resourcehealth/.*|"
    r"/subscriptions|region|edgezone)$")
# Misprints of the documents: ids that lead nowhere.
MISPRINTS = ("/subscriptions/ae640e6b-ba3e-4256-9d62-2993eecfa6f2/providers/microsoft.authorization/policydefinitions/"
             "versions/1.0.0", "/versoins/", "authorizationrules?api-version=",
             "/microsoft.logic/workflows/viruela6/diagnosticsettings/",
             "/resourcegroups/myresourcegroup/microsoft.dashboard/grafana/")
QUIRKS = {
    "tags that are an empty text":
        "/subscriptions/subid/resourceGroups/my-resource-group/providers/Microsoft.Insights/components/my-component",
    "an id without leading slash":
        "subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/my-resource-group/providers/"
        "myPRNameSpace/VM/myVm",
    "mixed casing":
        "/subscriptions/cfbbd179-59d2-4052-aa06-9270a38aa9d6/resourceGroups/RG1/providers/Microsoft.Compute/disks/"
        "yetanothertest_OsDisk_1_f396cbcb625a457bb69fe2abf5975820",
    "lower-case group and provider":
        "/subscriptions/594038b5-1093-476e-a366-482775671c11/resourcegroups/mms-eus/providers/"
        "microsoft.operationalinsights/workspaces/southukws",
    "a body that is a bare array":
        "/subscriptions/594038b5-1093-476e-a366-482775671c11/resourcegroups/calbot-rg/providers/"
        "microsoft.operationalinsights/workspaces/testresourcelock",
    "letters outside ASCII":
        "/subscriptions/subid/resourceGroups/rg1/providers/Microsoft.Network/networkWatchers/тц1/FlowLogs/flowLog1",
    "a space before the id":
        " /subscriptions/024e2271-06fa-46b6-9079-f1ed3c7b070e/resources/my-resource-group/providers/"
        "Microsoft.ResourceGraph/queries/MyDockerVMs",
    "an id that says `providers` twice":
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/gigtest/providers/providers/"
        "microsoft.insights/metricalerts/chiricutin",
    "a truncated subscription id":
        "/subscriptions/00000000-0000-0000-0000-00000000000/resourcegroups/oiautorest6685/providers/"
        "microsoft.operationalinsights/workspaces/oiautorest6685",
}
# A diagnostic setting whose id has no leading slash and whose type is null.
SUBSCRIPTION_SETTINGS = ("/subscriptions/fb9f25f9-5785-4510-a38f-a62f188eb9f8/providers/microsoft.insights/"
                         "diagnosticsettings")


def tenant(test):
    examples = test.arguments.examples
    if not os.path.isdir(examples):
        raise Skip(f"{examples} is absent")
    files = sum(name.endswith(".json") for _, _, names in os.walk(examples) for name in names)
    check(files > 0, f"{examples} holds no payloads")
    return files, test.simulator(data=examples)


def inventory(daemon, store):
    rows = sqlite(store, "SELECT key FROM resource WHERE version_id IS NOT NULL AND is_detail = 0")
    return set(rows.splitlines())


def served(test, simulator):
    config = test.configure(simulator, inventory="all", sweep="1h", details="1h", parameters=False,
                            baseline=test.baseline)
    started = time.monotonic()
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    return daemon, config, config.replace("plumbline.yaml", "plumbline.db"), time.monotonic() - started


def everything_is_evaluated_and_a_second_pass_writes_nothing(test):
    files, simulator = tenant(test)
    daemon, config, store, seconds = served(test, simulator)
    known = inventory(daemon, store)
    counts = daemon.counts()
    results = daemon.results()
    peak = daemon.peak_rss_kib()
    equal(sum(counts.values()), len(results), "results in pages and in the summary")
    print(f"{files} files, {simulator.admin('GET', 'ready')['resources']} resources in the simulator, {len(known)} "
          f"inventoried with subscriptions, verdicts {counts}, {seconds:.2f} s, peak {peak / 1024:.1f} MiB")
    equal([row for row in results if row["state"] == "Error"], [], "verdicts that are errors")
    # The examples name workspaces, vaults and roles that they do not contain; nothing else may be missing.
    missing = [row for row in results if row["state"] == "NoEvidence"]
    equal({row["reason"] for row in missing} - {"not_collected"}, set(), "reasons for missing evidence")
    check(len(missing) < len(results) * 0.05, f"{len(missing)} of {len(results)} verdicts without evidence")
    check({row["state"] for row in results} >= {"Compliant", "NonCompliant"}, f"states {counts}")
    # The types that the baseline judges are all judged: no resource of theirs without a verdict.
    judged = {row["resource_key"] for row in results}
    for kind in ("microsoft.operationalinsights/workspaces", "microsoft.insights/components",
                 "microsoft.compute/virtualmachines"):
        keys = sqlite(store, "SELECT key FROM resource WHERE version_id IS NOT NULL AND is_detail = 0 AND "
                      f"type = '{kind}'").splitlines()
        check(keys, f"no {kind} in the inventory")
        equal([key for key in keys if key not in judged], [], f"{kind} without a verdict")
    equal(daemon.stop(), 0, "exit code of the daemon")

    # Other passes write nothing: one within the interval of the details, and one that asks for all of them again.
    for interval, what in (("1h", "second"), ("5s", "third")):
        if interval == "5s":
            newest = int(sqlite(store, "SELECT max(observed_at) FROM evidence")) / 1e6
            while time.time() - newest < 5.5:  # the interval is what is waited for
                time.sleep(0.1)
        test.configure(simulator, directory=os.path.dirname(config), inventory="all", sweep="1h", details=interval,
                       parameters=False, baseline=test.baseline)
        asked = simulator.requests()["routes"].get("arm.diagnosticsettings", 0)
        again = test.once(config, simulator)
        check("wrote 0 versions, 0 deletions and 0 transitions" in again.stdout,
              f"the {what} pass: {again.returncode} {again.stdout[-200:]} {again.stderr[-500:]}")
        asked = simulator.requests()["routes"]["arm.diagnosticsettings"] - asked
        equal(asked > 0, interval == "5s", f"details asked for by the {what} pass ({asked})")


def every_resource_that_graph_holds_is_inventoried(test):
    _, simulator = tenant(test)
    daemon, _, store, _ = served(test, simulator)
    known = inventory(daemon, store)
    missing = collections.Counter()
    held = set()
    for table in TABLES:
        for row in simulator.graph_rows(table):
            key = resource_key(row["id"])
            held.add(key)
            if key not in known and row["type"].lower() not in NOT_CONFIGURATION and row["subscriptionId"]:
                missing[f"{table}: {row['type'].lower()}"] += 1
    check(len(held) > 250, f"Resource Graph holds {len(held)} rows only")
    equal(sorted(known - held), [], "inventoried, but not from Resource Graph")
    loaded = simulator.admin("GET", "ready")
    print(f"Resource Graph holds {len(held)} of {loaded['resources']} resources and {loaded['subscriptions']} "
          f"subscriptions; the others are children and extensions, which only Resource Manager's lists give")
    equal(dict(missing), {}, "held by Resource Graph, not inventoried")


def bodies(value):
    """Every object with an id and a type, at any depth."""
    if isinstance(value, list):
        for element in value:
            yield from bodies(element)
    elif isinstance(value, dict):
        if isinstance(value.get("id"), str) and isinstance(value.get("type"), str):
            yield value
        for member in value.values():
            yield from bodies(member)


def answers(document):
    """What the service says in an example, without what the example asks."""
    responses = document.get("responses") if isinstance(document, dict) else None
    if not isinstance(responses, dict):
        return [document]
    return [response["body"] for response in responses.values() if isinstance(response, dict) and "body" in response]


def every_payload_with_an_id_and_a_type_is_inventoried(test):
    wanted = {}
    for directory, _, names in os.walk(test.arguments.examples):
        for name in names:
            if name.endswith(".json"):
                with open(os.path.join(directory, name), encoding="utf-8-sig") as file:
                    for answer in answers(json.load(file)):
                        for body in bodies(answer):
                            wanted[resource_key(body["id"])] = body["type"].lower()
    _, simulator = tenant(test)
    daemon, _, store, _ = served(test, simulator)
    rows = inventory(daemon, store)
    listed = set()
    documents = sqlite(store, "SELECT key FROM resource WHERE version_id IS NOT NULL AND is_detail = 1 "
                       "AND type <> 'plumbline.evidence/confirmations'").splitlines()
    for document in documents:
        for item in daemon.api("resource", id=document)["configuration"]["value"]:
            if isinstance(item.get("id"), str):
                listed.add(resource_key(item["id"]))
    missing = collections.Counter()
    reasons = collections.Counter()
    for key, kind in wanted.items():
        if key in rows or key in listed:
            continue
        provider = kind.split("/")[0]
        if NOT_A_RESOURCE.match(kind) or "." not in provider or key.count("/") < 3:
            reasons["no configuration of a resource"] += 1
        elif any(misprint in key for misprint in MISPRINTS):
            reasons["misprints"] += 1
        else:
            missing[f"{kind}: {key}"] += 1
    print(f"{len(wanted)} ids with a type; {len(rows)} rows and {len(listed)} entries of {len(documents)} lists hold "
          f"{sum(key in rows or key in listed for key in wanted)} of them; left out: {dict(reasons)}")
    check(len(wanted) > 400, f"{len(wanted)} ids only")
    equal(dict(missing), {}, "in the payloads, not inventoried")


def quirks_survive(test):
    _, simulator = tenant(test)
    daemon, _, _, _ = served(test, simulator)
    found = {}
    for quirk, identifier in QUIRKS.items():
        resource = daemon.api("resource", id=identifier)
        equal(resource["id"], identifier, f"spelling of the id ({quirk})")
        equal(resource["key"], resource_key(identifier), f"key ({quirk})")
        check(isinstance(resource["configuration"], dict), f"configuration ({quirk}): {resource['configuration']!r}")
        check(resource["type"], f"no type ({quirk})")
        found[quirk] = resource
    equal(found["tags that are an empty text"]["configuration"]["tags"], "", "tags")
    equal(found["an id without leading slash"]["type"], "myprnamespace/vm", "type taken from the id")
    # One spelling finds another.
    other = QUIRKS["mixed casing"].upper().replace("/SUBSCRIPTIONS", "/subscriptions")
    equal(daemon.api("resource", id=other)["id"], QUIRKS["mixed casing"], "id found by another spelling")

    settings = daemon.api("resource", id=SUBSCRIPTION_SETTINGS)["configuration"]["value"]
    equal([(item["id"], item["type"]) for item in settings],
          [("subscriptions/fb9f25f9-5785-4510-a38f-a62f188eb9f8/providers/AzureResourceManager/diagnosticSettings/ds4",
            None)], "setting of the subscription, with a null type")
    verdicts = daemon.results(reference="LT-4.1-activity-log-export",
                              resource="/subscriptions/fb9f25f9-5785-4510-a38f-a62f188eb9f8")
    equal(len(verdicts), 1, "verdict that rests on it")
    check(verdicts[0]["state"] in ("Compliant", "NonCompliant"), f"verdict that rests on it: {verdicts[0]}")


if __name__ == "__main__":
    main([everything_is_evaluated_and_a_second_pass_writes_nothing, quirks_survive,
          every_resource_that_graph_holds_is_inventoried, every_payload_with_an_id_and_a_type_is_inventoried], needs_shared=True)
