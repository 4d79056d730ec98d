#!/usr/bin/env python3
"""Assignments that name initiatives of Azure's by their ids: fetched with definitions, kept, judged, refreshed."""

import json
import os
import re
import shutil

from harness import Skip, check, contains, equal, main, wait_for

AUTHORIZATION = "/providers/Microsoft.Authorization"
SET = AUTHORIZATION + "/policySetDefinitions/11112222-aaaa-4bbb-8ccc-000000000001"
LOCATIONS = AUTHORIZATION + "/policyDefinitions/11112222-aaaa-4bbb-8ccc-000000000002"
RETENTION = AUTHORIZATION + "/policyDefinitions/11112222-aaaa-4bbb-8ccc-000000000003"
BENCHMARK = AUTHORIZATION + "/policySetDefinitions/1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
WORKSPACES = "Microsoft.OperationalInsights/workspaces"
POLICY_PATHS = "^/providers/Microsoft.Authorization/"


def definition(identifier, title, condition, version, versions=None):
    return {"id": identifier, "name": identifier.rpartition("/")[2],
            "type": "Microsoft.Authorization/policyDefinitions",
            "properties": {
                "displayName": title, "policyType": "BuiltIn", "mode": "Indexed", "version": version,
                "versions": versions or [version], "metadata": {"version": version, "category": "Tests"},
                "parameters": {"effect": {"type": "String", "allowedValues": ["Audit", "Disabled"],
                                          "defaultValue": "Audit"}},
                "policyRule": {"if": {"allOf": [{"field": "type", "equals": WORKSPACES}, condition]},
                               "then": {"effect": "[parameters('effect')]"}}}}


def location(version="1.0.0", is_wrong="notEquals", versions=None):
    return definition(LOCATIONS, "Workspaces lie in one place", {"field": "location", is_wrong: "nowhere"}, version,
                      versions)


def retention():
    return definition(RETENTION, "Workspaces keep their logs",
                      {"field": WORKSPACES + "/retentionInDays", "less": "[parameters('days')]"}, "2.3.0")


def initiative(references, version="1.1.0", versions=None):
    return {"id": SET, "name": SET.rpartition("/")[2], "type": "Microsoft.Authorization/policySetDefinitions",
            "properties": {
                "displayName": "Rules of the test", "policyType": "BuiltIn", "version": version,
                "versions": versions or [version], "metadata": {"version": version},
                "parameters": {"minimum": {"type": "Integer", "defaultValue": 10}},
                "policyDefinitions": references}}


def reference(name, identifier, version="1.*.*", parameters=None):
    return {"policyDefinitionReferenceId": name, "policyDefinitionId": identifier, "definitionVersion": version,
            "parameters": parameters or {}}


REFERENCES = [reference("place", LOCATIONS),
              reference("kept", RETENTION, "2.*.*", {"days": {"value": "[parameters('minimum')]"}})]


def with_days(body):
    body["properties"]["parameters"]["days"] = {"type": "Integer"}
    return body


def publish(simulator, references=REFERENCES, rule=None):
    simulator.put(LOCATIONS, rule or location())
    simulator.put(RETENTION, with_days(retention()))
    simulator.put(SET, initiative(references))


