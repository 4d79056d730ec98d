#!/usr/bin/env python3
"""The daemon signs in wherever it runs, says why where it cannot, and shows nobody what it signs in with."""

import os
import shutil
import subprocess
import time

from harness import PATIENCE, Skip, check, contains, equal, main, read_text, wait_for

TENANT = "72f988bf-0000-4000-8000-00000000beef"
CLIENT = "11112222-0000-4000-8000-00000000cafe"
SECRET = "FAKE-SECRET-of-the-application/+&="
COMMON = f"tenant_id: {TENANT}, client_id: {CLIENT}"
FAST = {"sweep": "5s", "details": "1h"}


def write(path, text, mode=0o600):
    """In one step, as those do who replace a secret under a running process."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


def configure(test, simulator, credential):
    return test.configure(simulator, azure=f"  credential: {{{credential}}}\n", **FAST)


def signs_in(test, simulator, config, route):
    """A whole pass; the token came by this route."""
    before = simulator.requests()["routes"].get(route, 0)
    done = test.once(config, simulator, "--log.level", "debug")
    equal(done.returncode, 1, f"exit code of once ({done.stderr[-600:]})")
    check(simulator.requests()["routes"].get(route, 0) > before, f"nothing was asked by {route}")
    silent(done.stdout + done.stderr)
    return done


def refused(test, simulator, config, *texts):
    done = test.once(config, simulator, "--log.level", "debug")
    equal(done.returncode, 2, f"exit code of once ({done.stderr[-600:]})")
    for text in texts:
        contains(done.stderr, text, "error of once")
    silent(done.stdout + done.stderr)
    return done


def silent(text, *secrets):
    for secret in (SECRET, "FAKE-SECRET", "PRIVATE KEY", "client_assertion", *secrets):
        check(secret not in text, f"{secret!r} came out: {text[-1500:]}")


def drift(daemon):
    return sorted(item["id"] for item in daemon.api("drift", limit=1000)["drift"])


def certificate(directory, name, days=30):
    """A certificate with its key, in one file; returns its path and the certificate alone."""
    tool = shutil.which("openssl")
    if not tool:
        raise Skip("the openssl program is not installed")
    key, public = os.path.join(directory, name + ".key"), os.path.join(directory, name + ".crt")
    subprocess.run([tool, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", public,
                    "-days", str(days), "-subj", "/CN=plumbline"], check=True, capture_output=True)
    both = os.path.join(directory, name + ".pem")
    write(both, read_text(key) + read_text(public))
    return both, read_text(public)


def entra_secret(test):
    simulator = test.simulator()
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET})
    directory = test.directory("secrets")
    path = os.path.join(directory, "secret")
    config = configure(test, simulator, f"type: client_secret, {COMMON}, secret: {{file: \"{path}\"}}")
    refused(test, simulator, config, "client secret: ", path, "No such file or directory")
    write(path, SECRET + "\n")
    signs_in(test, simulator, config, "entra.token")
    write(path, "FAKE-SECRET-wrong")
    refused(test, simulator, config,
            "client secret: status 401 invalid_client AADSTS7000215 (the client secret is wrong)")

    other = configure(test, simulator, f"type: client_secret, {COMMON}, secret: {{environment: APP_SECRET}}")
    refused(test, simulator, other, "$APP_SECRET is empty")
    test.variables = {"APP_SECRET": SECRET}
    signs_in(test, simulator, other, "entra.token")
    other = configure(test, simulator, f"type: client_secret, {COMMON}, secret: {{credential: app}}")
    refused(test, simulator, other, "systemd credential app: CREDENTIALS_DIRECTORY is not set")
    test.variables = {"CREDENTIALS_DIRECTORY": directory}
    write(os.path.join(directory, "app"), SECRET)
    signs_in(test, simulator, other, "entra.token")
    other = configure(test, simulator, f"type: client_secret, tenant_id: {TENANT}, client_id: nobody, "
                                       "secret: {credential: app}")
    refused(test, simulator, other, "AADSTS700016 (the tenant does not know the client id)")
    other = configure(test, simulator, f"type: client_secret, tenant_id: other.example, client_id: {CLIENT}, "
                                       "secret: {credential: app}")
    refused(test, simulator, other, "AADSTS90002 (there is no such tenant)")


def entra_secret_is_replaced(test):
    """A running daemon recovers by itself, keeps its last state meanwhile, and shows the secret nowhere."""
    simulator = test.simulator("--token-lifetime", "8")
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET})
    path = os.path.join(test.directory("secrets"), "secret")
    write(path, SECRET)
    credential = f"type: client_secret, {COMMON}, secret: {{file: \"{path}\"}}"
    config = test.configure(simulator, azure=f"  credential: {{{credential}}}\n", extra="log: {level: debug}\n", **FAST)
    daemon = test.serve(config, simulator)
    wait_for("verdicts", daemon.results, alive=[daemon])
    daemon.wait_passes(1)
    counts = wait_for("the usual counts", lambda: daemon.counts() if daemon.counts().get("Compliant") == 48 else None,
                      alive=[daemon])
    before = drift(daemon)
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET + "2"})
    wait_for("the refusal", lambda: "AADSTS7000215" in daemon.get("/-/ready").text(), alive=[daemon])
    # What cannot be asked is not known; nothing is said to be good, bad or gone.
    wait_for("missing evidence", lambda: daemon.counts() == {"NoEvidence": sum(counts.values())}, alive=[daemon])
    equal(drift(daemon), before, "drift while signing in fails")
    write(path, SECRET + "2")
    wait_for("signing in", lambda: daemon.get("/-/ready").text() == "Plumbline is Ready.\n", alive=[daemon])
    wait_for("the verdicts of before", lambda: daemon.counts() == counts, alive=[daemon])
    silent(daemon.log() + daemon.get("/metrics").text() + daemon.get("/api/v1/status").text())
    check(daemon.metric("plumbline_azure_requests_total", service="entra", code="401") >= 1, "no refusal counted")
    check(daemon.metric("plumbline_token_expiry_timestamp_seconds") > time.time() - 60, "no expiry of the token")
    equal(daemon.stop(), 0, "exit code")
    directory = os.path.dirname(config)
    for name in os.listdir(directory):
        if not name.endswith(".yaml"):
            with open(os.path.join(directory, name), "rb") as file:
                silent(file.read().decode("latin-1"))


def entra_certificate(test):
    simulator = test.simulator()
    directory = test.directory("certificates")
    path, public = certificate(directory, "good")
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT, "certificate": public})
    for algorithm in ("PS256", "RS256"):
        config = configure(test, simulator, f"type: client_certificate, {COMMON}, algorithm: {algorithm}, "
                                            f"certificate: {{file: \"{path}\"}}")
        signs_in(test, simulator, config, "entra.token")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    left = daemon.metric("plumbline_client_certificate_expiry_timestamp_seconds") - time.time()
    check(29 * 86400 < left <= 30 * 86400, f"the certificate ends in {left} s")
    equal(daemon.stop(), 0, "exit code")

    other, _ = certificate(directory, "other")
    wrong = configure(test, simulator, f"type: client_certificate, {COMMON}, certificate: {{file: \"{other}\"}}")
    done = refused(test, simulator, wrong, "client certificate: status 401 invalid_client AADSTS700027")
    check("the certificate ended" not in done.stderr, "a certificate that is good is said to have ended")
    secret = configure(test, simulator, f"type: client_certificate, {COMMON}, "
                                        f"certificate: {{file: \"{os.path.join(directory, 'good.crt')}\"}}")
    refused(test, simulator, secret, "client certificate: there is no private key in PEM form")


def entra_certificate_has_ended(test):
    """Entra's refusal is explained by what the certificate says; it is Entra that decides."""
    simulator = test.simulator()
    directory = test.directory("certificates")
    certificate(directory, "good")
    key, public = os.path.join(directory, "good.key"), os.path.join(directory, "old.crt")
    for name, text in (("index.txt", ""), ("serial", "01\n"),
                       ("ca.conf", "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nserial=serial\n"
                                   "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")):
        write(os.path.join(directory, name), text)
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=plumbline", "-out", "csr"], check=True,
                   capture_output=True, cwd=directory)
    subprocess.run(["openssl", "ca", "-batch", "-selfsign", "-notext", "-config", "ca.conf", "-keyfile", key, "-in",
                    "csr", "-out", public, "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"], check=True,
                   capture_output=True, cwd=directory)
    path = os.path.join(directory, "both.pem")
    write(path, read_text(public) + read_text(key))
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT, "certificate": read_text(public)})
    config = configure(test, simulator, f"type: client_certificate, {COMMON}, certificate: {{file: \"{path}\"}}")
    refused(test, simulator, config, "AADSTS700027", "; the certificate ended on 2020-02-01T00:00:00")


