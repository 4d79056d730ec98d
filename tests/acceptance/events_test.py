#!/usr/bin/env python3
"""What happens in the tenant reaches webhooks, the log and Alertmanager: in order, at least once, signed."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import shutil
import signal
import threading
import time
import urllib.parse

from harness import (PRODUCTION, Process, Skip, check, contains, equal, free_port, http_request, main, read_text,
                     wait_for)

WORKSPACE = (f"/subscriptions/{PRODUCTION}/resourceGroups/RG-Contoso-AKS/providers/Microsoft.OperationalInsights/"
             "workspaces/law-contoso-aks")
QUERY = "NS-2.2-workspace-public-query"
CHANGED = "/properties/publicNetworkAccessForQuery"
KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
EXTERNAL = "https://plumbline.example.com"


class Receiver:
    """A webhook that keeps what it is sent and checks the signature as a receiver would. `answer` gives the status
    for an event; a receiver that is `down` does not listen."""

    def __init__(self, port=0):
        self.received = []  # events that were taken, in order
        self.wrong = []
        self.answer = lambda event: 204
        self.port = port
        self._server = None
        self.up()

    def up(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = json.loads(body)
                receiver.verify(self.headers, body, event)
                status = receiver.answer(event)
                if 200 <= status < 300:
                    receiver.received.append(event)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.HTTPServer):
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def down(self):
        self._server.shutdown()
        self._server.server_close()

    def verify(self, headers, body, event):
        signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
        wanted = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != wanted or headers["webhook-id"] != event["id"]:
            self.wrong.append((dict(headers), event["id"]))
        if "Authorization" in headers or headers["Content-Type"].split(";")[0] != "application/cloudevents+json":
            self.wrong.append((dict(headers), event["id"]))

    def events(self, kind=None, **data):
        return [event for event in list(self.received)
                if (kind is None or event["type"] == "io.plumbline." + kind) and data.items() <= event["data"].items()]

    def wait(self, kind, **data):
        return wait_for(f"{kind} {data} at the webhook", lambda: self.events(kind, **data))[-1]


def configured(test, simulator, receiver, more="", webhook="", **options):
    """The path of a configuration with a webhook, and of the file of its secret."""
    path = test.configure(simulator, **options)
    directory = os.path.dirname(path)
    with open(os.path.join(directory, "secret"), "w", encoding="utf-8") as file:
        file.write(SECRET + "\n")
    with open(path, "a", encoding="utf-8") as file:
        file.write("events:\n"
                   "  webhooks:\n"
                   f"    - {{name: siem, url: \"http://127.0.0.1:{receiver.port}/in/path-secret?token=query-secret\",\n"
                   f"       secret: {{file: secret}}{webhook}}}\n"
                   f"{more}")
    return path


def sink(daemon, name="webhook/siem"):
    return next(entry for entry in daemon.api("outbox")["sinks"] if entry["name"] == name)


def delivered(daemon):
    """Waits until nothing is pending at the webhook."""
    check(daemon.api("events", limit=1)["events"], "there are no events")

    def done():
        entry = sink(daemon)
        return entry["pending"] == 0 and entry["position"] == newest_events(daemon)
    wait_for("empty outbox", done, alive=[daemon])


def newest_events(daemon):
    page = daemon.api("events", limit=1000)
    while page["more"]:
        page = daemon.api("events", limit=1000, after=page["next"])
    transition, drift = page["next"].split("-")
    return {"drift_event": int(drift), "transition": int(transition)}


def history(daemon):
    """The ids of all events, in order, as the API tells them."""
    ids, after = [], ""
    while True:
        page = daemon.api("events", limit=1000, **({"after": after} if after else {}))
        ids += [event["id"] for event in page["events"]]
        if not page["more"]:
            return ids
        after = page["next"]


class Alertmanager(Process):
    def __init__(self, test):
        program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        if not program:
            raise Skip("Alertmanager is not installed")
        directory = test.directory("alertmanager")
        config = os.path.join(directory, "alertmanager.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        self.port = free_port()
        super().__init__("alertmanager", [program, "--config.file=" + config, "--cluster.listen-address=",
                                          "--storage.path=" + os.path.join(directory, "data"),
                                          f"--web.listen-address=127.0.0.1:{self.port}"],
                         os.path.join(directory, "alertmanager.log"), cwd=directory)
        test.own(self)
        wait_for("Alertmanager to be ready", self.ready, alive=[self])

    def ready(self):
        try:
            return http_request(self.port, "GET", "/-/ready").status == 200
        except OSError:
            return False

    def alerts(self, **labels):
        query = urllib.parse.urlencode([("filter", f'{name}="{value}"') for name, value in labels.items()])
        answer = http_request(self.port, "GET", "/api/v2/alerts?" + query)
        equal(answer.status, 200, f"status of Alertmanager ({answer.text()[:300]})")
        return answer.json()


def a_flip_is_told_everywhere_and_resolved(test):
    simulator = test.simulator()
    alertmanager = Alertmanager(test)
    receiver = Receiver()
    # Only the change feed is to find it: it names who changed it, a sweep that comes first does not.
    config = configured(test, simulator, receiver, sweep="1h", changes="1s", activity="1s", more=(
        "  log: true\n"
        f"  alertmanager: {{urls: [\"http://127.0.0.1:{alertmanager.port}\"], resend: 2s}}\n"))
    daemon = test.serve(config, simulator, "--web.external-url=" + EXTERNAL)
    daemon.wait_passes(1)
    delivered(daemon)
    equal([event["id"] for event in receiver.received], history(daemon), "what a new store has told")
    score = daemon.api("scores")["overall"]["score"]

    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Enabled"}})
    opened = receiver.wait("drift.opened", reference=QUERY, resource_key=WORKSPACE.lower())
    equal((opened["specversion"], opened["source"], opened["subject"].lower(), opened["datacontenttype"]),
          ("1.0", EXTERNAL, WORKSPACE.lower(), "application/json"), "attributes of the event")
    changed = receiver.wait("drift.opened", path=CHANGED, resource_key=WORKSPACE.lower())
    equal((changed["data"]["old"], changed["data"]["new"], changed["data"]["state"]),
          ('"Disabled"', '"Enabled"', "open"), "old and new value")
    check(changed["data"]["change"]["changed_by"], f"nobody is named: {changed['data']['change']}")
    equal(opened["data"]["change"]["changed_by"], changed["data"]["change"]["changed_by"], "actor of both items")
    check(opened["data"]["check"]["title"] and opened["data"]["check"]["controls"], "the failing check is not named")
    check(opened["data"]["score"]["change"] < 0 < opened["data"]["score"]["now"] < score, "change of the score")
    equal(opened["data"]["link"], EXTERNAL + "/#/resource?id=" + urllib.parse.quote(opened["subject"], safe="") +
          f"&assignment=azure-monitor&reference={QUERY}", "link")
    moved = receiver.wait("compliance.changed", reference=QUERY, resource_key=WORKSPACE.lower(), to="NonCompliant")
    equal((moved["data"]["from"], moved["data"]["cause"], moved["data"]["severity"]),
          ("NoEvidence", "resource", "high"), "the transition: it had waited for Resource Manager")
    ids = [event["id"] for event in receiver.received]
    check(ids.index(moved["id"]) < ids.index(opened["id"]), "the verdict comes before the drift that it means")

    def alert():
        found = alertmanager.alerts(alertname="PlumblineDrift", definition=QUERY, resource=WORKSPACE.lower())
        return found[0] if found else None
    told = wait_for("alert in Alertmanager", alert, alive=[daemon, alertmanager])
    equal({name: told["labels"].get(name) for name in ("severity", "check_severity", "subscription_id", "assignment")},
          {"severity": "page", "check_severity": "high", "subscription_id": PRODUCTION,
           "assignment": "azure-monitor"}, "labels of the alert")
    equal((told["labels"]["drift"], told["generatorURL"], told["status"]["state"]),
          (opened["data"]["identity"], opened["data"]["link"], "active"), "the alert")
    contains(told["annotations"]["description"], opened["data"]["change"]["changed_by"], "description of the alert")
    # What the first pass found at once is one alert.
    many = alertmanager.alerts(alertname="PlumblineDriftMany")
    opened_first = [item for item in daemon.api("drift", open="true", limit=1000)["drift"]
                    if item["severity"] in ("high", "critical") and item["resource_key"] != WORKSPACE.lower()]
    check(bool(many) == (len(opened_first) > 50) or len(many) == 1,
          f"{len(many)} grouped alerts for {len(opened_first)} items")
    line = wait_for("line of the log", lambda: [text for text in daemon.log().splitlines()
                                                if " event=drift_event " in text and f" id={changed['id']} " in text])
    for part in (" step=opened ", f" path={CHANGED} ", " actor="):
        contains(line[0], part, "line of the log")
    equal(daemon.api("drift", open="true", reference=QUERY)["drift"][0]["identity"], opened["data"]["identity"],
          "item of the API")
    check(daemon.metric("plumbline_notifications_total", sink="webhook/siem") >= len(ids), "notifications")

    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": "Disabled"}})
    closed = receiver.wait("drift.resolved", reference=QUERY, resource_key=WORKSPACE.lower())
    equal((closed["data"]["identity"], closed["data"]["state"]), (opened["data"]["identity"], "resolved"), "its end")
    check(closed["data"]["score"]["change"] > 0, "change of the score")
    receiver.wait("drift.resolved", path=CHANGED, resource_key=WORKSPACE.lower())
    wait_for("end of the alert", lambda: alert() is None, alive=[daemon, alertmanager])
    delivered(daemon)
    equal([event["id"] for event in receiver.received], history(daemon), "everything, once, in order")
    equal(receiver.wrong, [], "requests with a wrong signature")
    equal(daemon.metric("plumbline_outbox_pending", sink="webhook/siem"), 0, "pending")
    nothing_secret(daemon, config)
    receiver.down()


def nothing_secret(daemon, config):
    store = os.path.join(os.path.dirname(config), "plumbline.db")
    places = {"log": daemon.log().encode(), "outbox": daemon.get("/api/v1/outbox").body,
              "metrics": daemon.get("/metrics").body}
    for path in (store, store + "-wal"):
        if os.path.exists(path):
            with open(path, "rb") as file:
                places[path] = file.read()
    for secret in (SECRET.removeprefix("whsec_").encode(), b"path-secret", b"query-secret", KEY):
        for place, text in places.items():
            check(secret not in text, f"a secret of the webhook is in {place}")


def flip(simulator, daemon, value):
    simulator.patch(WORKSPACE, {"properties": {"publicNetworkAccessForQuery": value}})
    wanted = "NonCompliant" if value == "Enabled" else "Compliant"
    wait_for(f"{wanted} verdict", lambda: daemon.results(
        reference=QUERY, resource=WORKSPACE)[0]["state"] == wanted, alive=[daemon])


def a_receiver_that_was_away_misses_nothing(test):
    simulator = test.simulator()
    receiver = Receiver()
    config = configured(test, simulator, receiver)
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    delivered(daemon)
    receiver.down()
    flip(simulator, daemon, "Enabled")
    wait_for("failed attempt", lambda: sink(daemon)["last_error"], alive=[daemon])
    entry = sink(daemon)
    check(entry["pending"] > 0 and entry["next_attempt_at"] and entry["oldest_pending_at"], f"the outbox: {entry}")
    equal(entry["target"], f"http://127.0.0.1:{receiver.port}", "target")
    check(daemon.metric("plumbline_notifications_failed_total", sink="webhook/siem") > 0, "failed attempts")
    check(daemon.metric("plumbline_outbox_oldest_timestamp_seconds", sink="webhook/siem") > 0, "age of the oldest")
    nothing_secret(daemon, config)
    # Neither a clean end nor a kill loses what waits.
    flip(simulator, daemon, "Disabled")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal(daemon.stop(), 0, "exit code")
    daemon = test.serve(config, simulator)
    receiver.up()
    delivered(daemon)
    equal([event["id"] for event in receiver.received], history(daemon), "everything, in order")
    equal(receiver.wrong, [], "requests with a wrong signature")
    receiver.down()


def a_kill_tells_again_rather_than_not(test):
    simulator = test.simulator()
    receiver = Receiver()
    config = configured(test, simulator, receiver)
    daemon = test.serve(config, simulator)
    # In the middle of the first pass's events, while some have been taken.
    wait_for("some events", lambda: len(receiver.received) >= 20, alive=[daemon])
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    before = [event["id"] for event in receiver.received]
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    delivered(daemon)
    ids = [event["id"] for event in receiver.received]
    wanted = history(daemon)
    equal(set(ids) - set(wanted), set(), "events that never were: told before their transaction")
    equal(sorted(set(ids)), sorted(wanted), "every event")
    after = ids[len(before):]
    check(after, "nothing was told after the kill")
    equal(after, wanted[wanted.index(after[0]):], "order after the kill")
    check(wanted.index(after[0]) <= len(before), "something was left out")
    receiver.down()


def a_refused_event_is_a_dead_letter(test):
    simulator = test.simulator()
    receiver = Receiver()
    config = configured(test, simulator, receiver, webhook=", types: [drift], min_severity: high")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    delivered(daemon)
    equal({event["type"].split(".")[2] for event in receiver.received}, {"drift"}, "types that were asked for")
    equal({event["data"]["severity"] for event in receiver.received} - {"high", "critical"}, set(), "severities")
    receiver.answer = lambda event: 422 if event["data"]["reference"] == QUERY else 204
    flip(simulator, daemon, "Enabled")
    letters = wait_for("dead letter", lambda: daemon.api("outbox")["dead_letters"], alive=[daemon])
    equal([(letter["sink"], letter["error"]) for letter in letters], [("webhook/siem", "HTTP status 422")], "letters")
    check(letters[0]["event"] in history(daemon), "the letter names no event")
    delivered(daemon)
    check(letters[0]["event"] not in [event["id"] for event in receiver.received], "it was taken after all")
    receiver.answer = lambda event: 204
    flip(simulator, daemon, "Disabled")
    receiver.wait("drift.resolved", reference=QUERY, resource_key=WORKSPACE.lower())
    equal(daemon.metric("plumbline_dead_letters", sink="webhook/siem"), 1, "dead letters")
    daemon.stop()
    daemon = test.serve(config, simulator)
    equal(sink(daemon)["dead_letters"], 1, "dead letters after a restart")
    receiver.down()


def who_comes_later_begins_with_what_happens_then(test):
    simulator = test.simulator()
    receiver = Receiver()
    without = test.configure(simulator)
    daemon = test.serve(without, simulator)
    daemon.wait_passes(1)
    known = history(daemon)
    daemon.stop()
    config = configured(test, simulator, receiver, directory=os.path.dirname(without))
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    flip(simulator, daemon, "Enabled")
    receiver.wait("drift.opened", reference=QUERY)
    delivered(daemon)
    equal([event["id"] for event in receiver.received], history(daemon)[len(known):], "what has happened since")
    check(receiver.received[0]["source"].startswith("urn:plumbline:"), "source without an external URL")
    check(all("link" not in event["data"] for event in receiver.received), "links without an external URL")
    # Another place is another configuration: that is for a restart.
    with open(config, "a", encoding="utf-8") as file:
        file.write("  log: true\n")
    daemon.signal(signal.SIGHUP)
    wait_for("refusal of the reload", lambda: "restart to change events" in daemon.log(), alive=[daemon])
    receiver.down()


def an_end_waits_for_no_receiver(test):
    simulator = test.simulator()
    receiver = Receiver()
    asked = threading.Event()

    def silent(_event):
        asked.set()
        time.sleep(60)
        return 204
    receiver.answer = silent
    silent_alertmanager = Receiver()
    silent_alertmanager.verify = lambda *_: time.sleep(60)
    config = configured(test, simulator, receiver, more=(
        f"  alertmanager: {{urls: [\"http://127.0.0.1:{silent_alertmanager.port}\"], resend: 1s}}\n"))
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    check(asked.wait(30), "the receiver was not asked")
    equal(daemon.stop(timeout=15), 0, "exit code while a receiver is silent")


main([a_flip_is_told_everywhere_and_resolved, a_receiver_that_was_away_misses_nothing,
      a_kill_tells_again_rather_than_not, a_refused_event_is_a_dead_letter,
      who_comes_later_begins_with_what_happens_then, an_end_waits_for_no_receiver])
