#!/usr/bin/env python3
"""Who may ask the daemon what: TLS, client certificates, passwords, and what is refused."""

import base64
import http.client
import os
import shutil
import ssl
import subprocess
import time

from harness import Answer, Failure, Skip, check, contains, equal, main, wait_for

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
    files.write("web.yml", USERS)
    daemon = test.serve(config, simulator)
    equal(status(daemon, "/metrics"), 401, "metrics")
    started = time.monotonic()
    equal(status(daemon, "/metrics", headers=ALICE), 200, "metrics with the password")
    check(time.monotonic() - started < 10, "a login takes too long")


if __name__ == "__main__":
    main([passwords, beyond_loopback, tls, certificate_replaced, client_certificates, healthcheck, at_the_start])