def workload_identity(test):
    simulator = test.simulator()
    path = os.path.join(test.directory("token"), "token")
    known = {"tenant_id": TENANT, "client_id": CLIENT}
    test.variables = {"AZURE_CLIENT_ID": CLIENT, "AZURE_TENANT_ID": TENANT, "AZURE_FEDERATED_TOKEN_FILE": path,
                      "AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{simulator.arm_port}/"}
    simulator.admin("PUT", "identity", {**known, "federated_token": "a.FAKE-SECRET-1.c"})
    config = configure(test, simulator, "type: workload_identity")
    refused(test, simulator, config, "workload identity: " + path)
    write(path, "a.FAKE-SECRET-1.c")
    signs_in(test, simulator, config, "entra.token")
    # The kubelet replaces it: a daemon that runs takes the new one.
    simulator.admin("PUT", "identity", {**known, "federated_token": "a.FAKE-SECRET-2.c"})
    refused(test, simulator, config, "AADSTS70021 (no federated credential of the application matches the token)")
    daemon = test.serve(config, simulator)
    wait_for("the refusal", lambda: "AADSTS70021" in daemon.get("/-/ready").text(), alive=[daemon])
    write(path, "a.FAKE-SECRET-2.c\n")
    wait_for("verdicts", daemon.results, alive=[daemon])
    silent(daemon.log())
    equal(daemon.stop(), 0, "exit code")
    write(path, "x" * 70_000)
    refused(test, simulator, config, "larger than 65536 bytes")

    del test.variables["AZURE_FEDERATED_TOKEN_FILE"]
    refused(test, simulator, config, "credential type workload_identity: neither azure.credential.token_file nor "
                                     "AZURE_FEDERATED_TOKEN_FILE in the environment is set")
    write(path, "a.FAKE-SECRET-2.c")
    signs_in(test, simulator, configure(test, simulator, f"type: workload_identity, token_file: \"{path}\""),
             "entra.token")
    test.variables["AZURE_AUTHORITY_HOST"] = f"http://127.0.0.1:{simulator.imds_port}/"
    refused(test, simulator, configure(test, simulator, f"type: workload_identity, token_file: \"{path}\""),
            "AZURE_AUTHORITY_HOST", "https://")


