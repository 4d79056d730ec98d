#!/usr/bin/env python3
"""Who may ask the daemon what: TLS, client certificates, passwords, and what is refused."""

import base64
import http.client
import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time

from harness import Answer, Failure, Skip, check, contains, equal, keep_checks, main, wait_for

# Of "secret", at cost 10 and 4.
SLOW_HASH = "$2y$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u"
FAST_HASH = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
USERS = f"basic_auth_users:\n  alice: {SLOW_HASH}\n"
TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
CLIENT_CERTIFICATES = TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


def password(user, word):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()}


ALICE = password("alice", "secret")


class Authority:
    """A certificate authority, and files in the directory that the web config names."""

    def __init__(self, directory):
        if not shutil.which("openssl"):
            raise Skip("the openssl program is not installed")
        self.directory = directory
        self._serial = 0
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, check=False, timeout=60)
        check(done.returncode == 0, f"openssl {arguments}: {done.stderr.decode()}")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        """The whole file at once, as an administrator should."""
        with open(self.path("new"), "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path("new"), self.path(name))

    def issue(self, name, names="IP:127.0.0.1"):
        """NAME.pem and NAME.key, replaced one after the other."""
        self._serial += 1
        self.write("extensions", f"subjectAltName={names}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", "new.key", "-out", "new.csr")
        self._openssl("x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "1",
                      "-set_serial", str(self._serial), "-extfile", "extensions", "-out", "new.pem")
        os.rename(self.path("new.key"), self.path(name + ".key"))
        os.rename(self.path("new.pem"), self.path(name + ".pem"))
        return self._serial

    def encrypt_key(self, name):
        self._openssl("pkcs8", "-topk8", "-in", name + ".key", "-out", "new.key", "-passout", "pass:secret")
        os.rename(self.path("new.key"), self.path(name + ".key"))

    def context(self, client=None):
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        if client:
            context.load_cert_chain(self.path(client + ".pem"), self.path(client + ".key"))
        return context


def authority(test):
    made = Authority(test.directory("web"))
    made.issue("server")
    return made


def serving(test, files, web_config, *arguments, listen="127.0.0.1:0"):
    if web_config is not None:
        files.write("web.yml", web_config)
        arguments += ("--web.config.file=" + files.path("web.yml"),)
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h", listen=listen)
    daemon = test.serve(config, simulator, *arguments)
    daemon.wait_passes(1)
    return daemon


def ask(daemon, path, method="GET", headers=None, context=None, connection=None):
    own = connection is None
    if own and context:
        connection = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=30, context=context)
    elif own:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        if own:
            connection.close()


def status(daemon, path, **options):
    return ask(daemon, path, **options).status


def refused_by_tls(daemon, context, what):
    try:
        answer = ask(daemon, "/-/healthy", context=context)
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return
    raise Failure(f"{what}: answered {answer.status}")


def serial_of(daemon, files, context=None):
    """The serial number of the certificate that a new connection is shown."""
    connection = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=30, context=context or files.context())
    connection.connect()
    try:
        return int(connection.sock.getpeercert()["serialNumber"], 16)
    finally:
        connection.close()


def passwords(test):
    files = authority(test)
    daemon = serving(test, files, USERS)
    for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/scores", "/assets/app.js", "/nothing"):
        answer = ask(daemon, path)
        equal(answer.status, 401, f"{path} without a password")
        contains(answer.headers["WWW-Authenticate"], "Basic ", f"challenge of {path}")
        contains(answer.headers["Content-Security-Policy"], "default-src 'none'", f"policy of the refusal of {path}")
        check("Healthy" not in answer.text(), "the refusal tells what was asked")
    for wrong in (password("alice", "Secret"), password("bob", "secret"), password("alice", ""),
                  {"Authorization": "Bearer secret"}, {"Authorization": "Basic !"}):
        equal(status(daemon, "/metrics", headers=wrong), 401, str(wrong))
    for path in ("/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/scores"):
        equal(status(daemon, path, headers=ALICE), 200, f"{path} with the password")
    equal(status(daemon, "/nothing", headers=ALICE), 404, "what is not there")
    text = ask(daemon, "/metrics", headers=ALICE).text()
    contains(text, 'plumbline_http_requests_total{code="401",endpoint="metrics"}', "metrics")
    for secret in ("secret", "c2VjcmV0", SLOW_HASH):
        check(secret not in daemon.log(), "a password or its hash is in the log")

    # A user more, a user less: without a restart.
    files.write("web.yml", f"basic_auth_users:\n  carol: {FAST_HASH}\n")
    wait_for("the new user", lambda: status(daemon, "/metrics", headers=password("carol", "secret")) == 200)
    equal(status(daemon, "/metrics", headers=ALICE), 401, "the user who is gone")
    # What cannot be used changes nothing.
    files.write("web.yml", "basic_auth_users:\n  carol: secret\n")
    wait_for("the complaint", lambda: status(daemon, "/metrics", headers=password("carol", "secret")) == 200 and
             "event=web_config_reload_failed" in daemon.log())
    contains(daemon.log(), "web.yml:2:10: the password of `carol` must be a bcrypt hash", "log")
    samples = ask(daemon, "/metrics", headers=password("carol", "secret")).text()
    contains(samples, "\nplumbline_web_config_last_reload_successful 0", "metric of the reload")


