#!/usr/bin/env python3
"""The OpenAPI document against what the daemon really answers: every call, every status; ETags; time travel; events."""

import base64
import datetime
import http.server
import json
import os
import threading
import urllib.parse

from harness import DEVELOPMENT, PRODUCTION, Skip, check, contains, equal, http_request, main

WORKSPACE = "law-contoso-security"
EXEMPTIONS = f"""exemptions:
  - name: dev-open
    scope: /subscriptions/{DEVELOPMENT}
    properties:
      policyAssignmentId: azure-monitor
      exemptionCategory: Waiver
      expiresOn: 2099-01-01T00:00:00Z
      description: Nobody has come to it yet.
      metadata: {{owner: platform-team}}
"""
# Of "secret", at cost 4.
HASH = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"


class Contract:
    """The document; compares answers with it and keeps count of what it has seen."""

    def __init__(self, daemon):
        try:
            import jsonschema
        except ImportError as error:
            raise Skip("python3-jsonschema is not installed") from error
        self.daemon = daemon
        answer = daemon.get("/api/v1/openapi.json")
        equal((answer.status, answer.headers["Content-Type"]), (200, "application/json"), "the document")
        self.document = answer.json()
        self._jsonschema = jsonschema
        self.seen = set()

    def problems(self, schema, value):
        validator = self._jsonschema.Draft202012Validator(
            {**schema, "components": self.document["components"]}, format_checker=self._jsonschema.FormatChecker())
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
                for error in validator.iter_errors(value)]

    def judge(self, path, answer, what=""):
        responses = self.document["paths"][path]["get"]["responses"]
        status = str(answer.status)
        check(status in responses, f"{path}{what}: {status} is no answer of the document's ({answer.text()[:200]})")
        self.seen.add((path, status))
        content = responses[status].get("content")
        if content is None:
            equal(answer.body, b"", f"body of {status} of {path}")
            return None
        kind = answer.headers["Content-Type"]
        check(kind in content, f"{path}{what}: {status} is of type {kind}")
        equal(self.problems(content[kind]["schema"], answer.json()), [], f"{path}{what}, {status}")
        return answer.json()

    def ask(self, path, parameters=None, headers=None, port=None):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        return http_request(port or self.daemon.port, "GET", path + query, headers=headers)


def closed_objects(schema, place):
    """Objects that would let unknown members pass."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("additionalProperties") is not False:
            yield place
        for key, value in schema.items():
            yield from closed_objects(value, f"{place}/{key}")
    elif isinstance(schema, list):
        for i, value in enumerate(schema):
            yield from closed_objects(value, f"{place}/{i}")


def rewrite(path, *replacements):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for old, new in replacements:
        check(old in text, f"no {old!r} in {path}")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Refusing(http.server.BaseHTTPRequestHandler):
    """A webhook that takes no event."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(422)
        self.end_headers()

    def log_message(self, *_):
        pass


def lived_in(test):
    """A daemon over two passes, between which something moved and was put back. Its webhook refuses everything."""
    simulator = test.simulator()
    exemptions = os.path.join(test.directory("exemptions"), "exemptions.yaml")
    with open(exemptions, "w", encoding="utf-8") as file:
        file.write(EXEMPTIONS)
    config = test.configure(simulator)
    rewrite(config, ("baseline:\n", f"baseline:\n  exemptions: {exemptions}\n"))
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    secret = os.path.join(test.directory("secret"), "secret")
    with open(secret, "wb") as file:
        file.write(base64.b64encode(bytes(32)))
    with open(config, "a", encoding="utf-8") as file:
        file.write(f"events: {{webhooks: [{{name: refuses, url: \"http://127.0.0.1:{receiver.server_port}\", "
                   f"secret: {{file: \"{secret}\"}}, types: [drift]}}]}}\n")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    row = next(row for row in daemon.results() if row["resource_key"].endswith(WORKSPACE)
               and row["reference"] == "NS-2.2-workspace-public-query")
    simulator.patch(row["resource_id"], {"tags": {"moved": "yes"},
                                         "properties": {"publicNetworkAccessForQuery": "Enabled"}})
    daemon.next_pass()
    simulator.patch(row["resource_id"], {"properties": {"publicNetworkAccessForQuery": "Disabled"}})
    daemon.next_pass()
    # From here on nothing happens but what the test does.
    equal(daemon.stop(), 0, "exit code")
    rewrite(config, ("sweep: 5s", "sweep: 1h"), ("details: 5s", "details: 1h"))
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    return simulator, config, daemon, row