def app_service(test):
    simulator = test.simulator()
    simulator.admin("PUT", "identity", {"identity_header": "FAKE-SECRET-header"})
    test.variables = {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{simulator.imds_port}/msi/token",
                      "IDENTITY_HEADER": "FAKE-SECRET-header"}
    config = configure(test, simulator, "type: managed_identity, client_id: some-identity")
    signs_in(test, simulator, config, "app_service.token")
    # Its own kind of error, and for a while only.
    simulator.set_faults([{"match": {"path_prefix": "/msi/token"}, "status": 500, "times": 2,
                           "body": {"statusCode": 500, "message": "An error.", "correlationId": "x"}}])
    done = signs_in(test, simulator, config, "app_service.token")
    contains(done.stderr, "managed identity (App Service): status 500", "log")
    test.variables["IDENTITY_HEADER"] = "FAKE-SECRET-other"
    refused(test, simulator, config, "managed identity (App Service): status 401")


def azure_arc(test):
    """The daemon sees a directory of the test as the agent's, in a mount namespace of its own."""
    tokens = test.directory("tokens")
    script = ("mount -t tmpfs none /var/opt && mkdir -p /var/opt/azcmagent/tokens && "
              f"mount --bind {tokens} /var/opt/azcmagent/tokens && exec \"$0\" \"$@\"")
    wrapper = ["unshare", "-m", "sh", "-c", script]
    probe = subprocess.run(wrapper + ["true"], capture_output=True, check=False)
    if probe.returncode != 0:
        raise Skip("no mount namespace can be made here")
    simulator = test.simulator()
    simulator.admin("PUT", "identity", {"arc_directory": tokens, "arc_realm": "/var/opt/azcmagent/tokens"})
    test.variables = {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{simulator.imds_port}/arc/metadata/identity/oauth2/token",
                      "IMDS_ENDPOINT": f"http://127.0.0.1:{simulator.imds_port}"}
    config = configure(test, simulator, "type: managed_identity")

    def once():
        return subprocess.run(wrapper + [test.binary("plumbline"), "once", "--config.file=" + config],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              timeout=2 * PATIENCE, env=test.environment(simulator))

    done = once()
    equal(done.returncode, 1, f"exit code of once ({done.stderr[-600:]})")
    check(simulator.requests()["routes"].get("azure_arc.token", 0) >= 2, "there was no challenge")
    keys = [name for name in os.listdir(tokens) if name.endswith(".key")]
    for name in keys:
        silent(done.stdout + done.stderr, read_text(os.path.join(tokens, name)))

    outside = os.path.join(test.directory("outside"), "secret.key")
    write(outside, "FAKE-SECRET-of-another")
    write(os.path.join(tokens, "large.key"), "k" * 4097)
    os.symlink(outside, os.path.join(tokens, "link.key"))
    for realm, text in ((outside, "it is not opened"),
                        ("/var/opt/azcmagent/tokens/../../../../" + outside, "it is not opened"),
                        ("/var/opt/azcmagent/tokens/large.txt", "it is not opened"),
                        ("/var/opt/azcmagent/tokens/large.key", "larger than 4096 bytes"),
                        ("/var/opt/azcmagent/tokens/link.key", "Too many levels of symbolic links"),
                        ("/var/opt/azcmagent/tokens/missing.key", "No such file or directory")):
        simulator.set_faults([{"match": {"path_prefix": "/arc/"}, "status": 401, "body": "{}",
                               "headers": {"WWW-Authenticate": "Basic realm=" + realm}}])
        done = once()
        equal(done.returncode, 2, f"exit code of once for {realm}")
        contains(done.stderr, text, f"error of once for {realm}")
        silent(done.stdout + done.stderr)
    config = configure(test, simulator, "type: managed_identity, client_id: x")
    done = once()
    equal(done.returncode, 2, "exit code with another identity")
    contains(done.stderr, "a machine with Azure Arc has one identity", "error of once")