def beyond_loopback(test):
    """With a password the page and the API are served everywhere."""
    files = authority(test)
    daemon = serving(test, files, USERS, listen="0.0.0.0:0")
    for path in ("/", "/api/v1/scores", "/metrics"):
        equal(status(daemon, path), 401, f"{path} without a password")
        equal(status(daemon, path, headers=ALICE), 200, f"{path} with it")
    # TLS alone tells nothing about who asks.
    encrypted = serving(test, files, TLS, listen="0.0.0.0:0")
    equal(status(encrypted, "/metrics", context=files.context()), 200, "metrics over TLS")
    for path in ("/", "/api/v1/scores"):
        equal(status(encrypted, path, context=files.context()), 403, f"{path} over TLS")


def tls(test):
    files = authority(test)
    daemon = serving(test, files, TLS + "  min_version: TLS13\nhttp_server_config:\n  headers:\n"
                     "    Strict-Transport-Security: max-age=600\n    X-Frame-Options: sameorigin\n")
    answer = ask(daemon, "/api/v1/scores", context=files.context())
    equal(answer.status, 200, "over TLS")
    equal(answer.headers["Strict-Transport-Security"], "max-age=600", "header of the web config")
    equal(answer.headers.get_all("X-Frame-Options"), ["sameorigin"], "header in place of the daemon's")
    old = files.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    refused_by_tls(daemon, old, "TLS 1.2")
    try:
        answered = ask(daemon, "/-/healthy").status
    except (ConnectionError, http.client.HTTPException):
        answered = None
    check(answered in (None, 400), f"plain HTTP: {answered}")

    # A suite that is listed, and one that is not.
    older = serving(test, files, TLS + "  max_version: TLS12\n"
                    "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  curve_preferences: [CurveP384]\n")
    equal(status(older, "/metrics", context=files.context()), 200, "TLS 1.2")
    other = files.context()
    other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    refused_by_tls(older, other, "a cipher suite that is not listed")
    modern = files.context()
    modern.minimum_version = ssl.TLSVersion.TLSv1_3
    refused_by_tls(older, modern, "TLS 1.3")
    curve = files.context()
    curve.set_ecdh_curve("prime256v1")
    refused_by_tls(older, curve, "a curve that is not listed")


def certificate_replaced(test):
    files = authority(test)
    daemon = serving(test, files, TLS)
    first = serial_of(daemon, files)
    kept = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=30, context=files.context())
    kept.connect()
    second = files.issue("server")
    check(first != second, "serial numbers")
    wait_for("the new certificate", lambda: serial_of(daemon, files) == second, timeout=20)
    equal(ask(daemon, "/-/healthy", connection=kept).status, 200, "a connection from before")
    kept.close()

    files.write("server.pem", "broken")
    wait_for("the complaint", lambda: serial_of(daemon, files) == second and
             "event=web_config_reload_failed" in daemon.log(), timeout=20)
    contains(daemon.log(), "server.pem: holds no certificate in PEM that can be used", "log")
    contains(daemon.log(), "web.yml:2:14: ", "place in the log")
    third = files.issue("server")
    wait_for("the third certificate", lambda: serial_of(daemon, files) == third, timeout=20)

    # From now on with a client certificate; who is connected already has shown none.
    kept = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=30, context=files.context())
    kept.connect()
    files.issue("prometheus")
    files.write("web.yml", CLIENT_CERTIFICATES)

    def certificate_wanted():
        try:
            return ask(daemon, "/-/healthy", context=files.context()).status == 403
        except (ssl.SSLError, ConnectionError):
            return True

    wait_for("client certificates", certificate_wanted, timeout=20)
    equal(ask(daemon, "/metrics", connection=kept).status, 403, "a connection from before")
    kept.close()
    equal(status(daemon, "/metrics", context=files.context("prometheus")), 200, "with a certificate")
    # Plain HTTP would come as a surprise.
    files.write("web.yml", USERS)
    wait_for("the refusal", lambda: status(daemon, "/metrics", context=files.context("prometheus")) == 200 and
             "restart to turn TLS on or off" in daemon.log(), timeout=20)
    equal(daemon.poll(), None, "exit code")


