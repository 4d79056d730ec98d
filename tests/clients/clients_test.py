#!/usr/bin/env python3
"""Witnesses from Microsoft: its clients understand the simulator, its grammar understands the daemon's queries.

Skipped where node or the npm packages are missing (npm ci --prefix tests).
"""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "acceptance"))
from harness import PRODUCTION, Skip, check, equal, main, read_text, wait_for  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TENANT = "72f988bf-0000-4000-8000-00000000beef"
CLIENT = "11112222-0000-4000-8000-00000000cafe"


def node(script, given, environment=None):
    program = shutil.which("node")
    if not program:
        raise Skip("node is not installed")
    packages = os.path.join(HERE, "..", "node_modules")
    for name in ("@azure/identity", "@kusto/language-service-next"):
        if not os.path.isdir(os.path.join(packages, name)):
            raise Skip(f"{name} is not installed: npm ci --prefix tests")
    done = subprocess.run([program, os.path.join(HERE, script)], input=json.dumps(given), capture_output=True,
                          text=True, check=False, timeout=150, env=environment)
    equal(done.returncode, 0, f"exit code of {script} ({done.stderr[-1500:]})")
    return json.loads(done.stdout)


def ask(test, simulator, steps, variables=None, **task):
    """Gives the answers of the clients' steps; a step that failed ends the test, unless it tells of itself."""
    environment = {**test.environment(simulator), "NODE_EXTRA_CA_CERTS": simulator.ca_file, **(variables or {})}
    answers = node("clients.mjs", {"endpoint": f"https://127.0.0.1:{simulator.arm_port}", "subscription": PRODUCTION,
                                   "tenant": TENANT, "client": CLIENT, "steps": steps, **task}, environment)
    for step in steps:
        check("failed" not in answers[step], f"{step}: {answers[step]}")
    return [answers[step]["value"] for step in steps], [answers[step]["seconds"] for step in steps]


def routes(simulator, name):
    return simulator.requests()["routes"].get(name, 0)


def signing_in(test):
    simulator = test.simulator()
    answers, _ = ask(test, simulator, ["machine", "chosen"])
    for answer in answers:
        check(answer.get("token") and 3500 < answer["seconds"] <= 3600, f"managed identity: {answer}")
    equal(routes(simulator, "imds.token") >= 2, True, "questions to the metadata service")

    simulator.admin("PUT", "identity", {"identity_header": "h"})
    variables = {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{simulator.imds_port}/msi/token", "IDENTITY_HEADER": "h"}
    (answer,), _ = ask(test, simulator, ["machine"], variables)
    check(answer.get("token"), f"App Service: {answer}")
    check(routes(simulator, "app_service.token") >= 1, "App Service's endpoint was not asked")

    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": "s+/&="})
    (answer,), _ = ask(test, simulator, ["secret"], secret="s+/&=")
    check(answer.get("token") and 3500 < answer["seconds"] <= 3600, f"client secret: {answer}")
    (answer,), _ = ask(test, simulator, ["secret"], secret="wrong")
    check("7000215" in answer.get("error", ""), f"a wrong client secret: {answer}")

    simulator.admin("PUT", "identity", {"federated_token": "a.b.c"})
    (answer,), _ = ask(test, simulator, ["assertion"], assertion="a.b.c")
    check(answer.get("token"), f"federated token: {answer}")
    (answer,), _ = ask(test, simulator, ["assertion"], assertion="a.b.d")
    check("70021" in answer.get("error", ""), f"a wrong federated token: {answer}")


def signing_in_with_a_certificate(test):
    """An assertion that Microsoft's library signs holds for the simulator, so that what the daemon signs and the
    simulator takes is what Entra takes."""
    simulator = test.simulator()
    directory = test.directory("certificate")
    for name in ("good", "other"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out",
                        name + ".crt", "-days", "2", "-subj", "/CN=plumbline"], check=True, capture_output=True,
                       cwd=directory)
        with open(os.path.join(directory, name + ".pem"), "w", encoding="utf-8") as file:
            file.write(read_text(os.path.join(directory, name + ".key")) +
                       read_text(os.path.join(directory, name + ".crt")))
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT,
                                        "certificate": read_text(os.path.join(directory, "good.crt"))})
    (answer,), _ = ask(test, simulator, ["certificate"], certificate=os.path.join(directory, "good.pem"))
    check(answer.get("token"), f"client certificate: {answer}")
    (answer,), _ = ask(test, simulator, ["certificate"], certificate=os.path.join(directory, "other.pem"))
    check("700027" in answer.get("error", ""), f"another certificate: {answer}")