def fake_az(test, script):
    """A directory with an `az` that does what a shell script says."""
    directory = test.directory("bin")
    write(os.path.join(directory, "az"), "#!/bin/sh\n" + script + "\n", 0o755)
    return directory


def azure_cli(test):
    simulator = test.simulator()
    config = configure(test, simulator, f"type: azure_cli, tenant_id: {TENANT}")
    system = os.environ["PATH"]
    test.variables = {"PATH": test.directory("empty")}
    refused(test, simulator, config, "azure cli: az cannot be started: No such file or directory")
    called = os.path.join(test.directory("called"), "arguments")
    directory = fake_az(test, f"echo \"$@\" >>{called}; printf '{{\"accessToken\":\"%s\",\"expires_on\":%s}}' "
                              f"'{simulator.token()}' $(($(date +%s) + 3600))")
    test.variables = {"PATH": directory + ":" + system}
    done = test.once(config, simulator)
    equal(done.returncode, 1, f"exit code of once ({done.stderr[-600:]})")
    equal(set(read_text(called).splitlines()), {"account get-access-token --output json --resource "
                                                f"https://management.azure.com/ --tenant {TENANT}"}, "arguments of az")
    for script, text in (("echo \"ERROR: Please run 'az login' FAKE-SECRET\" >&2; exit 1",
                          "az ended with 1: nobody is signed in; run az login"),
                         ("echo 'AADSTS700082: The refresh token FAKE-SECRET has expired' >&2; exit 1",
                          "az ended with 1 AADSTS700082"),
                         ("echo FAKE-SECRET; exit 0", "az printed something else than a token"),
                         ("yes FAKE-SECRET", "az wrote more than 262144 bytes")):
        test.variables = {"PATH": fake_az(test, script) + ":" + system}
        refused(test, simulator, config, text)