def client_certificates(test):
    files = authority(test)
    files.issue("prometheus", "DNS:prometheus.example,URI:spiffe://example/prometheus")
    files.issue("other", "DNS:other.example")
    stranger = Authority(test.directory("stranger"))
    stranger.issue("prometheus", "DNS:prometheus.example")

    def foreign():
        context = files.context()
        context.load_cert_chain(stranger.path("prometheus.pem"), stranger.path("prometheus.key"))
        return context

    daemon = serving(test, files, CLIENT_CERTIFICATES, listen="0.0.0.0:0")
    for path in ("/", "/metrics", "/api/v1/scores", "/-/healthy"):
        equal(status(daemon, path, context=files.context("prometheus")), 200, f"{path} with a certificate")
    refused_by_tls(daemon, files.context(), "no certificate")
    refused_by_tls(daemon, foreign(), "a certificate of somebody else")

    named = serving(test, files, CLIENT_CERTIFICATES + "  client_allowed_sans: [\"spiffe://example/prometheus\"]\n")
    equal(status(named, "/", context=files.context("prometheus")), 200, "an allowed name")
    refused_by_tls(named, files.context("other"), "another name")

    given = serving(test, files, CLIENT_CERTIFICATES.replace("RequireAndVerify", "Verify").replace(
        "ClientCert\n", "ClientCertIfGiven\n"), listen="0.0.0.0:0")
    equal(status(given, "/metrics", context=files.context()), 200, "no certificate where none is required")
    equal(status(given, "/api/v1/scores", context=files.context()), 403, "API without a certificate")
    refused_by_tls(given, foreign(), "a certificate of somebody else where none is required")

    whatever = serving(test, files, TLS + "  client_auth_type: RequireAnyClientCert\n", listen="0.0.0.0:0")
    equal(status(whatever, "/metrics", context=foreign()), 200, "any certificate")
    equal(status(whatever, "/", context=foreign()), 403, "the page with any certificate")
    refused_by_tls(whatever, files.context(), "no certificate where any is required")


def healthcheck(test):
    files = authority(test)
    for web_config, expected in (
            (TLS, "Plumbline is Healthy.\nPlumbline is Ready.\n"),
            (USERS, "The daemon is alive and asks for a password.\n"),
            (TLS + USERS, "The daemon is alive and asks for a password.\n"),
            (CLIENT_CERTIFICATES, "The daemon is alive and asks for a client certificate.\n")):
        daemon = serving(test, files, web_config)
        done = test.run("healthcheck", f"--web.listen-address=127.0.0.1:{daemon.port}",
                        "--web.config.file=" + files.path("web.yml"))
        equal((done.returncode, done.stdout), (0, expected), f"healthcheck with {web_config} ({done.stderr})")
        daemon.stop()
        done = test.run("healthcheck", f"--web.listen-address=127.0.0.1:{daemon.port}",
                        "--web.config.file=" + files.path("web.yml"))
        equal(done.returncode, 2, "healthcheck of nothing")


