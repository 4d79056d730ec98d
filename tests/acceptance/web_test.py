#!/usr/bin/env python3
"""Metrics, health, API and page as HTTP clients meet them."""

import importlib.machinery
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import zlib

from harness import (DEVELOPMENT, PRODUCTION, Skip, check, contains, equal, free_port, http_request, keep_checks,
                     main)

HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
           "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}
API = ("status", "scores", "controls", "checks", "results", "drift", "transitions", "cycles")


def serving(test, *arguments, **options):
    simulator = test.simulator()
    daemon = test.serve(test.configure(simulator, sweep="1h", details="1h", **options), simulator, *arguments)
    daemon.wait_passes(1)
    return daemon


def problem(answer, status, what):
    equal(answer.status, status, f"status of {what} ({answer.text()[:200]})")
    equal(answer.headers["Content-Type"], "application/problem+json", f"content type of {what}")
    body = answer.json()
    equal((body["status"], body["type"]), (status, "about:blank"), f"problem of {what}")
    check(body["title"] and body["detail"], f"{what}: no title or detail")


def as_declared(test, text):
    """Every family of a scrape has the type, help and labels of its declaration, which docs/metrics.md is made of."""
    path = os.path.join(test.source_dir, "scripts", "make-metrics-doc")
    loader = importlib.machinery.SourceFileLoader("make_metrics_doc", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    declared = module.declarations()
    heads = {kind: dict(re.findall(rf"^# {kind} (\w+) (.*)$", text, re.M)) for kind in ("HELP", "TYPE")}
    check(len(heads["TYPE"]) > 30, f"families: {sorted(heads['TYPE'])}")
    for name, kind in heads["TYPE"].items():
        check(name in declared, f"{name} is not declared")
        equal((kind, heads["HELP"][name]), (declared[name]["type"], declared[name]["help"]), name)
        sample = rf"^{name}(?:_bucket|_sum|_count)?(?:\{{(.*)\}})? [^ ]+$"
        labels = [set(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', of or "")) - {"le"}
                  for of in re.findall(sample, text, re.M)]
        check(all(of == set(declared[name]["labels"]) for of in labels), f"labels of {name}: {labels[:3]}")


def azure_ratio(daemon):
    """Azure's formula over the verdicts that the API lists."""
    order = ["NonCompliant", "NoEvidence", "Compliant", "Error", "Conflict", "Protected", "Exempt", "Unknown"]
    worst, after = {}, ""
    while after is not None:
        page = daemon.api("results", limit=1000, after=after)
        for row in page["results"]:
            worst[row["resource_key"]] = min(worst.get(row["resource_key"], 9), order.index(row["state"]))
        after = page["next"]
    states = [order[rank] for rank in worst.values()]
    good = sum(state in ("Compliant", "Exempt", "Unknown") for state in states)
    check(0 < good < len(states), f"a tenant in which the figure says something: {states}")
    counts = {state: states.count(state) for state in set(states)}
    equal(daemon.api("scores")["assignments"][0]["azure"]["counts"], counts, "resources by state")
    return good / (good + sum(state in ("NonCompliant", "Conflict", "Error") for state in states))


def metrics_are_well_formed(test):
    promtool = shutil.which("promtool")
    if not promtool:
        raise Skip("promtool is not installed")
    daemon = serving(test)
    daemon.get("/api/v1/scores")
    answer = daemon.get("/metrics")
    equal(answer.status, 200, "status of /metrics")
    contains(answer.headers["Content-Type"], "text/plain; version=0.0.4", "content type of /metrics")
    done = subprocess.run([promtool, "check", "metrics"], input=answer.body, capture_output=True, check=False,
                          timeout=60)
    equal((done.returncode, done.stdout.decode(), done.stderr.decode()), (0, "", ""), "promtool check metrics")
    packed = http_request(daemon.port, "GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    equal((packed.headers["Content-Encoding"], answer.headers["Content-Encoding"]), ("gzip", None), "encodings")
    inflate = zlib.decompressobj(31)
    whole = inflate.decompress(packed.body)
    check(inflate.eof and not inflate.unused_data, "more than one gzip member: browsers read the first only")
    names = [{line.split("{")[0].split(" ")[0] for line in text.decode().splitlines()} for text in (whole, answer.body)]
    equal(names[0], names[1], "metrics with gzip and without")
    samples = daemon.metrics()
    for name in ("compliance_score_ratio", "control_score_ratio", "subscription_score_ratio", "compliance_resources",
                 "noncompliant_resources", "evidence_coverage_ratio", "evidence_oldest_timestamp_seconds",
                 "drift_open", "assignment_info", "definition_info", "control_info", "subscription_info",
                 "subscriptions", "resources", "collection_last_success_timestamp_seconds",
                 "collection_errors_total", "cycles_total", "azure_requests_total", "azure_quota_remaining",
                 "token_expiry_timestamp_seconds", "storage_size_bytes", "build_info"):
        check(any(sample.partition("{")[0] == "plumbline_" + name for sample in samples), f"no plumbline_{name}")
    check(any(sample.startswith("process_resident_memory_bytes") for sample in samples), "no process_ metrics")
    equal(daemon.metric("plumbline_compliance_resources", state="NonCompliant"), 41, "non-compliant in the metrics")
    equal(daemon.metric("plumbline_compliance_resources", state="Compliant"), 48, "compliant in the metrics")
    equal(daemon.metric("plumbline_noncompliant_resources"), 41, "plumbline_noncompliant_resources")
    equal(round(daemon.metric("plumbline_evidence_coverage_ratio"), 6), round(89 / 107, 6), "coverage")
    equal(daemon.metric("plumbline_resources"), 82, "plumbline_resources")
    equal(daemon.metric("plumbline_subscriptions", state="readable"), 3, "plumbline_subscriptions")
    check(not any("/subscriptions/" in sample for sample in samples), "a resource id is a label")
    as_declared(test, answer.text())
    equal(round(daemon.metric("plumbline_azure_compliance_ratio"), 9), round(azure_ratio(daemon), 9), "as Azure counts")
    free = os.statvfs(test.temporary)
    check(0.5 < daemon.metric("plumbline_storage_free_bytes") / (free.f_bavail * free.f_frsize) < 2, "free bytes")
    groups = {sample.split('management_group="')[1].split('"')[0]
              for sample in samples if sample.startswith("plumbline_subscription_info{")}
    equal(groups, {"contoso-prod", "contoso-nonprod"}, "nearest management groups")


def series_go_with_what_they_are_about(test):
    """A control whose checks are no longer assigned, a subscription that leaves the assignment's scope."""
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)

    def of(label, value):
        return {sample.partition("{")[0] for sample in daemon.metrics() if f'{label}="{value}"' in sample}
    scored = {"plumbline_subscription_score_ratio", "plumbline_noncompliant_resources"}
    equal(of("subscription_id", DEVELOPMENT) & scored, scored, "series of the subscription")
    check("plumbline_control_score_ratio" in of("control", "NS-2"), "NS-2 has no score")
    keep_checks(test.selected_baseline, lambda name: not name.startswith("NS-2."))
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("    - name: azure-monitor\n",
                                f"    - name: azure-monitor\n      not_scopes: [/subscriptions/{DEVELOPMENT}]\n"))
    equal(http_request(daemon.port, "POST", "/-/reload", timeout=120).status, 200, "reload")
    equal(of("subscription_id", DEVELOPMENT) & scored, set(), "series of a subscription that is out of scope")
    check(of("subscription_id", PRODUCTION) & scored, "no series of the other subscription")
    check("plumbline_control_score_ratio" not in of("control", "NS-2"), "NS-2 still has a score")
    check(not any('definition="NS-2.' in sample for sample in daemon.metrics()), "series of checks that are gone")


def the_page_is_all_there(test):
    daemon = serving(test)
    root = os.path.join(test.source_dir, "daemon", "web", "assets")
    files = {os.path.relpath(os.path.join(folder, name), root)
             for folder, _, names in os.walk(root) for name in names}
    scripts = {name for name in files if name.endswith(".js")}
    check(len(scripts) > 10, f"scripts: {scripts}")
    for name in scripts | {"style.css"}:
        with open(os.path.join(root, name), "rb") as file:
            equal(daemon.get("/assets/" + name).body, file.read(), f"/assets/{name}")
    page = daemon.get("/").text()
    equal(set(re.findall(r'rel="modulepreload" href="assets/([^"]+)"', page)), scripts - {"app.js"},
          "modules that the page names ahead")
    for name in files - scripts - {"style.css"}:
        problem(daemon.get("/assets/" + name), 404, name)


def methods_and_paths(test):
    daemon = serving(test)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/", "/metrics", "/api/v1/scores", "/-/healthy"):
            answer = http_request(daemon.port, method, path, b"{}")
            problem(answer, 405, f"{method} {path}")
            equal(answer.headers["Allow"], "GET, HEAD", f"Allow of {method} {path}")
    for path in ("/nothing", "/api/v1/nothing", "/api/v1/", "/api/v2/scores", "/assets/../app.js", "/-/nothing",
                 "/%00", "/api/v1/scores/more"):
        problem(daemon.get(path), 404, path)
    for path in ("/", "/metrics", "/api/v1/scores", "/-/ready", "/assets/app.js"):
        full = daemon.get(path)
        equal(full.status, 200, f"status of GET {path}")
        head = http_request(daemon.port, "HEAD", path)
        equal((head.status, head.body), (200, b""), f"HEAD {path}")
        equal(head.headers["Content-Type"], full.headers["Content-Type"], f"content type of HEAD {path}")
        if path in ("/", "/assets/app.js"):
            equal(head.headers["Content-Length"], str(len(full.body)), f"length of HEAD {path}")
    for name in API:
        equal(daemon.get("/api/v1/" + name).headers["Content-Type"], "application/json", f"content type of {name}")
    for path in ("/", "/metrics", "/api/v1/scores", "/nothing", "/-/ready"):
        answer = daemon.get(path)
        for header, value in HEADERS.items():
            equal(answer.headers[header], value, f"{header} of {path}")
        contains(answer.headers["Content-Security-Policy"], "default-src 'none'", f"policy of {path}")
        check("unsafe-inline" not in answer.headers["Content-Security-Policy"], f"policy of {path}")
    equal(daemon.get("/healthz").text(), daemon.get("/-/healthy").text(), "alias of health")
    equal(daemon.get("/readyz").text(), daemon.get("/-/ready").text(), "alias of readiness")


def bad_parameters(test):
    daemon = serving(test)
    for path in ("results?limit=0", "results?limit=1001", "results?limit=x", "results?limit=-1", "results?limit=1e3",
                 "results?state=Bad", "results?severity=urgent", "results?stat=Compliant", "results?limit=1&limit=2", "results?order=resource", "results?after=x",
                 "results?after=1", "results?after=1-x", "drift?open=maybe",
                 "drift?limit=0", "transitions?limit=none", "cycles?limit=99999999999999999999", "resource",
                 "resource?id=", "explain", "status?verbose=1", "explain?assignment=azure-monitor&reference=IM-3.1-vm-identity"):
        problem(daemon.get("/api/v1/" + path), 400, path)
    for path in ("resource?id=/subscriptions/none", "explain?assignment=x&reference=y&resource=z",
                 "resource?id=%27%20OR%201%3D1--"):
        problem(daemon.get("/api/v1/" + path), 404, path)
    # Pages hold together: three at a time give what all at once give.
    whole = daemon.api("results", limit=1000)["results"]
    equal(len(whole), 107, "results")
    rows, after = [], ""
    while after is not None:
        page = daemon.api("results", limit=3, after=after)
        rows += page["results"]
        after = page["next"]
    equal(rows, whole, "results in pages")
    for parameter, value, column in (("state", "NonCompliant", "state"), ("reference", "IM-3.1-vm-identity",
                                                                          "reference")):
        equal(daemon.api("results", limit=1000, **{parameter: value})["results"],
              [row for row in whole if row[column] == value], f"results with {parameter}={value}")
    equal(daemon.api("results", assignment="none")["results"], [], "results of an assignment that is not there")


def filters_and_orders(test):
    daemon = serving(test)
    whole = daemon.api("results", limit=1000)["results"]
    rank = ("critical", "high", "medium", "low")

    def has(text):
        return lambda row: any(text in row[column].lower()
                               for column in ("resource_id", "type", "reference", "title", "reason"))

    cases = (
        ({"severity": "high"}, lambda row: row["severity"] == "high"),
        ({"control": "LT-4"}, lambda row: row["reference"].startswith("LT-4.")),
        ({"type": "Microsoft.OperationalInsights/workspaces"},
         lambda row: row["type"] == "microsoft.operationalinsights/workspaces"),
        ({"q": "Contoso-Central"}, has("contoso-central")),
        ({"q": "forbidden", "state": "NoEvidence"}, lambda row: "forbidden" in row["reason"]),
        ({"q": "do not answer queries"}, has("do not answer queries")),
        ({"order": "severity"}, lambda row: True),
        ({"order": "severity", "state": "NonCompliant", "subscription": PRODUCTION},
         lambda row: row["state"] == "NonCompliant" and row["resource_key"].startswith("/subscriptions/" + PRODUCTION)),
        ({"order": "severity", "reference": "IM-3.1-vm-identity"},
         lambda row: row["reference"] == "IM-3.1-vm-identity"),
        ({"severity": "high", "control": "LT-4", "type": "microsoft.keyvault/vaults", "q": "x"}, lambda row: False))
    for parameters, fits in cases:
        wanted = [row for row in whole if fits(row)]
        if parameters.get("order") == "severity":
            wanted.sort(key=lambda row: rank.index(row["severity"]))
        for limit in (1000, 4):
            rows, after = [], ""
            while after is not None:
                page = daemon.api("results", limit=limit, after=after, **parameters)
                check(len(page["results"]) <= limit, f"{parameters}: {len(page['results'])} rows on a page of {limit}")
                rows += page["results"]
                after = page["next"]
            equal([(row["reference"], row["resource_key"]) for row in rows],
                  [(row["reference"], row["resource_key"]) for row in wanted], f"results with {parameters}")
        check(wanted or parameters.get("q") == "x", f"{parameters} match nothing: the case proves nothing")
    # A cursor of a check that the filter leaves out is no place in its order.
    low = next(row for row in whole if row["severity"] == "low")
    after = daemon.api("results", reference=low["reference"], limit=1)["next"]
    check(after, f"{low['reference']} has one verdict only")
    problem(daemon.get("/api/v1/results", severity="high", after=after), 400, "a cursor of another filter")
    types = {entry["type"]: entry["resources"] for entry in daemon.api("status")["types"]}
    equal(types["microsoft.operationalinsights/workspaces"], 7, "workspaces among the types")


def versions_of_a_resource(test):
    simulator = test.simulator()
    daemon = test.serve(test.configure(simulator), simulator)
    daemon.wait_passes(1)
    identifier = next(row["resource_id"] for row in daemon.results()
                      if row["type"] == "microsoft.operationalinsights/workspaces")
    simulator.patch(identifier, {"tags": {"moved": "yes"}})
    daemon.next_pass()
    now = daemon.api("resource", id=identifier)
    equal(len(now["versions"]), 2, "versions")
    current, before = (entry["version"] for entry in now["versions"])
    equal((now["version"], now["current_version"]), (current, current), "version that is served")
    equal(now["configuration"]["tags"]["moved"], "yes", "tag of the current version")
    old = daemon.api("resource", id=identifier, version=before)
    equal((old["version"], old["current_version"], old["id"]), (before, current, now["id"]), "the version before")
    check("moved" not in (old["configuration"].get("tags") or {}), "the version before has the new tag")
    equal(old["observed_at"], now["versions"][1]["observed_at"], "time of the version before")
    other = next(row["resource_id"] for row in daemon.results() if row["resource_id"] != identifier)
    problem(daemon.get("/api/v1/resource", id=other, version=before), 404, "a version of another resource")
    problem(daemon.get("/api/v1/resource", id=identifier, version=987654), 404, "a version that is not there")
    problem(daemon.get("/api/v1/resource", id=identifier, version="new"), 400, "a version that is no number")


def the_documents_keep_their_rows(test):
    """Every control, feature and recommendation, in order; only what is the customer's has a score."""
    daemon = serving(test, baseline=test.baseline)
    controls = daemon.api("controls")["controls"]
    with open(os.path.join(test.baseline, "initiative.json"), encoding="utf-8") as file:
        groups = json.load(file)["properties"]["policyDefinitionGroups"]
    equal([(row["name"], row["title"]) for row in controls],
          [(group["name"], group["displayName"]) for group in groups], "controls in the order of the initiative")
    with open(os.path.join(test.baseline, "features.json"), encoding="utf-8") as file:
        structure = json.load(file)
    checks = {row["reference"]: row for row in daemon.api("checks")["checks"]}
    rows = {row["id"]: (control["name"], row)
            for control in controls for row in control["features"] + control["recommendations"]}
    expected = structure["features"] + structure["recommendations"]
    equal(sorted(rows), sorted(row["id"] for row in expected), "rows")
    seen = set()
    for entry in expected:
        control, row = rows[entry["id"]]
        equal((control, row["name"], row["checks"]["references"], row["see_also"]),
              (entry["control"], entry["name"], entry["checks"], entry["seeAlso"]), entry["id"])
        counts = {}
        for reference in entry["checks"]:
            for state, number in checks[reference]["counts"].items():
                counts[state] = counts.get(state, 0) + number
        equal(row["checks"]["counts"], counts, f"counts under {entry['id']}")
        if entry.get("state", "customer") == "customer":
            equal(row["score"], row["checks"]["score"], f"score of {entry['id']}")
        else:
            equal(row["score"], None, f"score of {entry['id']}, which is {entry['state']}")
            seen.add((entry["state"], row["checks"]["score"] is not None))
        if "supported" in entry:
            equal((row["supported"], row["enabled_by_default"], row["responsibility"], row["state"], row["summary"]),
                  (entry["supported"], entry["enabledByDefault"], entry["responsibility"], entry["state"],
                   entry["summary"]), f"answers of {entry['id']}")
    equal(seen, {("inherited", True), ("notAvailable", True), ("notAvailable", False)},
          "rows without a score of their own, and whether the checks under them have one")
    equal(sorted(row["id"] for control in controls for feature in control["features"]
                 for row in feature["information"]),
          sorted(row["id"] for row in structure["informational"]), "rows for information")


def the_report_keeps_the_rows(test):
    simulator = test.simulator()
    config = test.configure(simulator, baseline=test.baseline)
    table = test.once(config, simulator).stdout
    document = json.loads(test.once(config, simulator, "--format=json").stdout)
    with open(os.path.join(test.baseline, "features.json"), encoding="utf-8") as file:
        structure = json.load(file)
    lines = {line.split()[0]: line for line in table.splitlines() if line.startswith("  ")}
    for row in structure["features"] + structure["recommendations"]:
        check(lines[row["id"]].endswith(row["name"]), f"{row['id']} in the report: {lines[row['id']]}")
    check(re.search(r"^  LT-4.1 +inherited +true +true +Microsoft +- ", table, re.M), lines["LT-4.1"])
    for row in structure["informational"]:
        contains(table, row["name"], f"{row['id']} in the report")
    equal([row["id"] for control in document["controls"] for row in control["features"]],
          [row["id"] for row in structure["features"]], "features in the report as JSON")


def garbage_on_the_socket(test):
    daemon = serving(test)
    for payload in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200, b"GET\r\n\r\n",
                    b"GET / HTTP/1.1\r\n" + b"X-A: " + b"a" * 100000 + b"\r\n\r\n", b"\r\n" * 10000,
                    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as connection:
            try:
                connection.sendall(payload)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(4096)
            except OSError:
                answer = b""
            check(not answer.startswith(b"HTTP/1.1 200"), f"{payload[:20]!r}: {answer[:100]!r}")
    equal(daemon.get("/-/healthy").status, 200, "health afterwards")
    equal(daemon.poll(), None, "exit code")


def beyond_loopback(test):
    daemon = serving(test, listen="0.0.0.0:0")
    for path in ("/", "/assets/app.js", *("/api/v1/" + name for name in API)):
        problem(daemon.get(path), 403, path)
    for path in ("/metrics", "/-/healthy", "/-/ready", "/healthz", "/readyz"):
        equal(daemon.get(path).status, 200, f"status of {path}")
    allowed = serving(test, "--web.allow-anonymous", listen="0.0.0.0:0")
    for path in ("/", "/api/v1/scores", "/metrics"):
        equal(allowed.get(path).status, 200, f"status of {path} with --web.allow-anonymous")


def healthcheck(test):
    daemon = serving(test, listen="0.0.0.0:0")
    done = test.run("healthcheck", f"--web.listen-address=0.0.0.0:{daemon.port}")
    equal((done.returncode, done.stdout), (0, "Plumbline is Healthy.\nPlumbline is Ready.\n"), "healthcheck")
    nowhere = test.run("healthcheck", f"--web.listen-address=127.0.0.1:{free_port()}")
    equal(nowhere.returncode, 2, "healthcheck of nothing")
    contains(nowhere.stderr, "Connection refused", "healthcheck of nothing")


def logs_as_json(test):
    simulator = test.simulator()
    config = test.configure(simulator)
    done = test.once(config, simulator, "--log.format=json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    check(any(line["event"] == "cycle_committed" for line in lines), "no cycle in the log")
    check(all({"ts", "level", "event"} <= set(line) for line in lines), "a line lacks ts, level or event")


if __name__ == "__main__":
    main([metrics_are_well_formed, series_go_with_what_they_are_about, the_page_is_all_there, methods_and_paths,
          bad_parameters, filters_and_orders, versions_of_a_resource, the_documents_keep_their_rows,
          the_report_keeps_the_rows, garbage_on_the_socket, beyond_loopback, healthcheck, logs_as_json])