def azure_cli_hangs(test):
    """It is killed with all that it started, and nothing else waits for it."""
    simulator = test.simulator()
    left = os.path.join(test.directory("left"), "pid")
    test.variables = {"PATH": fake_az(test, f"sleep 600 & echo $! >{left}; wait") + ":" + os.environ["PATH"]}
    config = configure(test, simulator, "type: azure_cli")
    daemon = test.serve(config, simulator)
    pid = wait_for("az", lambda: read_text(left).strip(), alive=[daemon])
    started = time.monotonic()
    equal(daemon.get("/-/healthy").status, 200, "health")
    check(time.monotonic() - started < 5, "the daemon waits for az")
    wait_for("the end of az", lambda: "az was killed: it took longer than 20 s" in daemon.get("/-/ready").text(),
             alive=[daemon])

    def gone():
        state = read_text(f"/proc/{pid}/stat")
        return not state or state.rsplit(")", 1)[1].split()[0] == "Z"

    wait_for("the end of what az started", gone)
    # A daemon that stops does not wait for it either.
    os.remove(left)
    pid = wait_for("az again", lambda: read_text(left).strip(), alive=[daemon])
    equal(daemon.stop(timeout=10), 0, "exit code")
    wait_for("the end of what az started", gone)

    os.remove(left)
    daemon = test.serve(config, simulator)
    pid = wait_for("az once more", lambda: read_text(left).strip(), alive=[daemon])
    daemon.kill()
    wait_for("the end of what az started, after a SIGKILL of the daemon", gone)


def chain(test):
    """`default`: what exists first is kept; what exists and is refused is not passed over."""
    simulator = test.simulator()
    config = configure(test, simulator, "type: default")
    empty = test.directory("empty")
    simulator.set_faults([{"match": {"path_prefix": "/metadata/identity"}, "status": 400,
                           "body": {"error": "invalid_request", "error_description": "Identity not found"}}])
    test.variables = {"PATH": empty}
    refused(test, simulator, config, "default: no way of signing in exists here: environment: neither ",
            "; workload identity: neither ", "; managed identity: status 400 invalid_request",
            "; azure cli: az cannot be started")
    simulator.clear_faults()
    done = signs_in(test, simulator, config, "imds.token")
    contains(done.stderr, "event=credential_chosen kind=\"managed identity\"", "log")
    simulator.admin("PUT", "identity", {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET})
    test.variables = {"PATH": empty, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT,
                      "AZURE_CLIENT_SECRET": SECRET}
    done = signs_in(test, simulator, config, "entra.token")
    contains(done.stderr, "event=credential_chosen kind=\"client secret\"", "log")
    test.variables["AZURE_CLIENT_SECRET"] = "FAKE-SECRET-wrong"
    before = simulator.requests()["routes"].get("imds.token", 0)
    refused(test, simulator, config, "default: client secret: status 401 invalid_client AADSTS7000215")
    equal(simulator.requests()["routes"].get("imds.token", 0), before, "questions to the metadata service")


if __name__ == "__main__":
    main([entra_secret, entra_secret_is_replaced, entra_certificate, entra_certificate_has_ended, workload_identity,
          app_service, azure_arc, azure_cli, azure_cli_hangs, chain])