def at_the_start(test):
    """What is wrong is said before anything is opened, by check-config and serve alike."""
    files = authority(test)
    simulator = test.simulator()
    config = test.configure(simulator)
    for text, message in ((CLIENT_CERTIFICATES.replace("ca.pem", "none.pem"),
                           f"web.yml:5:19: {files.path('none.pem')}: No such file or directory"),
                          ("basic_auth_users:\n  alice: secret\n",
                           "web.yml:2:10: the password of `alice` must be a bcrypt hash ($2a$, $2b$ or $2y$)")):
        files.write("web.yml", text)
        for command in ("check-config", "serve"):
            done = test.run(command, "--config.file=" + config, "--web.config.file=" + files.path("web.yml"),
                            simulator=simulator)
            equal(done.returncode, 2, f"exit code of {command}")
            contains(done.stderr, message, command)
    # The same file, named in the configuration.
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("web: {", f"web: {{config_file: \"{files.path('web.yml')}\", "))
    contains(test.run("check-config", "--config.file=" + config).stderr, message, "check-config by the configuration")
    # An encrypted key: nobody is there to type its password.
    files.encrypt_key("server")
    files.write("web.yml", TLS)
    done = test.run("check-config", "--config.file=" + config, timeout=30)
    equal(done.returncode, 2, "exit code with an encrypted key")
    contains(done.stderr, "server.key: holds no private key in PEM that can be used (an encrypted one cannot)", "key")
    files.write("web.yml", USERS + "http_server_config: {http2: true}\n")
    contains(test.run("check-config", "--config.file=" + config).stdout, "`http2` has no effect", "check-config")
    daemon = test.serve(config, simulator)
    contains(daemon.log(), "event=web_config_key_ignored", "log")
    equal(status(daemon, "/metrics"), 401, "metrics")
    started = time.monotonic()
    equal(status(daemon, "/metrics", headers=ALICE), 200, "metrics with the password")
    check(time.monotonic() - started < 10, "a login takes too long")