def every_call_answers_as_documented(test):
    simulator, config, daemon, row = lived_in(test)
    accepted = daemon.api("drift")["drift"][0]["id"]
    done = test.run("drift", "accept", "--config.file=" + config, str(accepted), "--reason", "CHG-1",
                    "--expires-on", "2099-01-01T00:00:00Z")
    equal(done.returncode, 0, f"drift accept: {done.stderr}")
    contract = Contract(daemon)
    document = contract.document
    equal(document["openapi"], "3.1.0", "version of OpenAPI")
    equal(list(closed_objects(document["components"]["schemas"], "")), [], "schemas that take unknown members")
    used = {word for word in json.dumps(document["paths"]).split('"') if word.startswith("#/components/schemas/")}
    equal({"#/components/schemas/" + name for name in document["components"]["schemas"]} - used -
          {word for word in json.dumps(document["components"]).split('"') if word.startswith("#/")}, set(),
          "schemas that nothing uses")
    now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    identity = {"id": row["resource_id"]}
    subject = {"assignment": row["assignment"], "reference": row["reference"], "resource": row["resource_id"]}
    good = {"scores": [{}, {"at": now}], "drift": [{}, {"open": "false", "limit": 1000}, {"states": "accepted"}, {"item": str(accepted)},
                                                      {"kind": "baseline", "severity": "high", "limit": 1},
                                                      {"type": row["type"], "scope": row["resource_id"],
                                                       "states": "all"},
                                                      {"counts": "true", "subscription": PRODUCTION, "limit": 1},
                                                      {"counts": "true", "states": "all", "control": "NS-2", "limit": 1},
                                                      {"actor": "nobody", "owner": "nobody"}],
            "acceptances": [{}, {"all": "true"}],
            "results": [{"limit": 1000}, {"limit": 2}, {"state": "NonCompliant", "order": "severity"},
                        {"at": now, "limit": 1000}],
            "resources": [{"limit": 1000}, {"limit": 2}, {"at": now}, {"type": row["type"], "q": "contoso"}],
            "resource": [identity, {**identity, "at": now}, {**identity, "version": row["version"]}],
            "versions": [identity, {**identity, "limit": 1}],
            "history": [identity, {**identity, "limit": 2}], "explain": [subject],
            "events": [{"limit": 1000}, {"limit": 1}], "transitions": [{"limit": 1000}]}
    missing = {"scores": {"at": "2001-01-01T00:00:00Z"}, "results": {"at": "2001-01-01T00:00:00Z"},
               "resources": {"at": "2001-01-01T00:00:00Z"}, "resource": {"id": "/subscriptions/none"},
               "versions": {"id": "/subscriptions/none"}, "history": {"id": "/subscriptions/none"}, "explain": {**subject, "resource": "/subscriptions/none"}}
    bad = {"results": [{"state": "Bad"}, {"limit": 0}, {"at": "yesterday"}, {"after": "x"}, {"at": now, "order": "severity"}],
           "resource": [{}, {**identity, "version": "new"}], "events": [{"after": "1"}, {"after": "1-x"}],
           "resources": [{"after": "x"}], "versions": [{}, {**identity, "after": "x"}], "explain": [{}],
           "history": [{}], "drift": [{"counts": "maybe"}, {"subscription": "x", "after": "y"}]}
    filled = {}
    for path, operations in document["paths"].items():
        name = path.rpartition("/")[2]
        declared = {entry["name"] for entry in operations["get"]["parameters"] if entry["in"] == "query"}
        for parameters in good.get(name, [{}]):
            check(set(parameters) <= declared, f"{path} is asked with {parameters}, which it does not declare")
            answer = contract.ask(path, parameters)
            equal(answer.status, 200, f"status of {path} with {parameters} ({answer.text()[:200]})")
            filled.setdefault(name, []).append(contract.judge(path, answer, f" with {parameters}"))
            tag = answer.headers["ETag"]
            check(tag.startswith('"') and tag.endswith('"') and len(tag) > 10, f"ETag of {path}: {tag}")
        parameters = good.get(name, [{}])[0]
        if name not in ("status",):  # the size of the store may have changed
            tag = contract.ask(path, parameters).headers["ETag"]
            same = contract.ask(path, parameters, {"If-None-Match": f'"other", {tag}'})
            equal((same.status, same.headers["ETag"]), (304, tag), f"{path} with its own ETag")
            contract.judge(path, same)
            equal(contract.ask(path, parameters, {"If-None-Match": '"other"'}).status, 200, f"{path}, another ETag")
        else:
            contract.judge(path, contract.ask(path, parameters, {"If-None-Match": "*"}))
        for parameters in [*bad.get(name, []), {"no_such": 1}]:
            answer = contract.ask(path, parameters)
            equal(answer.status, 400, f"status of {path} with {parameters}")
            contract.judge(path, answer)
        known = next(iter(sorted(declared)), "limit")
        equal(daemon.get(f"{path}?{known}=1&{known}=1").status, 400, f"{path} with a parameter twice")
        if "404" in operations["get"]["responses"]:
            answer = contract.ask(path, missing[name])
            equal(answer.status, 404, f"status of {path} with {missing[name]}")
            contract.judge(path, answer)
        answer = http_request(daemon.port, "POST", path, b"{}")
        equal(answer.status, 405, f"POST to {path}")
        contract.judge(path, answer)
        contract.judge(path, contract.ask(path, headers={"Host": "elsewhere.example"}))
        head = http_request(daemon.port, "HEAD", path + "?" + urllib.parse.urlencode(good.get(name, [{}])[0]))
        equal((head.status, head.body), (200, b""), f"HEAD {path}")
    # Schemas prove little over empty lists.
    for name, answers in filled.items():
        for member, value in answers[0].items():
            check(value != [], f"{member} of {name} is empty: nothing is proved")
    equal(contract.ask("/api/v1/nothing").status, 404, "a call that is not there")

    # The store goes away below the daemon.
    path = config.replace("plumbline.yaml", "plumbline.db")
    os.rename(path, path + ".away")
    for path_of_call in document["paths"]:
        if path_of_call.endswith("openapi.json"):
            continue
        parameters = good.get(path_of_call.rpartition("/")[2], [{}])[0]
        answer = contract.ask(path_of_call, parameters)
        equal(answer.status, 500, f"status of {path_of_call} without a store")
        contract.judge(path_of_call, answer)
    os.rename(path + ".away", path)
    equal(contract.ask("/api/v1/scores").status, 200, "scores, once the store is back")

    # With passwords.
    web = os.path.join(test.directory("web"), "web.yml")
    with open(web, "w", encoding="utf-8") as file:
        file.write(f"basic_auth_users:\n  alice: {HASH}\n")
    guarded = test.serve(test.configure(simulator, sweep="1h", details="1h"), simulator, f"--web.config.file={web}")
    for path in document["paths"]:
        answer = http_request(guarded.port, "GET", path)
        equal(answer.status, 401, f"status of {path} without a password")
        contract.judge(path, answer)
    # 503 is left: too many logins at once (web_security_test), and what is answered before the first publication.
    for path, operations in document["paths"].items():
        unseen = {status for status in operations["get"]["responses"] if (path, status) not in contract.seen} - {"503"}
        equal(unseen - ({"500"} if path.endswith("openapi.json") else set()), set(), f"statuses of {path} never seen")

    # The comparison notices what it is for.
    scores = contract.ask("/api/v1/scores").json()
    schema = {"$ref": "#/components/schemas/Scores"}
    check(contract.problems(schema, {**scores, "extra": 1}), "an unknown member passes")
    check(contract.problems(schema, {"overall": scores["overall"]}), "a missing member passes")
    check(contract.problems(schema, {**scores, "overall": {**scores["overall"], "score": "high"}}), "a text passes")


