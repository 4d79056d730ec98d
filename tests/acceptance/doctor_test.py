#!/usr/bin/env python3
"""`plumbline doctor` and `check-config --online`: each line, well and with what it is there to find."""

import email.utils
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

from harness import PRODUCTION, Skip, check, contains, equal, free_port, main

MACHINE = ["config", "web", "directory", "store", "key", "space", "backups", "port"]
AZURE = ["reachability", "tls", "clock", "identity", "resource_graph", "subscriptions", "permissions"]


def doctor(test, config, *arguments, code=0, **options):
    done = test.run("doctor", "--config.file=" + config, "--format=json", *arguments, **options)
    equal(done.returncode, code, f"exit code ({done.stdout} {done.stderr})")
    findings = json.loads(done.stdout)["findings"]
    for finding in findings:
        check((finding["health"] == "OK") != ("remedy" in finding), f"health and remedy of {finding}")
    return findings


def only(findings, name):
    found = [finding for finding in findings if finding["check"] == name]
    equal(len(found), 1, f"findings of {name} in {findings}")
    return found[0]


def failed(findings):
    return sorted({finding["check"] for finding in findings if finding["health"] == "FAIL"})


class Server:
    """An HTTPS server for 127.0.0.1 that refuses everybody, with a certificate and a clock of its own."""

    def __init__(self, test, expired=False, names="IP:127.0.0.1", ahead=0):
        if not shutil.which("openssl"):
            raise Skip("openssl is not installed")
        directory = test.directory("server")
        self.ca_file = os.path.join(directory, "cert.pem")
        key = os.path.join(directory, "key.pem")
        request = os.path.join(directory, "request.pem")

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)

        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                "/CN=azure", "-keyout", key, "-out", request)
        with open(os.path.join(directory, "ca.cnf"), "w", encoding="utf-8") as file:
            file.write("[ca]\ndefault_ca=c\n[c]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
                       f"policy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName={names}\n")
        for name, text in (("index", ""), ("serial", "01\n")):
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        end = "20210101000000Z" if expired else "20991231000000Z"
        openssl("ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", key, "-in", request, "-notext",
                "-startdate", "20200101000000Z", "-enddate", end, "-out", self.ca_file)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def date_time_string(self, timestamp=None):
                return email.utils.formatdate((timestamp or time.time()) + ahead, usegmt=True)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.arm_port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def all_is_well(test):
    simulator = test.simulator()
    copies = test.directory("copies")
    config = test.configure(simulator, listen=f"127.0.0.1:{free_port()}")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("{path: plumbline.db}", f"{{path: plumbline.db, backup: {{directory: {copies}}}}}"))
    equal([(item["check"], item["health"]) for item in doctor(test, config)], [(name, "OK") for name in MACHINE],
          "without Azure, before the first start")
    equal(simulator.requests()["total"], 0, "requests without --online")
    equal(os.listdir(os.path.dirname(config)), ["plumbline.yaml"], "what doctor leaves")

    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    findings = doctor(test, config, "--online", simulator=simulator)
    equal([(item["check"], item["health"]) for item in findings], [(name, "OK") for name in MACHINE + AZURE],
          "beside the daemon")
    contains(only(findings, "store")["detail"], "last cycle ", "the store")
    contains(only(findings, "port")["detail"], "is served by a Plumbline", "the port")
    contains(only(findings, "subscriptions")["detail"], "3 can be read", "subscriptions")

    table = test.run("doctor", "--config.file=" + config, "--online", simulator=simulator)
    equal(table.returncode, 0, "exit code")
    equal([line.split()[:2] for line in table.stdout.splitlines()], [["OK", name] for name in MACHINE + AZURE],
          "the table")
    online = test.run("check-config", "--config.file=" + config, "--online", simulator=simulator)
    equal(online.returncode, 0, "check-config --online")
    equal([line.split()[1] for line in online.stdout.splitlines() if line.startswith("OK ")], AZURE, "its lines")


def a_wrong_configuration(test):
    simulator = test.simulator()
    config = test.configure(simulator, extra="nonsense: 1\n")
    [finding] = doctor(test, config, "--online", code=1, simulator=simulator)
    equal((finding["check"], finding["health"]), ("config", "FAIL"), "the finding")
    contains(finding["detail"], "plumbline.yaml:13:1: unknown key", "what it says")
    equal(test.run("check-config", "--config.file=" + config, "--online", simulator=simulator).returncode, 2,
          "check-config --online")