def edit(path, old, new):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    check(old in text, f"no {old!r} in {path}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))


def reload_by_request(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    before = len(daemon.api("checks")["checks"])
    gone = daemon.api("checks")["checks"][-1]["reference"]
    restore = keep_checks(test.selected_baseline, lambda name: name != gone)
    answer = ask(daemon, "/-/reload", "POST")
    equal((answer.status, answer.text()), (200, "Plumbline is reloaded.\n"), "POST")
    # It is in force when it is answered, not later.
    checks = {row["reference"] for row in daemon.api("checks")["checks"]}
    equal(len(checks), before - 1, "checks")
    check(gone not in checks, f"{gone} is still there")
    restore()
    equal(status(daemon, "/-/reload", method="PUT"), 200, "PUT")
    equal(len(daemon.api("checks")["checks"]), before, "checks again")

    # Several at once: each is answered.
    threads = []
    statuses = []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: statuses.append(status(daemon, "/-/reload", method="POST"))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    equal(statuses, [200] * 8, "eight at once")

    edit(config, "sweep: 1h", "sweep: soon")
    answer = ask(daemon, "/-/reload", "POST")
    equal(answer.status, 500, "a broken configuration")
    contains(answer.json()["detail"], "`sweep` must be a duration", "reason")
    equal(daemon.metric("plumbline_config_last_reload_successful"), 0, "metric")
    edit(config, "sweep: soon", "sweep: 1h")
    edit(config, "plumbline.db", "other.db")
    contains(ask(daemon, "/-/reload", "POST").json()["detail"], "restart to change storage.path", "reason")
    edit(config, "other.db", "plumbline.db")
    equal(status(daemon, "/-/reload", method="POST"), 200, "mended")

    for method in ("GET", "HEAD", "DELETE", "PATCH", "OPTIONS"):
        answer = ask(daemon, "/-/reload", method)
        equal((answer.status, answer.headers["Allow"]), (405, "POST, PUT"), f"{method} /-/reload")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FROB"):
        answer = ask(daemon, "/metrics", method)
        equal((answer.status, answer.headers["Allow"]), (405, "GET, HEAD"), f"{method} /metrics")
    reloads = daemon.log().count("event=reloaded") + daemon.log().count("event=reload_failed")
    own = f"127.0.0.1:{daemon.port}"
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                    {"X-Forwarded-For": "10.0.0.1"}, {"Host": "evil.example"}, {"Host": "10.0.0.1"},
                    {"Origin": "http://evil.example", "Host": "evil.example"}, {"Origin": f"https://{own}"}):
        equal(status(daemon, "/-/reload", method="POST", headers=headers), 403, str(headers))
    equal(status(daemon, "/-/reload", method="POST", headers={"Origin": f"http://{own}"}), 200, "the own page")
    equal(daemon.log().count("event=reloaded") + daemon.log().count("event=reload_failed"), reloads + 1, "reloads")
    equal(daemon.poll(), None, "exit code")


def reload_from_elsewhere(test):
    """Not without a password, even where everything else is open."""
    files = authority(test)
    elsewhere = other_address()
    opened = serving(test, files, None, "--web.allow-anonymous", listen="0.0.0.0:0")
    equal(status(opened, "/-/reload", method="POST"), 200, "from loopback")

    def post(daemon, headers=None):
        connection = http.client.HTTPConnection(elsewhere, daemon.port, timeout=30)
        try:
            connection.request("POST", "/-/reload", headers=headers or {})
            return connection.getresponse().status
        finally:
            connection.close()

    equal(post(opened), 403, "from elsewhere")
    equal(post(opened, {"Host": "127.0.0.1"}), 403, "from elsewhere, with the Host of loopback")
    known = serving(test, files, USERS, listen="0.0.0.0:0")
    equal(post(known), 401, "from elsewhere, without the password")
    equal(post(known, ALICE), 200, "from elsewhere, with the password")
    equal(post(known, {**ALICE, "Origin": "http://evil.example"}), 403, "by the page of another site")


def other_address():
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError as error:
            raise Skip("the machine has no address but loopback") from error
        return probe.getsockname()[0]


def rebinding(test):
    """A name that leads here but is not the daemon's."""
    files = authority(test)
    daemon = serving(test, files, None, "--web.external-url=https://plumbline.example/")
    for host in ("evil.example", f"evil.example:{daemon.port}", "127.0.0.1.evil.example"):
        for path in ("/", "/api/v1/scores", "/metrics", "/-/healthy"):
            equal(status(daemon, path, headers={"Host": host}), 403, f"{path} of {host}")
    for host in ("localhost", f"localhost:{daemon.port}", "127.0.0.1", "[::1]", "plumbline.example", "10.0.0.1:80",
                 socket.gethostname()):
        equal(status(daemon, "/api/v1/scores", headers={"Host": host}), 200, host)
    # Who needs a password anyway is not held up by a name.
    known = serving(test, files, USERS)
    equal(status(known, "/metrics", headers={**ALICE, "Host": "monitor.example"}), 200, "another name")
    done = test.run("serve", "--config.file=" + test.configure(test.simulator()), "--web.external-url=plumbline")
    equal(done.returncode, 2, "exit code with a bad URL")
    contains(done.stderr, "--web.external-url: URL is not an absolute http or https URL", "bad URL")


def raw(daemon, payload, timeout=30):
    """What the daemon answers to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=timeout) as connection:
        answer = b""
        try:
            connection.sendall(payload)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
        return answer


def malformed(test):
    files = authority(test)
    daemon = serving(test, files, None)
    host = b"Host: localhost\r\n"
    post = b"POST /-/reload HTTP/1.1\r\n" + host
    hidden = b"GET /metrics HTTP/1.1\r\n" + host + b"\r\n"
    for expected, payload in (
            (400, b"GET /metrics HTTP/1.1\r\n\r\n" + hidden),
            (400, post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden),
            (400, post + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + hidden),
            (501, post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden),
            (400, post + b"X: a\r\n b\r\n\r\n" + hidden),
            (400, post + b"X: a\nY: b\r\n\r\n" + hidden),
            (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n" + hidden),
            (431, b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 17000 + b"\r\n\r\n" + hidden),
            (413, post + b"Content-Length: 1048577\r\n\r\n" + b"a" * 1048577 + hidden),
            (505, b"GET / HTTP/3.0\r\n" + host + b"\r\n" + hidden)):
        answer = raw(daemon, payload)
        equal(answer.split(b" ", 2)[:2], [b"HTTP/1.1", str(expected).encode()], repr(payload[:80]))
        equal(answer.count(b"HTTP/1.1 "), 1, f"answers to {payload[:80]!r}")
        for header in (b"\r\nContent-Security-Policy: default-src 'none'", b"\r\nX-Content-Type-Options: nosniff",
                       b"\r\nConnection: close"):
            check(header in answer, f"no {header!r} in {answer!r}")
    check(daemon.metric("plumbline_http_connections_cut_total", reason="malformed") >= 10, "metric")
    equal(daemon.log().count("event=reload"), 0, "reloads")
    # A body is read and forgotten.
    largest = b"a" * 1048576
    answer = raw(daemon, post + b"Connection: close\r\nContent-Length: 1048576\r\n\r\n" + largest)
    check(answer.startswith(b"HTTP/1.1 200 "), f"the largest body: {answer[:200]!r}")
    equal(daemon.poll(), None, "exit code")


def slow_clients(test):
    """500 connections that never finish a request; health is answered as if they were not there."""
    files = authority(test)
    daemon = serving(test, files, None)
    slow = []
    try:
        in_time = 0
        for round_number in range(5):
            # Each round opens anew what the daemon has cut.
            for connection in slow:
                connection.close()
            slow = []
            for _ in range(500):
                connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=30)
                connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nX: ")
                slow.append(connection)
            for _ in range(20):
                for connection in slow:
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        pass
                started = time.monotonic()
                equal(status(daemon, "/-/healthy"), 200, f"health in round {round_number}")
                in_time += time.monotonic() - started < 0.1
        # The machine may be busy with something else for a moment.
        check(in_time >= 90, f"only {in_time} of 100 answers within 100 ms")
        check(daemon.metric("plumbline_http_connections_cut_total", reason="displaced") > 1000, "displaced")
        check(daemon.metric("process_open_fds") < 300, "descriptors")

        # Whoever is not displaced is cut by the clock.
        def all_closed():
            return daemon.metric("process_open_fds") < 100

        wait_for("the end of the slow ones", all_closed, timeout=30)
        check(daemon.metric("plumbline_http_connections_cut_total", reason="slow") > 0, "cut for being slow")
    finally:
        for connection in slow:
            connection.close()


def few_descriptors(test):
    """Running out of descriptors stops neither the daemon nor its answers."""
    files = authority(test)
    daemon = serving(test, files, None)
    # The sanitizer takes descriptors of its own when it sees a type for the first time.
    equal(status(daemon, "/-/healthy"), 200, "health with descriptors")
    # Lowering a limit needs no privilege; what is open stays so.
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (64, 64))
    idle = [socket.create_connection(("127.0.0.1", daemon.port), timeout=30) for _ in range(200)]
    try:
        for _ in range(5):
            equal(status(daemon, "/-/healthy"), 200, "health without descriptors")
    finally:
        for connection in idle:
            connection.close()
    wait_for("all as before", lambda: status(daemon, "/api/v1/scores") == 200)


def many_logins(test):
    """300 at once, right and wrong: each gets its answer, and who is known already does not wait."""
    files = authority(test)
    daemon = serving(test, files, USERS + f"  bob: {FAST_HASH}\n")
    equal(status(daemon, "/-/healthy", headers=ALICE), 200, "known from now on")
    answers = []

    def log_in(headers, expected):
        answers.append((expected, status(daemon, "/metrics", headers=headers)))

    threads = []
    for number in range(300):
        kind = number % 3
        headers = (ALICE, password("bob", "secret"), password("bob", f"wrong{number}"))[kind]
        threads.append(threading.Thread(target=log_in, args=(headers, 401 if kind == 2 else 200)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(len(answers), 300, "answers")
    equal([pair for pair in answers if pair[0] != pair[1]], [], "wrong answers")

    # Slow hashes in a row, by somebody who guesses: the others do not feel it.
    guessing = [threading.Thread(target=log_in, args=(password("alice", f"guess{number}"), 401)) for number in range(60)]
    for thread in guessing:
        thread.start()
    in_time = 0
    for _ in range(20):
        started = time.monotonic()
        equal(status(daemon, "/-/healthy", headers=ALICE), 200, "health meanwhile")
        in_time += time.monotonic() - started < 0.1
    for thread in guessing:
        thread.join()
    check(in_time >= 17, f"only {in_time} of 20 answers within 100 ms")
    equal([pair for pair in answers if pair[0] != pair[1]], [], "wrong answers")


if __name__ == "__main__":
    main([passwords, beyond_loopback, tls, certificate_replaced, client_certificates, healthcheck, at_the_start,
          reload_by_request, reload_from_elsewhere, rebinding, malformed, slow_clients, few_descriptors, many_logins])
