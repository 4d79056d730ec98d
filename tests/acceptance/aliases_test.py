#!/usr/bin/env python3
"""Where Azure says that an alias lies elsewhere than the shipped catalogue has it, Azure decides."""

import json
import os
import shutil

from harness import check, contains, equal, main, wait_for

REFERENCE = "PA-7.1-workspace-access-mode"
ALIAS = "Microsoft.OperationalInsights/workspaces/features.enableLogAccessUsingOnlyResourcePermissions"


def scenario_with_providers(test, providers):
    path = os.path.join(test.directory("scenario"), "contoso")
    shutil.copytree(test.scenario, path)
    with open(os.path.join(path, "providers.json"), "w", encoding="utf-8") as file:
        json.dump(providers, file)
    return path


def verdicts(daemon):
    return {row["resource_key"]: (row["state"], row["cause"]) for row in daemon.results(reference=REFERENCE)}


def providers_asked(simulator):
    return simulator.requests()["routes"].get("arm.provider", 0)


def a_moved_alias_is_taken_over_and_kept(test):
    moved = {"namespace": "Microsoft.OperationalInsights", "resourceTypes": [{
        "resourceType": "workspaces", "aliases": [
            {"name": ALIAS, "paths": [], "defaultPath": "properties.moved.elsewhere"},
            {"name": "Microsoft.OperationalInsights/workspaces/retentionInDays", "paths": [],
             "defaultPath": "properties.retentionInDays"}]}]}
    simulator = test.simulator(scenario=scenario_with_providers(test, [moved]))
    simulator.admin("DELETE", "faults")  # Resource Manager confirms everything
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    wait_for("reload", lambda: "event=reloaded" in daemon.log(), alive=[daemon])
    # The first pass decided with the shipped path, so some were compliant; now the property is absent
    # everywhere, which this check does not call safe.
    changed = [item for item in daemon.api("transitions", limit=1000)["transitions"]
               if item["reference"] == REFERENCE and item["from"] == "Compliant"]
    check(changed, "no verdict changed with the alias")
    for item in changed:
        equal(item["cause"], "definition", "cause of a verdict that a moved alias changed")
    wait_for("the states with the moved alias",
             lambda: {state for state, _ in verdicts(daemon).values()} == {"NonCompliant"}, alive=[daemon])
    equal([item for item in daemon.api("drift")["drift"]
           if item.get("reference") == REFERENCE and item["resource_key"] in
           {change["resource_key"] for change in changed}], [], "drift opened by a moved alias")
    asked = providers_asked(simulator)
    check(asked > 0, "no provider was asked")

    # After a restart the kept answer decides from the start, and nobody is asked again.
    before = verdicts(daemon)
    equal(daemon.stop(), 0, "exit code")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal(verdicts(daemon), before, "verdicts after a restart")
    equal(providers_asked(simulator), asked, "providers asked after a restart")


def azure_that_does_not_answer_changes_nothing(test):
    simulator = test.simulator()
    simulator.set_faults([{"match": {"path_regex": "^/providers/[^/]+$"}, "status": 403}])
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    wait_for("refresh", lambda: "event=aliases_refreshed" in daemon.log(), alive=[daemon])
    line = next(line for line in daemon.log().splitlines() if "event=aliases_refreshed" in line)
    contains(line, "reason=incomplete", "log")
    contains(line, "observed=0", "log")
    check("event=reloaded" not in daemon.log(), "rules were compiled again")
    check("Compliant" in {state for state, _ in verdicts(daemon).values()}, "verdicts with the shipped catalogue")


if __name__ == "__main__":
    main([a_moved_alias_is_taken_over_and_kept, azure_that_does_not_answer_changes_nothing])