def a_wrong_machine(test):
    """Each line that is about this machine."""
    simulator = test.simulator()
    config = test.configure(simulator, listen=f"127.0.0.1:{free_port()}")
    directory = os.path.dirname(config)
    store = os.path.join(directory, "plumbline.db")
    with open(config, encoding="utf-8") as file:
        good = file.read()

    def with_text(old, new):
        check(old in good, f"the configuration has no {old}")
        with open(config, "w", encoding="utf-8") as file:
            file.write(good.replace(old, new))

    equal(only(doctor(test, config), "backups")["health"], "WARN", "without backups")

    with_text("web: {", "web: {config_file: web.yml, ")
    with open(os.path.join(directory, "web.yml"), "w", encoding="utf-8") as file:
        file.write("nonsense: 1\n")
    contains(only(doctor(test, config, code=1), "web")["detail"], "web.yml:1:1: ", "web")

    with_text("path: plumbline.db", "path: missing/plumbline.db")
    equal(failed(doctor(test, config, code=1)), ["directory", "space"], "a directory that is not there")

    with_text("path: plumbline.db", "path: plumbline.db, backup: {directory: missing}")
    equal(failed(doctor(test, config, code=1)), ["backups"], "a directory for copies that is not there")
    with_text("path: plumbline.db", f"path: plumbline.db, backup: {{directory: {directory}, after: /no/program}}")
    contains(only(doctor(test, config, code=1), "backups")["detail"], "/no/program", "a program that is not there")

    with open(config, "w", encoding="utf-8") as file:
        file.write(good)
    with open(store, "w", encoding="utf-8") as file:
        file.write("this is no database" * 100)
    os.chmod(store, 0o600)
    equal(failed(doctor(test, config, code=1)), ["key", "store"], "no database, no key")
    os.remove(store)

    equal(test.once(config, simulator).returncode, 1, "a pass")
    os.chmod(store + ".key", 0o644)
    findings = doctor(test, config, code=1)
    equal(failed(findings), ["key"], "a key for everyone")
    contains(only(findings, "key")["detail"], "readable by others", "a key for everyone")
    os.chmod(store + ".key", 0o600)

    with socket.create_server(("127.0.0.1", 0)) as other:
        with_text(good[good.index("listen: ") + 8:good.index("}", good.index("listen: "))],
                  f'"127.0.0.1:{other.getsockname()[1]}"')
        findings = doctor(test, config, code=1)
        equal(failed(findings), ["port"], "somebody else listens")
        contains(only(findings, "port")["remedy"], "ss -ltnp", "the remedy")


def a_directory_that_cannot_be_written(test):
    """Root may write anywhere, so it is asked as somebody else."""
    if os.geteuid() != 0:
        raise Skip("needs root to become another user")
    simulator = test.simulator()
    config = test.configure(simulator, listen=f"127.0.0.1:{free_port()}")
    os.chmod(test.temporary, 0o755)
    for path, _, _ in os.walk(test.temporary):
        os.chmod(path, 0o755)

    def as_nobody():
        done = subprocess.run([test.binary("plumbline"), "doctor", "--config.file=" + config, "--format=json"],
                              capture_output=True, text=True, check=False, user=65534, group=65534, extra_groups=[])
        return done.returncode, json.loads(done.stdout)["findings"]

    code, findings = as_nobody()
    equal((code, failed(findings)), (1, ["directory"]), "as nobody")
    contains(only(findings, "directory")["detail"], "Permission denied", "why")
    os.chown(os.path.dirname(config), 65534, 65534)
    equal(as_nobody()[0], 0, "with a directory of one's own")


def online(test, config, simulator=None, **options):
    findings = doctor(test, config, "--online", simulator=simulator, **options)
    again = test.run("check-config", "--config.file=" + config, "--online", simulator=simulator,
                     imds_port=options.get("imds_port"))
    equal(again.returncode, options.get("code", 0), "exit code of check-config --online")
    return findings


def nobody_answers(test):
    simulator = test.simulator()
    config = test.configure(simulator, arm_port=free_port(), listen=f"127.0.0.1:{free_port()}")
    findings = online(test, config, simulator, code=1)
    equal(failed(findings), ["reachability"], "a port where nobody listens")
    equal([only(findings, name)["health"] for name in ("tls", "clock", "identity", "permissions")],
          ["WARN", "WARN", "OK", "WARN"], "what could not be looked at")

    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("https://127.0.0.1:", "https://no-such-host.invalid:"))
    findings = online(test, config, simulator, code=1)
    equal(failed(findings), ["reachability"], "a wrong host")
    contains(only(findings, "reachability")["detail"], "no-such-host.invalid", "what it names")


def certificates(test):
    simulator = test.simulator()
    for what, options, trust, message in (
            ("expired", {"expired": True}, True, "expired"),
            ("of another name", {"names": "DNS:other.example"}, True, ""),
            ("of nobody we know", {}, False, "")):
        server = Server(test, **options)
        config = test.configure(simulator, arm_port=server.arm_port, listen=f"127.0.0.1:{free_port()}")
        if trust:
            with open(config, encoding="utf-8") as file:
                text = file.read()
            with open(config, "w", encoding="utf-8") as file:
                file.write(text.replace(simulator.ca_file, server.ca_file))
        findings = online(test, config, simulator, code=1)
        equal(failed(findings), ["tls"], f"a certificate {what}")
        contains(only(findings, "tls")["detail"], message, f"a certificate {what}")
        equal(only(findings, "permissions")["health"], "WARN", "nothing is sent to somebody who is not trusted")
        server.close()