def tags_change_with_what_they_stand_for(test):
    simulator = test.simulator()
    daemon = test.serve(test.configure(simulator, sweep="1h", details="1h"), simulator)
    daemon.wait_passes(1)

    def tags():
        return {name: daemon.get("/api/v1/" + name).headers["ETag"] for name in ("scores", "results", "cycles")}
    before = tags()
    equal(tags(), before, "tags while nothing happens")
    for path in ("/", "/assets/app.js", "/assets/style.css"):
        answer = daemon.get(path)
        same = http_request(daemon.port, "GET", path, headers={"If-None-Match": answer.headers["ETag"]})
        equal((same.status, same.body), (304, b""), f"{path} with its own ETag")
    # A reload makes a pass, and a pass makes cycles.
    equal(http_request(daemon.port, "POST", "/-/reload", timeout=120).status, 200, "reload")
    after = tags()
    check(not set(before.values()) & set(after.values()), "a tag has outlived a cycle")
    answer = daemon.get("/api/v1/scores")
    equal(answer.headers["Cache-Control"], "private, no-cache", "Cache-Control")


def time_travel(test):
    _simulator, _config, daemon, row = lived_in(test)
    cycles = {entry["number"]: entry for entry in daemon.api("cycles", limit=1000)["cycles"]}
    query = row["reference"]

    def pages(name, **parameters):
        rows, after = [], ""
        while after is not None:
            page = daemon.api(name, limit=7, after=after, **parameters)
            rows += page[name]
            after = page["next"]
        return rows
    history = [entry for entry in daemon.api("transitions", limit=1000)["transitions"]
               if entry["resource_key"] == row["resource_key"] and entry["reference"] == query]
    states = [(entry["cycle"], entry["to"]) for entry in reversed(history)]
    equal([state for _, state in states], ["Compliant", "NoEvidence", "NonCompliant", "Compliant"],
          "states of the workspace")
    for cycle, state in states:
        at = cycles[cycle]["committed_at"]
        equal([entry["state"] for entry in pages("results", at=at, reference=query, resource=row["resource_id"])],
              [state], f"the verdict at {at}")
        everything = pages("results", at=at)
        equal(len({(entry["reference"], entry["resource_key"]) for entry in everything}), len(everything),
              "verdicts told twice")
        scores = daemon.api("scores", at=at)
        equal((scores["cycle"], scores["left_out"]), (cycle, 0), "cycle of the scores")
        counts = {}
        for entry in everything:
            counts[entry["state"]] = counts.get(entry["state"], 0) + 1
        equal(scores["overall"]["counts"], counts, f"counts at {at}")
        order = ["NonCompliant", "NoEvidence", "Compliant", "Error", "Conflict", "Protected", "Exempt", "Unknown"]
        worst = {}
        for entry in everything:
            worst[entry["resource_key"]] = min(worst.get(entry["resource_key"], 9), order.index(entry["state"]))
        rolled = [order[rank] for rank in worst.values()]
        equal(scores["assignments"][0]["azure"]["counts"], {state: rolled.count(state) for state in set(rolled)},
              f"resources at {at}")
        for entry in pages("results", at=at, severity="high", subscription=PRODUCTION, state="NonCompliant"):
            equal((entry["severity"], entry["state"], entry["resource_key"].split("/")[2]),
                  ("high", "NonCompliant", PRODUCTION), "a filter of the past")
    # The last instant of all is now.
    last = max(entry["committed_at"] for entry in cycles.values())
    now = daemon.api("scores")
    then = daemon.api("scores", at=last)
    equal({name: then[name] for name in ("overall", "assignments")}, {name: now[name] for name in ("overall", "assignments")},
          "scores at the last commit")
    equal(sorted((entry["key"], entry["version"]) for entry in pages("resources", at=last)),
          sorted((entry["key"], entry["version"]) for entry in pages("resources")), "resources at the last commit")
    equal(len(pages("resources")), daemon.api("status")["resources"], "resources")
    first = cycles[states[0][0]]["committed_at"]
    old = next(entry for entry in pages("resources", at=first, q=WORKSPACE) if entry["key"] == row["resource_key"])
    versions = pages("versions", id=row["resource_id"])
    equal(versions[-1]["version"], old["version"], "the oldest version")
    check(any(change["path"] == "/tags/moved" or change["path"] == "/tags" for change in versions[-2]["changes"]),
          f"changes of the second version: {versions[-2]['changes']}")


