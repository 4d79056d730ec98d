#!/usr/bin/env python3
"""Sweeps of a generated tenant: every resource once, in parallel pieces, within Azure's quota."""

import json
import os

from harness import check, equal, main

TYPES = ("Microsoft.Insights/actionGroups", "Microsoft.Insights/components", "Microsoft.KeyVault/vaults",
         "Microsoft.OperationalInsights/workspaces", "Microsoft.Storage/storageAccounts")


def small_baseline(directory):
    """One check for each type of the generated tenant, so that the plan holds them and nothing else."""
    os.mkdir(os.path.join(directory, "definitions"))
    references = []
    for number, kind in enumerate(TYPES):
        name = f"owner-{number}"
        rule = {"if": {"allOf": [{"field": "type", "equals": kind}, {"field": "tags['owner']", "exists": "false"}]},
                "then": {"effect": "audit"}}
        definition = {"name": name, "type": "Microsoft.Authorization/policyDefinitions",
                      "properties": {"displayName": name, "policyType": "Custom", "mode": "Indexed",
                                     "metadata": {"version": "1.0.0", "severity": "low"}, "policyRule": rule}}
        with open(os.path.join(directory, "definitions", name + ".json"), "w", encoding="utf-8") as file:
            json.dump(definition, file)
        references.append({
            "policyDefinitionReferenceId": name,
            "policyDefinitionId": f"/providers/Microsoft.Authorization/policyDefinitions/{name}"})
    initiative = {"name": "owners", "type": "Microsoft.Authorization/policySetDefinitions",
                  "properties": {"displayName": "owners", "policyType": "Custom", "metadata": {"version": "1.0.0"},
                                 "policyDefinitions": references}}
    with open(os.path.join(directory, "initiative.json"), "w", encoding="utf-8") as file:
        json.dump(initiative, file)
    return directory


def swept(test, count, subscriptions, quota_percent):
    simulator = test.simulator("--generate", str(count), "--generate-subscriptions", str(subscriptions),
                               "--enforce-quota", scenario=None)
    config = test.configure(simulator, parameters=False, baseline=small_baseline(test.directory("baseline")),
                            sweep="1h", details="30d")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("azure:\n", f"azure:\n  quota_percent: {quota_percent}\n", 1))
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1, 300)
    status = daemon.api("status")
    equal(sum(kind["resources"] for kind in status["types"] if not kind["type"].startswith("microsoft.resources/")),
          count, "resources")
    equal(status["evidence_missing"], [], "missing evidence")
    equal(sum(daemon.counts().values()), count, "verdicts")
    check("429" not in simulator.requests()["statuses"], f"answers: {simulator.requests()['statuses']}")
    return simulator.requests()["routes"]["arg.query"], daemon


def pieces_hold_everything(test):
    queries, _ = swept(test, 11234, 2, 100)
    # Twelve pages would do without pieces; the other tables, the counts and partly filled pages come on top.
    check(14 <= queries <= 22, f"{queries} queries")


def a_share_of_the_quota_is_kept(test):
    queries, daemon = swept(test, 2000, 1, 7)
    check(queries >= 4, f"{queries} queries")
    # One query in 5 s is ours: all but the first have waited.
    check(daemon.metric("plumbline_azure_paced_seconds_total", service="resource_graph") > 1, "nothing was paced")


if __name__ == "__main__":
    main([pieces_hold_everything, a_share_of_the_quota_is_kept])