def resource_graph(test):
    simulator = test.simulator()
    wanted = sorted(row["id"].lower() for row in simulator.graph_rows("resources"))
    subscriptions = sorted({identifier.split("/")[2] for identifier in wanted})
    (answer, wrong), _ = ask(test, simulator, ["graph", "wrong_query"], subscriptions=subscriptions)
    equal(sorted(identifier.lower() for identifier in answer["ids"]), wanted, "resources by pages of ten")
    equal(answer["pages"], (len(wanted) + 9) // 10, "pages")
    equal((wrong["status"], wrong["code"]), (400, "BadRequest"), "a query that is none")
    # The client waits as it is told and goes on.
    simulator.set_faults([{"match": {"path_prefix": "/providers/microsoft.resourcegraph"}, "status": 429,
                           "body_code": "RateLimiting", "retry_after": 2, "times": 2}])
    (answer,), (seconds,) = ask(test, simulator, ["graph"], subscriptions=subscriptions)
    equal(sorted(identifier.lower() for identifier in answer["ids"]), wanted, "resources after being throttled")
    check(seconds >= 4, f"two pauses of two seconds took {seconds} s")


def resource_manager(test):
    simulator = test.simulator("--page-size", "10")
    scope = f"/subscriptions/{PRODUCTION}/providers/"
    assignment = scope + "Microsoft.Authorization/policyAssignments/witness"
    definition = "/providers/Microsoft.Authorization/policyDefinitions/x"
    simulator.put(assignment, {"name": "witness",
                               "properties": {"displayName": "Witness", "policyDefinitionId": definition}})
    simulator.put(scope + "Microsoft.Authorization/policyExemptions/witness",
                  {"name": "witness",
                   "properties": {"policyAssignmentId": assignment, "exemptionCategory": "Waiver"}})
    for number in range(25):
        simulator.put(f"{scope}Microsoft.PolicyInsights/policyStates/s{number}",
                      {"properties": {"complianceState": "NonCompliant", "resourceId": f"/subscriptions/{PRODUCTION}",
                                      "policyDefinitionName": f"d{number}"}})
    rows = simulator.graph_rows("resources")
    own = [row for row in rows if row["subscriptionId"] == PRODUCTION]
    settings = {}
    for row in own:
        answer = simulator.arm("GET", row["id"] + "/providers/Microsoft.Insights/diagnosticSettings?api-version="
                                                  "2021-05-01-preview")
        if answer.status == 200 and answer.json()["value"]:
            settings[row["id"]] = [item["name"] for item in answer.json()["value"]]
    check(settings, "no resource with diagnostic settings")
    resource, names = sorted(settings.items())[0]
    steps = ["subscriptions", "resources", "groups", "settings", "workspaces", "assignments", "exemptions", "states"]
    answers, _ = ask(test, simulator, steps, resource=resource.lstrip("/"))
    found = dict(zip(steps, answers))
    equal({item["subscriptionId"] for item in found["subscriptions"]}, {row["subscriptionId"] for row in rows},
          "subscriptions")
    ids = {item["id"].lower() for item in found["resources"]}
    check({row["id"].lower() for row in own if row["id"].count("/") == 8} <= ids, "resources are missing")
    check(found["groups"], "no resource groups")
    equal(sorted(item["name"] for item in found["settings"]), sorted(names), "diagnostic settings")
    equal(sorted(item["id"].lower() for item in found["workspaces"]),
          sorted(row["id"].lower() for row in own if row["type"].lower() == "microsoft.operationalinsights/workspaces"),
          "workspaces")
    check(all(item.get("retentionInDays") for item in found["workspaces"]), "a workspace without retention")
    check("Witness" in {item.get("displayName") for item in found["assignments"]}, "the assignment is missing")
    equal([item["exemptionCategory"] for item in found["exemptions"] if item["name"] == "witness"], ["Waiver"],
          "exemptions")
    equal(sorted(item["policyDefinitionName"] for item in found["states"]),
          sorted(f"d{number}" for number in range(25)), "policy states")
    check(routes(simulator, "arm.policystates") == 3, "policy states came in one page")


def queries(test):
    """Everything that the daemon asks Resource Graph, as it was sent, in every kind of work, with odd names."""
    simulator = test.simulator()
    odd = (f"/subscriptions/{PRODUCTION}/resourceGroups/rg o'dd \\ \"x\"/providers/Microsoft.OperationalInsights/"
           "workspaces/law-o'dd \\ | take 1 //")
    daemon = test.serve(test.configure(simulator, inventory="all", sweep="5s", changes="1s", activity="1s"), simulator)
    daemon.wait_passes(1)
    simulator.put(odd, {"location": "westeurope", "properties": {"retentionInDays": 30}})
    sent = []

    def by_id():
        sent[:] = simulator.admin("GET", "queries")["queries"]
        return [text for text in sent if "id in~" in text and "dd" in text]

    wait_for("a query by id", by_id, alive=[daemon])
    daemon.next_pass()
    baseline = test.serve(test.configure(simulator, sweep="1h"), simulator)
    baseline.wait_passes(1)
    by_id()
    tables = {text.split(" ", 1)[0] for text in sent}
    check(len(sent) >= 8 and {"resources", "resourcecontainers", "resourcechanges"} <= tables,
          f"only these were asked: {sorted(tables)}")
    answers = node("queries.mjs", sent + ["resources | were x"])
    for text, complaints in zip(sent, answers):
        equal(complaints, [], f"what the grammar says of {text[:300]!r}")
    check(answers[-1], "the grammar takes anything")


if __name__ == "__main__":
    main([signing_in, signing_in_with_a_certificate, resource_graph, resource_manager, queries])
