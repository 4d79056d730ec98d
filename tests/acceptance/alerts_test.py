#!/usr/bin/env python3
"""The shipped rules, routes and dashboards on a real Prometheus and a real Alertmanager that watch the real daemon.

The files below dashboards/ are used as they are, but for what makes them wait: `for`, `keep_firing_for`, the groups'
times, scrape and evaluation intervals become a second, and addresses become those of this test (`shortened`,
`rewritten`; each replacement must find something). Expressions, labels, annotations, routes and inhibitions stay.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse

from harness import (DEVELOPMENT, PRODUCTION, Process, Skip, check, contains, equal, free_port, http_request, main,
                     read_text, wait_for)

ACCOUNT = (f"/subscriptions/{DEVELOPMENT}/resourceGroups/rg-contoso-dev/providers/Microsoft.Storage/storageAccounts/"
           "stcontosodevlogs")
# Fails the check from the start, and is mended before the daemon sees it.
OPEN_ACCOUNT = (f"/subscriptions/{PRODUCTION}/resourceGroups/rg-contoso-payments/providers/Microsoft.Storage/"
                "storageAccounts/stcontosopaylogs")
CHECK = "NS-2.2-sink-storage-no-anonymous"
# Fails from the start.
STANDING = "NS-1.2-nsg-no-internet-mgmt-ports"
INSTANCE = "plumbline"
# Panels (and the query of a panel) that may have no data here, and why.
MAY_BE_EMPTY = {
    ("control.json", "Checks", "D"): "no check of the scenario ends in an error",
}


def rewritten(text, replacements):
    for pattern, replacement in replacements:
        text, count = re.subn(pattern, replacement, text)
        check(count > 0, f"nothing matches {pattern}")
    return text


def shortened(rules):
    """The rules with every wait cut to a second."""
    return rewritten(rules, [(r"(?m)^( +)(for|keep_firing_for): \d+[mh]$", r"\1\2: 1s")])


class Receiver:
    """Where Alertmanager's webhooks end: the last notification of every alert, by receiver and labels."""

    def __init__(self):
        received = self.received = {}
        lock = self._lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    for alert in message["alerts"]:
                        key = (self.path.strip("/"), tuple(sorted(alert["labels"].items())))
                        received.setdefault(key, []).append(alert)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def alerts(self, status=None, **labels):
        """(receiver, alert) for everything whose last notification has this status and whose labels have these."""
        with self._lock:
            last = [(receiver, alerts[-1]) for (receiver, _), alerts in self.received.items()]
        return [(receiver, alert) for receiver, alert in last
                if (status is None or alert["status"] == status) and labels.items() <= alert["labels"].items()]

    def wait(self, status, **labels):
        return wait_for(f"{status} {labels} at the receiver", lambda: self.alerts(status, **labels))

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Watch:
    """Simulator, daemon, Prometheus, Alertmanager and receiver."""

    def __init__(self, test):
        programs = {}
        for name in ("prometheus", "prometheus-alertmanager"):
            programs[name] = shutil.which(name) or shutil.which(name.removeprefix("prometheus-"))
            if not programs[name]:
                raise Skip(f"{name} is not installed")
        self.test = test
        self.simulator = test.simulator()
        self.simulator.patch(OPEN_ACCOUNT, {"properties": {"allowBlobPublicAccess": False}})
        self.daemon = test.serve(test.configure(self.simulator, baseline=test.baseline, changes="10s"),
                                 self.simulator)
        self.daemon.wait_passes(1)
        self.receiver = Receiver()
        directory = test.directory("prometheus")
        self.port, alertmanager_port = free_port(), free_port()
        self.alertmanager_port = alertmanager_port

        def write(name, text):
            path = os.path.join(directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return path

        write("plumbline.rules.yaml", shortened(self.shipped("plumbline.rules.yaml")))
        configuration = write("prometheus.yaml", rewritten(self.shipped("prometheus.example.yaml"), [
            (r"(scrape|evaluation)_interval: 30s", r"\1_interval: 1s"),
            (r"127\.0\.0\.1:9093", f"127.0.0.1:{alertmanager_port}"),
            (r"127\.0\.0\.1:9837", f"127.0.0.1:{self.daemon.port}")]))
        routes = write("alertmanager.yaml", rewritten(self.shipped("alertmanager.example.yaml"), [
            (r"group_(wait|interval): \d+[ms]", r"group_\1: 1s"),
            (r"127\.0\.0\.1:9094", f"127.0.0.1:{self.receiver.port}")]))
        for name, port, flags in (
                ("prometheus-alertmanager", alertmanager_port,
                 ["--config.file=" + routes, "--cluster.listen-address=",
                  "--storage.path=" + os.path.join(directory, "am")]),
                ("prometheus", self.port,
                 ["--config.file=" + configuration, "--storage.tsdb.path=" + os.path.join(directory, "tsdb")])):
            process = Process(name, [programs[name], f"--web.listen-address=127.0.0.1:{port}", *flags],
                              os.path.join(directory, name + ".log"), cwd=directory)
            test.own(process)
            wait_for(f"{name} to be ready", lambda: ready(port), alive=[process])

    def shipped(self, name):
        return read_text(os.path.join(self.test.source_dir, "dashboards", "prometheus", name))

    def query(self, expression):
        answer = http_request(self.port, "GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        equal(answer.status, 200, f"status of {expression} ({answer.text()[:300]})")
        return answer.json()["data"]["result"]

    def wait_query(self, expression):
        return wait_for(f"result of {expression}", lambda: self.query(expression), alive=[self.daemon])

    def alertmanager(self, method, path, body=None):
        answer = http_request(self.alertmanager_port, method, "/api/v2/" + path, body)
        equal(answer.status, 200, f"status of {method} {path} ({answer.text()[:300]})")
        return answer.json() if answer.body else None


def ready(port):
    try:
        return http_request(port, "GET", "/-/ready").status == 200
    except OSError:
        return False


def runbook_of(test, alert):
    name = alert["annotations"]["runbook_url"].rsplit("/", 1)[1]
    equal(name, alert["labels"]["alertname"] + ".md", "runbook")
    check(os.path.exists(os.path.join(test.source_dir, "docs", "runbooks", name)), f"there is no runbook {name}")


def a_change_pages_and_resolves(test):
    watch = Watch(test)
    receiver = watch.receiver
    labels = {"assignment": "azure-monitor", "job": "plumbline", "instance": INSTANCE}

    # The scenario refuses so much that findings stay silent, and that is what is said.
    [(where, alert)] = receiver.wait("firing", alertname="PlumblineCoverageLow")
    equal((where, alert["labels"]), ("tickets", {"alertname": "PlumblineCoverageLow", "severity": "ticket",
                                                 "component": "evidence", **labels}), "alert about the coverage")
    check(watch.query('plumbline:check_noncompliant:resources{severity="critical"}'),
          "no critical finding to be silent about")
    equal(watch.query('ALERTS{alertname=~"PlumblineControlFailing|PlumblineScoreBelowObjective"}'), [], "silent alerts")

    # With nothing refused, what fails pages; the check of this story does not fail yet.
    watch.simulator.admin("DELETE", "faults")
    receiver.wait("resolved", alertname="PlumblineCoverageLow")
    receiver.wait("firing", alertname="PlumblineControlFailing", definition=STANDING)
    equal({where for where, _ in receiver.wait("firing", alertname="PlumblineScoreBelowObjective")}, {"tickets"},
          "receiver of the score")
    equal(receiver.alerts(alertname="PlumblineControlFailing", definition=CHECK), [], "alerts of the check before")
    # What was refused opens drift at first sight, but in the other subscriptions.
    equal(watch.query(f'ALERTS{{alertname="PlumblineDriftOpen",subscription_id="{DEVELOPMENT}"}}'), [],
          "drift alerts before the change")

    watch.simulator.patch(ACCOUNT, {"properties": {"allowBlobPublicAccess": True}})
    [(where, alert)] = receiver.wait("firing", alertname="PlumblineControlFailing", definition=CHECK)
    equal((where, alert["labels"]),
          ("pager", {"alertname": "PlumblineControlFailing", "severity": "page", "component": "compliance",
                     "check_severity": "critical", "control": "NS-2", "definition": CHECK, **labels}), "page")
    equal(alert["annotations"]["summary"], "NS-2 fails a check of severity critical", "summary")
    equal(alert["annotations"]["description"],
          f"Resources that fail {CHECK} of assignment azure-monitor: 1. Storage accounts with monitoring data forbid "
          "anonymous access.", "description")
    runbook_of(test, alert)
    [(where, alert)] = receiver.wait("firing", alertname="PlumblineDriftOpen", subscription_id=DEVELOPMENT)
    equal((where, alert["labels"]),
          ("tickets", {"alertname": "PlumblineDriftOpen", "severity": "ticket", "component": "compliance",
                       "job": "plumbline", "instance": INSTANCE, "subscription_id": DEVELOPMENT}), "ticket")
    contains(alert["annotations"]["summary"], "Contoso Development", "summary of the drift")
    runbook_of(test, alert)

    watch.simulator.patch(ACCOUNT, {"properties": {"allowBlobPublicAccess": False}})
    [(where, _)] = receiver.wait("resolved", alertname="PlumblineControlFailing", definition=CHECK)
    equal(where, "pager", "who hears that it is over")
    receiver.wait("resolved", alertname="PlumblineDriftOpen", subscription_id=DEVELOPMENT)
    check(receiver.alerts("firing", alertname="PlumblineControlFailing", definition=STANDING),
          "what still fails was resolved too")

    # A daemon that is gone is an alert, and keeps its other alerts back; those of another daemon pass.
    watch.daemon.kill()
    [(where, alert)] = receiver.wait("firing", alertname="PlumblineDown")
    equal((where, alert["labels"]["instance"]), ("tickets", INSTANCE), "alert of the daemon")
    runbook_of(test, alert)
    late = {"alertname": "PlumblineThrottled", "severity": "ticket", "job": "plumbline"}
    watch.alertmanager("POST", "alerts", [{"labels": {**late, "instance": name}} for name in (INSTANCE, "other")])
    receiver.wait("firing", alertname="PlumblineThrottled", instance="other")
    equal({alert["labels"]["instance"]: alert["status"]["state"]
           for alert in watch.alertmanager("GET", "alerts") if alert["labels"]["alertname"] == "PlumblineThrottled"},
          {INSTANCE: "suppressed", "other": "active"}, "states of alerts beside a daemon that is down")
    receiver.close()


def values_of(watch, variable, known):
    """What Grafana would offer for a query variable: (value, text)."""
    query = substituted(variable["query"]["query"], known)
    labels = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    if labels:
        return sorted({(series["metric"][labels[2]],) * 2 for series in watch.wait_query(labels[1])})
    rows = watch.wait_query(re.fullmatch(r"query_result\((.+)\)", query)[1])
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    found = []
    for row in rows:
        # Grafana's own writing of a series.
        text = row["metric"].get("__name__", "") + "{" + ",".join(
            f' {name}="{value}"' for name, value in row["metric"].items() if name != "__name__") + "} 1 1"
        match = pattern.search(text)
        check(match, f"{variable['regex']} does not match {text}")
        found.append((match["value"], match["text"]))
    return sorted(set(found))


def substituted(expression, known):
    for name, value in sorted(known.items(), key=lambda item: -len(item[0])):
        expression = expression.replace("$" + name, value)
    check("$" not in expression, f"a variable is left in {expression}")
    return expression


def every_panel_has_data(test):
    watch = Watch(test)
    # An answer with 429, so that there is something to see of it.
    watch.simulator.set_faults([{"match": {"path_prefix": "/providers/microsoft.resourcegraph"}, "status": 429,
                                 "retry_after": 1, "times": 1}])
    watch.wait_query("plumbline_azure_throttled_total")
    folder = os.path.join(test.source_dir, "dashboards", "grafana")
    queries, offered = 0, {}
    for file in sorted(os.listdir(folder)):
        board = json.loads(read_text(os.path.join(folder, file)))
        known = {"__rate_interval": "5s", "__range": "5s"}
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                choices = values_of(watch, variable, known)
                check(choices, f"{file}: nothing to choose for {variable['name']}")
                offered[variable["name"]] = choices
                # NS-2 has verdicts of every state that the scenario has.
                known[variable["name"]] = variable["allValue"] if variable["multi"] else (
                    "NS-2" if variable["name"] == "control" else choices[0][0])
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                expression = substituted(target["expr"], known)
                place = (file, panel["title"], target["refId"])
                if place in MAY_BE_EMPTY:
                    watch.query(expression)
                    continue
                rows = wait_for(f"data for {place}: {expression}", lambda: watch.query(expression), timeout=20,
                                alive=[watch.daemon])
                for name in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                    check(any(name in row["metric"] for row in rows), f"{place}: no label {name} for the legend")
                queries += 1
    check(queries > 50, f"{queries} queries")
    equal(offered["instance"], [(INSTANCE, INSTANCE)], "instances to choose")
    equal(offered["assignment"], [("azure-monitor", "azure-monitor")], "assignments to choose")
    contains(offered["subscription"], (PRODUCTION, "Contoso Production"), "subscriptions to choose")
    contains(offered["control"], ("NS-2", "Secure cloud services with network controls"), "controls to choose")
    watch.receiver.close()


def commands_of_the_runbooks_work(test):
    """What asks the daemon; what asks systemd, Azure or Prometheus's host cannot run here."""
    for tool in ("bash", "curl", "jq"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")
    simulator = test.simulator()
    daemon = test.serve(test.configure(simulator, sweep="1h", details="1h", baseline=test.baseline,
                                       extra="events: {log: true}\n"), simulator)
    daemon.wait_passes(1)
    failing = daemon.results(state="NonCompliant", reference=STANDING)[0]["resource_id"]
    folder = os.path.join(test.source_dir, "docs", "runbooks")
    ran = 0
    for name in sorted(os.listdir(folder)):
        for block in re.findall(r"(?ms)^```\n(.*?)^```$", read_text(os.path.join(folder, name))):
            # A command goes on where its line ends in a pipe or a backslash, or the next one is indented.
            for command in re.split(r"\n(?=\S)", block.strip("\n")):
                if "http://127.0.0.1:9837/" not in command:
                    continue
                command = command.replace("127.0.0.1:9837", f"127.0.0.1:{daemon.port}").replace("RESOURCE_ID", failing)
                done = subprocess.run(["bash", "-o", "pipefail", "-c", command.replace("curl -s", "curl -sf")],
                                      capture_output=True, text=True, check=False, timeout=60)
                equal((done.returncode, done.stderr), (0, ""), f"{name}: {command}")
                ran += 1
    check(ran > 30, f"{ran} commands")


if __name__ == "__main__":
    main([a_change_pages_and_resolves, every_panel_has_data, commands_of_the_runbooks_work])