def events_in_order(test):
    _simulator, _config, daemon, row = lived_in(test)
    whole = daemon.api("events", limit=1000)
    equal(whole["more"], False, "more")
    events = whole["events"]
    equal([entry["cycle"] for entry in events], sorted(entry["cycle"] for entry in events), "order of the cycles")
    equal(len({entry["id"] for entry in events}), len(events), "ids")
    parts, after = [], ""
    while True:
        page = daemon.api("events", limit=3, after=after)
        parts += page["events"]
        after = page["next"]
        if not page["more"]:
            break
    equal(parts, events, "events in pages")
    transitions = daemon.api("transitions", limit=1000)["transitions"]
    equal(sum(entry["event"] == "transition" for entry in events), len(transitions), "transitions")
    drift = daemon.api("drift", open="false", limit=1000)["drift"]
    equal(sorted(entry["drift"]["id"] for entry in events if entry["event"] == "drift_opened"),
          sorted(item["id"] for item in drift), "drift that opened")
    equal(sorted(entry["drift"]["id"] for entry in events if entry["event"] == "drift_resolved"),
          sorted(item["id"] for item in drift if item["resolved_at"]), "drift that was resolved")
    mine = [entry["event"] for entry in events
            if entry["resource_key"] == row["resource_key"] and entry["reference"] == row["reference"]]
    # Compliant, waiting for Resource Manager, non-compliant, compliant again.
    equal(mine, ["transition", "transition", "transition", "drift_opened", "transition", "drift_resolved"],
          "the workspace's own")
    # Nothing new: the cursor stays where it is, and goes on from there.
    equal(daemon.api("events", after=after), {"events": [], "next": after, "more": False}, "the end")
    contains(after, "-", "cursor")