def configure(test, simulator, lines=("",), refresh="5s", sweep="5s"):
    """The harness's configuration with one more assignment for each of `lines`."""
    path = test.configure(simulator, sweep=sweep, details="1h")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    added = "".join(f"    - {{name: azures{number or ''}, initiative: {SET}{line}}}\n"
                    for number, line in enumerate(lines))
    text = text.replace("schedule:", f"{added}  refresh: {refresh}\nschedule:", 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def states(daemon, name, assignment="azures"):
    return {row["resource_key"]: (row["state"], row["cause"])
            for row in daemon.results(reference=name) if row["assignment"] == assignment}


def fetched_judged_and_kept_while_azure_is_away(test):
    simulator = test.simulator()
    publish(simulator)
    config = configure(test, simulator, lines=("", ", parameters: {minimum: 100000}"))
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    contains(daemon.log(), "not fetched from Azure yet", "log of the start")
    contains(daemon.log(), "event=initiative_fetched", "log")
    first = states(daemon, "place")
    check(len(first) > 1, "too few workspaces were judged")
    equal({state for state, _ in first.values()}, {"NonCompliant"}, "states of the rule about location")
    check("Compliant" in {state for state, _ in states(daemon, "kept").values()}, "retention of ten days")
    equal({state for state, _ in states(daemon, "kept", "azures1").values()}, {"NonCompliant"},
          "retention of a hundred thousand days")
    shipped = [row for row in daemon.results() if row["assignment"] == "azure-monitor"]
    check(shipped, "the other assignment was not judged")
    equal(daemon.stop(), 0, "exit code")

    simulator.set_faults([{"match": {"path_regex": POLICY_PATHS}, "status": 503, "body": "{}"}])
    daemon = test.serve(config, simulator)
    contains(daemon.log(), "event=initiative_kept", "log of a start without Azure")
    check(re.search(r"event=initiative_kept .*fetched_at=2\d{3}-", daemon.log()), "the age of the kept copy")
    equal(states(daemon, "place"), first, "verdicts of the kept copy")
    check("assignment_left_out" not in daemon.log(), "the kept copy was not used")
    wait_for("refresh that fails", lambda: "event=initiative_not_fetched" in daemon.log(), alive=[daemon])
    daemon.next_pass()
    check(re.search(r"event=initiative_not_fetched .*fetched_at=2\d{3}-", daemon.log()), "what is kept, told")
    equal({key: state for key, (state, _) in states(daemon, "place").items()},
          {key: state for key, (state, _) in first.items()}, "verdicts while Azure is away")


def a_changed_initiative_is_cause_definition_and_pages_nobody(test):
    simulator = test.simulator()
    publish(simulator)
    daemon = test.serve(configure(test, simulator, refresh="5s"), simulator)
    daemon.wait_passes(1)
    equal({state for state, _ in states(daemon, "place").values()}, {"NonCompliant"}, "states before")

    publish(simulator, rule=location("1.0.1", "equals"))
    wait_for("changed rule", lambda: {state for state, _ in states(daemon, "place").values()} == {"Compliant"},
             alive=[daemon])
    publish(simulator, rule=location("1.0.2"))
    wait_for("rule as before", lambda: {state for state, _ in states(daemon, "place").values()} == {"NonCompliant"},
             alive=[daemon])
    changes = [item for item in daemon.api("transitions", limit=1000)["transitions"]
               if item["reference"] == "place" and item["from"] is not None]
    check(changes, "no transition")
    equal({item["cause"] for item in changes}, {"definition"}, "causes")
    equal([item for item in daemon.api("drift")["drift"] if item.get("reference") == "place"], [],
          "drift opened by Azure's change of a rule")

    # A reference less: its verdicts go. One that is broken takes nothing else with it.
    broken = AUTHORIZATION + "/policyDefinitions/11112222-aaaa-4bbb-8ccc-000000000004"
    simulator.put(broken, {"id": broken, "name": "x", "type": "Microsoft.Authorization/policyDefinitions",
                           "properties": {"mode": "All", "policyRule": {"if": {"field": 5}, "then": {}}}})
    publish(simulator, [REFERENCES[0], reference("broken", broken, "")], rule=location("1.0.2"))
    wait_for("reference that is gone", lambda: not states(daemon, "kept"), alive=[daemon])
    wait_for("told", lambda: "event=definition_left_out" in daemon.log(), alive=[daemon])
    check(states(daemon, "place"), "the other reference went, too")

    # An initiative that cannot be used leaves the one in force.
    simulator.put(SET, {**initiative(REFERENCES), "properties": {"displayName": "nothing in it"}})
    wait_for("refusal", lambda: "event=initiative_not_fetched" in daemon.log(), alive=[daemon])
    daemon.next_pass()
    check(states(daemon, "place"), "the initiative in force went")


def what_may_not_be_read_is_left_out_by_name(test):
    simulator = test.simulator()
    publish(simulator)
    simulator.set_faults([{"match": {"path_regex": POLICY_PATHS + "policySetDefinitions"}, "status": 403}])
    config = configure(test, simulator)
    answer = test.run("check-config", "--config.file=" + config, "--online", simulator=simulator)
    check(answer.returncode != 0, "check-config --online was content")
    contains(answer.stderr, SET, "what check-config --online says")
    contains(answer.stderr, "403", "what check-config --online says")
    answer = test.run("check-config", "--config.file=" + config, simulator=simulator)
    equal(answer.returncode, 0, "exit code of check-config")
    contains(answer.stdout, f"without {SET}: not fetched", "what check-config says")

    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    line = next(line for line in daemon.log().splitlines() if "event=initiative_not_fetched" in line)
    contains(line, SET, "log")
    contains(line, "403", "log")
    contains(line, "fetched_at=never", "log")
    check([row for row in daemon.results() if row["assignment"] == "azure-monitor"], "the others were not judged")
    equal(states(daemon, "place"), {}, "verdicts of what may not be read")

    simulator.clear_faults()
    wait_for("initiative that may be read", lambda: states(daemon, "place"), alive=[daemon])
    answer = test.run("check-config", "--config.file=" + config, "--online", simulator=simulator)
    check("azures" not in answer.stderr, f"check-config --online complains: {answer.stderr}")

    # One definition that may not be read leaves the others.
    simulator.set_faults([{"match": {"path_regex": POLICY_PATHS + "policyDefinitions/.*3$"}, "status": 403}])
    wait_for("definition that may not be read", lambda: not states(daemon, "kept"), alive=[daemon])
    check(states(daemon, "place"), "verdicts of the definition that may be read")


def versions_are_pinned(test):
    simulator = test.simulator()
    publish(simulator, rule=location("2.0.0", "equals", ["1.0.0", "1.4.0", "2.0.0"]))
    for version in ("1.0.0", "1.4.0"):
        simulator.put(f"{LOCATIONS}/versions/{version}",
                      {**location(version, "notEquals" if version == "1.4.0" else "equals"),
                       "id": f"{LOCATIONS}/versions/{version}", "name": version,
                       "type": "Microsoft.Authorization/policyDefinitions/versions"})
    current = initiative([reference("place", LOCATIONS, "2.*.*")], "3.0.0", ["1.0.0", "1.1.0", "3.0.0"])
    simulator.put(SET, current)
    simulator.put(f"{SET}/versions/1.1.0",
                  {**initiative([reference("place", LOCATIONS)], "1.1.0"), "id": f"{SET}/versions/1.1.0",
                   "name": "1.1.0", "type": "Microsoft.Authorization/policySetDefinitions/versions"})
    config = configure(test, simulator, sweep="1h",
                       lines=("", ", definition_version: 1.1.*", ", definition_version: 7.*.*"))
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal({state for state, _ in states(daemon, "place").values()}, {"Compliant"}, "states of the current version")
    equal({state for state, _ in states(daemon, "place", "azures1").values()}, {"NonCompliant"},
          "states of the pinned version")
    equal(states(daemon, "place", "azures2"), {}, "verdicts of a version that is not there")
    contains(daemon.log(), "there is no version 7.*.*; the current one is 3.0.0", "log")


def benchmark_scenario(test, shared):
    """The simulated tenant with a large initiative of Azure's and all versions of its definitions, as Azure publishes
    them."""
    def published(name):
        with open(os.path.join(shared, name + ".jsonl"), encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def number(item):
        return [int(part) for part in item["properties"]["version"].partition("-")[0].split(".")]

    sets = [item for item in published("initiatives") if item["id"].lower() == BENCHMARK.lower()]
    wanted = {member["policyDefinitionId"].lower()
              for item in sets for member in item["properties"]["policyDefinitions"]}
    groups = [("policySetDefinitions", sets)]
    by_id = {}
    for item in published("definitions"):
        if item["id"].lower() in wanted and "version" in item["properties"]:
            by_id.setdefault(item["id"].lower(), []).append(item)
    groups += [("policyDefinitions", items) for items in by_id.values()]
    resources = []
    for kind, items in groups:
        items = list({item["properties"]["version"]: item for item in items}.values())
        newest = max(items, key=number)
        kind = "Microsoft.Authorization/" + kind
        versions = [item["properties"]["version"] for item in items]
        resources.append({"id": newest["id"], "name": newest["name"], "type": kind,
                          "properties": {**newest["properties"], "versions": versions}})
        resources += [{"id": f"{item['id']}/versions/{version}", "name": version, "type": kind + "/versions",
                       "properties": item["properties"]} for item, version in zip(items, versions)]
    path = os.path.join(test.directory("scenario"), "contoso")
    shutil.copytree(test.scenario, path)
    with open(os.path.join(path, "resources", "policy.json"), "w", encoding="utf-8") as file:
        json.dump(resources, file)
    newest = max(sets, key=number)["properties"]["policyDefinitions"]
    there = {(identifier, number(item)[0]) for identifier, items in by_id.items() for item in items}
    # What is published leaves out old versions that initiatives still name.
    lost = {member["policyDefinitionReferenceId"] for member in newest
            if (member["policyDefinitionId"].lower(), int(member["definitionVersion"].partition(".")[0])) not in there}
    return path, {member["policyDefinitionReferenceId"] for member in newest}, lost


def an_initiative_that_is_built_in_compiles(test):
    shared = os.path.join(test.source_dir, "..", "shared", "azure-policy")
    if not os.path.exists(os.path.join(shared, "initiatives.jsonl")):
        raise Skip("there are no definitions of Azure's beside the repository")
    scenario, references, lost = benchmark_scenario(test, shared)
    simulator = test.simulator(scenario=scenario)
    path = configure(test, simulator, sweep="1h")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(SET, BENCHMARK))
    daemon = test.serve(path, simulator)
    daemon.wait_passes(1)
    check(len(lost) < len(references) / 10, f"too much of the initiative is not published: {lost}")
    equal(set(re.findall(r"event=definition_left_out assignment=azures check=(\S+)", daemon.log())), lost,
          "checks left out")
    equal({item["reference"] for item in daemon.api("checks")["checks"] if item["assignment"] == "azures"},
          references - lost, "checks of the initiative")
    check(any(row["assignment"] == "azures" and row["state"] in ("Compliant", "NonCompliant")
              for row in daemon.results()), "nothing was judged")


if __name__ == "__main__":
    main([fetched_judged_and_kept_while_azure_is_away, a_changed_initiative_is_cause_definition_and_pages_nobody,
          what_may_not_be_read_is_left_out_by_name, versions_are_pinned, an_initiative_that_is_built_in_compiles])