def clocks(test):
    simulator = test.simulator()
    for ahead, health, message in ((0, "OK", "within a minute"), (120, "WARN", "behind Azure's"),
                                   (-3600, "FAIL", "ahead of Azure's")):
        server = Server(test, ahead=ahead)
        config = test.configure(simulator, arm_port=server.arm_port, listen=f"127.0.0.1:{free_port()}")
        with open(config, encoding="utf-8") as file:
            text = file.read()
        with open(config, "w", encoding="utf-8") as file:
            file.write(text.replace(simulator.ca_file, server.ca_file))
        # The server refuses whoever signs in, which fails on its own.
        findings = online(test, config, simulator, code=1)
        clock = only(findings, "clock")
        equal(clock["health"], health, f"a clock {ahead} s ahead")
        contains(clock["detail"], message, f"a clock {ahead} s ahead")
        server.close()


def no_identity(test):
    simulator = test.simulator()
    config = test.configure(simulator, listen=f"127.0.0.1:{free_port()}")
    findings = online(test, config, imds_port=free_port(), code=1)
    equal(failed(findings), ["identity"], "no endpoint")
    contains(only(findings, "identity")["remedy"], "169.254.169.254", "remedy")
    equal(only(findings, "permissions")["health"], "WARN", "permissions")

    simulator.set_faults([{"match": {"path_prefix": "/metadata/identity"}, "status": 400,
                           "body": '{"error": "invalid_request", "error_description": "Identity not found"}'}])
    findings = online(test, config, simulator, code=1)
    equal(failed(findings), ["identity"], "an endpoint that refuses")
    contains(only(findings, "identity")["remedy"], "must be attached to this machine", "remedy")


def permissions(test):
    simulator = test.simulator()
    config = test.configure(simulator, listen=f"127.0.0.1:{free_port()}")

    simulator.set_faults([{"match": {"path_prefix": f"/subscriptions/{PRODUCTION}"}, "status": 403,
                           "body_code": "AuthorizationFailed"}])
    findings = online(test, config, simulator, code=1)
    equal(failed(findings), ["permissions"], "403 on one subscription")
    finding = only(findings, "permissions")
    equal(finding["subscriptions"], [PRODUCTION], "the subscription")
    contains(finding["detail"], "AuthorizationFailed", "Azure's word")

    simulator.set_faults([{"match": {"path_regex": "(?i)authorization/permissions$", "subscription": PRODUCTION},
                           "status": 200, "body": json.dumps({"value": [
                               {"actions": ["*/read"], "notActions": ["Microsoft.Insights/components/*"]}]})}])
    findings = online(test, config, simulator, code=1)
    finding = only(findings, "permissions")
    equal((finding["health"], finding["subscriptions"]), ("FAIL", [PRODUCTION]), "a type that may not be read")
    contains(finding["detail"], "microsoft.insights/components/read is missing in " + PRODUCTION, "the action")
    check("IM-1.1-component-local-auth" in finding["references"], f"the checks without evidence: {finding}")
    check("IM-3.1-vm-identity" not in finding["references"], f"checks of other types: {finding}")

    simulator.set_faults([{"match": {"path_regex": "(?i)authorization/permissions$"}, "status": 403,
                           "body_code": "AuthorizationFailed"}])
    findings = online(test, config, simulator)
    finding = only(findings, "permissions")
    equal((finding["health"], len(finding["subscriptions"])), ("WARN", 3), "permissions that cannot be told")

    simulator.set_faults([{"match": {"path_regex": "^/subscriptions$"}, "status": 200, "body": '{"value": []}'}])
    equal(failed(online(test, config, simulator, code=1)), ["subscriptions"], "no subscription")

    simulator.set_faults([{"match": {"path_prefix": "/providers/Microsoft.ResourceGraph"}, "status": 403,
                           "body_code": "AuthorizationFailed"}])
    equal(failed(online(test, config, simulator, code=1)), ["resource_graph"], "no queries")

    simulator.clear_faults()
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("inventory:", f"  scope: {{subscriptions: [{PRODUCTION}, not-ours]}}\ninventory:"))
    findings = online(test, config, simulator, code=1)
    equal(only(findings, "subscriptions")["subscriptions"], ["not-ours"], "a subscription that cannot be read")
    contains(only(findings, "permissions")["detail"], "in 1 subscriptions", "the other one")

    groups = test.configure(simulator, azure="  scope: {management_groups: [contoso]}\n")
    equal(failed(online(test, groups, simulator)), [], "what fails below a management group")
    simulator.set_faults([{"match": {"path_regex": "/managementGroups/[^/]+/descendants$"}, "status": 403,
                           "body_code": "AuthorizationFailed"}])
    finding = next(found for found in online(test, groups, simulator, code=1) if found["health"] == "FAIL")
    contains(finding["detail"], "below management group contoso cannot be listed", "descendants")
    contains(finding["remedy"], "managementGroups/descendants/read", "what to do about it")


if __name__ == "__main__":
    main([all_is_well, a_wrong_configuration, a_wrong_machine, a_directory_that_cannot_be_written, nobody_answers,
          certificates, clocks, no_identity, permissions])
