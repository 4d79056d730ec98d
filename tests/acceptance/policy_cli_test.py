#!/usr/bin/env python3
"""`plumbline policy explain`: what it prints, its exit codes, and what it says of files it cannot use."""

import json
import os

from harness import check, contains, equal, main

CHECK = "baselines/azure-monitor/definitions/NS-2.2-workspace-public-query.json"
DIAGNOSTICS = "baselines/azure-monitor/definitions/LT-4.1-resource-diagnostics.json"
WORKSPACE = {
    "id": "/subscriptions/0b6f3c1e-52a7-4d0f-9a35-7c1d2e84f6b9/resourceGroups/rg/providers/"
          "Microsoft.OperationalInsights/workspaces/w",
    "name": "w", "type": "Microsoft.OperationalInsights/workspaces", "location": "westeurope",
    "properties": {"publicNetworkAccessForQuery": "Enabled"}}


def written(test, name, value):
    path = os.path.join(test.directory("files"), name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))
    return path


def explain(test, definition, resource, *options):
    return test.run("policy", "explain", "--definition", os.path.join(test.arguments.source_dir, definition),
                    "--resource", resource, *options)


def the_deciding_condition_is_marked(test):
    done = explain(test, CHECK, written(test, "open.json", WORKSPACE))
    equal(done.returncode, 1, "exit code for a non-compliant resource")
    lines = done.stdout.splitlines()
    equal(lines[0], "NonCompliant", "first line")
    deciding = [line for line in lines if "notEquals Disabled" in line]
    equal(len(deciding), 1, "lines of the condition")
    contains(deciding[0], "at properties.publicNetworkAccessForQuery", "where it looked")
    contains(deciding[0], 'was "Enabled"', "what it saw")
    check(deciding[0].endswith("<--"), f"not marked: {deciding[0]}")

    closed = dict(WORKSPACE, properties={"publicNetworkAccessForQuery": "Disabled"})
    done = explain(test, CHECK, written(test, "closed.json", closed), "--format", "json")
    equal(done.returncode, 0, "exit code for a compliant resource")
    tree = json.loads(done.stdout)
    equal((tree["state"], tree["effect"]), ("Compliant", "audit"), "state and effect")
    check(tree["explanation"]["children"], "no tree")


def parameters_and_related_resources_count(test):
    perimeter = dict(WORKSPACE, properties={"publicNetworkAccessForQuery": "SecuredByPerimeter"})
    resource = written(test, "perimeter.json", perimeter)
    equal(explain(test, CHECK, resource).returncode, 0, "exit code with the default")
    strict = written(test, "strict.json", {"accept_nsp": {"value": False}})
    equal(explain(test, CHECK, resource, "--parameters", strict).returncode, 1, "exit code with the parameter")

    resource = written(test, "workspace.json", WORKSPACE)
    unknown = explain(test, DIAGNOSTICS, resource)
    equal((unknown.returncode, unknown.stdout.splitlines()[0]), (3, "NoEvidence (not_collected)"), "nothing known")
    none = written(test, "none.json", [])
    equal(explain(test, DIAGNOSTICS, resource, "--related", none).returncode, 1, "exit code when there is nothing")
    setting = {"id": WORKSPACE["id"] + "/providers/Microsoft.Insights/diagnosticSettings/s", "name": "s",
               "type": "Microsoft.Insights/diagnosticSettings",
               "properties": {"workspaceId": WORKSPACE["id"], "logs": [
                   {"category": None, "categoryGroup": "allLogs", "enabled": True},
                   {"category": None, "categoryGroup": "audit", "enabled": True}]}}
    found = written(test, "found.json", [setting])
    done = explain(test, DIAGNOSTICS, resource, "--related", found)
    equal(done.returncode, 0, f"exit code when there is a setting ({done.stdout})")


def files_that_cannot_be_used_are_named(test):
    resource = written(test, "resource.json", WORKSPACE)
    broken = written(test, "broken.json", '{"if": {"field": "type", "equalls": "x"}, "then": {"effect": "audit"}}')
    missing = os.path.join(test.directory("files"), "missing.json")
    for what, done, expected in (
            ("a definition with an unknown operator", explain(test, broken, resource), "broken.json:1:"),
            ("a resource that is not there", explain(test, CHECK, missing), "missing.json"),
            ("a resource that is no JSON", explain(test, CHECK, written(test, "text.json", "{")), "text.json"),
            ("an unknown parameter", explain(test, CHECK, resource, "--parameters",
                                             written(test, "p.json", {"nonsense": 1})), "unknown parameter 'nonsense'"),
            ("a time that is none", explain(test, CHECK, resource, "--at", "yesterday"), "`yesterday`")):
        equal(done.returncode, 2, f"exit code for {what}")
        contains(done.stderr, expected, what)
        equal(done.stdout, "", f"output for {what}")


if __name__ == "__main__":
    main([the_deciding_condition_is_marked, parameters_and_related_resources_count,
          files_that_cannot_be_used_are_named])