def lists_keep_their_place(test):
    """Pages of what is still growing: no row twice, none left out, and what is new stands before the first page."""
    _simulator, _config, daemon, _row = lived_in(test)
    for name, identity in (("cycles", lambda row: row["number"]), ("transitions", json.dumps)):
        whole = daemon.api(name, limit=1000)
        equal(whole["next"], None, f"cursor at the end of {name}")
        first = daemon.api(name, limit=3)
        equal([identity(row) for row in first[name]], [identity(row) for row in whole[name]][:3], f"first {name}")
        equal(http_request(daemon.port, "POST", "/-/reload", timeout=120).status, 200, "reload")
        if name == "cycles":
            check(daemon.api(name, limit=1)[name][0]["number"] > whole[name][0]["number"], "a reload makes no cycle")
        rows, after = list(first[name]), first["next"]
        while after is not None:
            page = daemon.api(name, limit=3, after=after)
            check(0 < len(page[name]) <= 3, f"size of a page of {name}")
            rows += page[name]
            after = page["next"]
        equal([identity(row) for row in rows], [identity(row) for row in whole[name]], f"{name} in pages")
        exact = daemon.api(name, limit=len(whole[name]), after="")
        refused = daemon.get(f"/api/v1/{name}?after=x")
        equal((refused.status, refused.json()["detail"]), (400, "`after` is not a cursor that `next` gave"), name)
        check(exact["next"] is None or name == "cycles", "a page that ends with the list has no next")


if __name__ == "__main__":
    main([lists_keep_their_place, every_call_answers_as_documented, tags_change_with_what_they_stand_for, time_travel, events_in_order])
