"""What the acceptance tests share: the real daemon and the real simulator as processes, and how to ask them.

Every test runs in a temporary directory, on ports that the system picks, and waits for something that can be
seen (a log line, an API answer, a file) up to a deadline. Whatever a test started is killed by its process id
when the test ends; when it fails, the logs are printed.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

SKIPPED = 77
# Generous, because a sanitised build on a busy machine must pass too; nothing waits longer than it has to.
PATIENCE = 60.0

PRODUCTION = "3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1"
PLATFORM = "8c61d7e2-04fb-4a3d-b5e9-2d7f9a10c364"
DEVELOPMENT = "d95b0e17-6a82-4c4f-8e13-b07c3f5a29de"


# The checks of the tests that are about the daemon, not about the baseline: few enough to say what each must find
# in the scenario, and of every kind (property, array, extension resource, relation, parameter). The baseline grows;
# this list does not.
SELECTION = (
    "NS-2.2-workspace-public-query", "NS-2.2-workspace-public-ingestion", "IM-1.1-component-local-auth",
    "IM-3.1-vm-identity", "IM-3.2-webhook-https", "IM-3.2-webhook-entra-auth", "PA-7.1-workspace-access-mode",
    "DP-3.1-sink-storage-min-tls", "DP-5.1-cluster-cmk", "LT-4.1-workspace-query-audit", "LT-4.1-resource-diagnostics",
    "LT-4.1-activity-log-export", "LT-4.1-alert-policy-assignment-write", "LT-4.1-component-workspace-based",
    "BR-1.2-workspace-replication", "WAF-CONTAINERS.5-insights-workspace-secure")


class Failure(AssertionError):
    """An expectation that did not hold."""


class Skip(Exception):
    """The test cannot run here; the text says why."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: expected {expected!r}, got {actual!r}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what}: no {part!r} in {text[-2000:]!r}")


def wait_for(what, condition, timeout=PATIENCE, alive=()):
    """Polls `condition` until it gives something true, and returns that. `alive`: processes that must live."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        for process in alive:
            if process.poll() is not None:
                raise Failure(f"{process.name} ended with {process.poll()} while waiting for {what}")
        if time.monotonic() > deadline:
            raise Failure(f"no {what} within {timeout:.0f} s")
        time.sleep(0.02)


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def keep_checks(baseline, wanted):
    """Takes the other checks out of the initiative in that directory, and out of the rows they stand under. Returns
    what puts them back."""
    paths = [os.path.join(baseline, name) for name in ("initiative.json", "features.json")]
    before = {path: read_text(path) for path in paths}
    initiative, structure = (json.loads(before[path]) for path in paths)
    initiative["properties"]["policyDefinitions"] = [
        reference for reference in initiative["properties"]["policyDefinitions"]
        if wanted(reference["policyDefinitionReferenceId"])]
    for row in structure["features"] + structure["recommendations"]:
        for names in ("checks", "seeAlso"):
            row[names] = [name for name in row[names] if wanted(name)]
    for path, document in zip(paths, (initiative, structure)):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)

    def restore():
        for path, text in before.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    return restore


class Answer:
    """An HTTP answer."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def text(self):
        return self.body.decode("utf-8", errors="replace")

    def json(self):
        return json.loads(self.body)


def http_request(port, method, path, body=None, headers=None, host="127.0.0.1", timeout=30):
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        payload = None
        headers = dict(headers or {})
        if body is not None:
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, payload, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class Process:
    """A child whose output goes to files; killed, if it must be, by its own process id."""

    def __init__(self, name, command, log, stdout=None, environment=None, cwd=None):
        self.name = name
        self.log_path = log
        self.stdout_path = stdout or log + ".out"
        with open(self.log_path, "ab") as errors, open(self.stdout_path, "ab") as output:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment, cwd=cwd)
        self.pid = self._popen.pid

    def poll(self):
        return self._popen.poll()

    def log(self):
        return read_text(self.log_path)

    def wait(self, timeout=PATIENCE):
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{self.name} did not end within {timeout} s") from error

    def signal(self, number):
        if self.poll() is None:
            self._popen.send_signal(number)

    def kill(self):
        if self.poll() is None:
            self._popen.kill()
        self._popen.wait()

    def processor_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_rss_kib(self):
        for line in read_text(f"/proc/{self.pid}/status").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0


class Simulator(Process):
    """plumbline-simulator. `admin` is its admin API."""

    def __init__(self, test, *arguments, scenario=None, data=None, timeline="off"):
        self.directory = test.directory("simulator")
        self.ca_file = os.path.join(self.directory, "ca.pem")
        ports_file = os.path.join(self.directory, "ports.json")
        command = [test.binary("plumbline-simulator"), "--ports-file", ports_file, "--ca-file", self.ca_file,
                   "--timeline", timeline]
        if scenario:
            command += ["--scenario", scenario]
        if data:
            command += ["--data", data]
        super().__init__("simulator", command + list(arguments), os.path.join(self.directory, "simulator.log"))
        test.own(self)
        wait_for("ports of the simulator", lambda: read_text(ports_file).endswith("\n"), alive=[self])
        with open(ports_file, encoding="utf-8") as file:
            ports = json.load(file)
        self._own_faults = []
        if scenario:
            with open(os.path.join(scenario, "faults.json"), encoding="utf-8") as file:
                self._own_faults = json.load(file)
        self.arm_port = ports["arm_port"]
        self.imds_port = ports["imds_port"]

    def admin(self, method, path, body=None):
        answer = http_request(self.imds_port, method, "/admin/" + path, body)
        if answer.status != 200:
            raise Failure(f"{method} /admin/{path}: {answer.status} {answer.text()}")
        return answer.json()

    def set_faults(self, faults):
        """These faults, and the scenario's own behind them."""
        self.admin("POST", "faults", faults + self._own_faults)

    def clear_faults(self):
        """Nothing but the scenario's own faults."""
        self.set_faults([])

    def requests(self):
        return self.admin("GET", "requests")

    def token(self):
        """A bearer token for whoever wants to ask like the daemon does."""
        answer = http_request(self.imds_port, "GET", "/metadata/identity/oauth2/token?api-version=2018-02-01&"
                              "resource=https%3A%2F%2Fmanagement.azure.com%2F", headers={"Metadata": "true"})
        equal(answer.status, 200, "status of the identity endpoint")
        return answer.json()["access_token"]

    def arm(self, method, path, body=None):
        """Asks Resource Manager's endpoint over HTTPS."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.arm_port, timeout=60, context=ssl.create_default_context(cafile=self.ca_file))
        try:
            headers = {"Authorization": "Bearer " + self.token(), "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def graph_rows(self, table):
        """Every row of a Resource Graph table."""
        rows = []
        options = {"$top": 1000, "resultFormat": "objectArray", "authorizationScopeFilter": "AtScopeAboveAndBelow"}
        while True:
            answer = self.arm("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01",
                              {"query": table + " | order by id asc", "options": options})
            equal(answer.status, 200, f"status of a query of {table} ({answer.text()[:300]})")
            page = answer.json()
            rows += page["data"]
            if not page.get("$skipToken"):
                return rows
            options["$skipToken"] = page["$skipToken"]

    @staticmethod
    def _resource(identifier):
        return "resources?id=" + urllib.parse.quote(identifier, safe="")

    def body_of(self, identifier):
        return self.admin("GET", self._resource(identifier))

    def put(self, identifier, body):
        return self.admin("PUT", self._resource(identifier), body)

    def patch(self, identifier, patch):
        return self.admin("PATCH", self._resource(identifier), patch)

    def delete(self, identifier):
        return self.admin("DELETE", self._resource(identifier))

    def omit(self, *omissions):
        """What Resource Graph does not show from now on, as pairs of a resource's id and a path."""
        return self.admin("PUT", "omissions", [{"id": identifier, "path": path} for identifier, path in omissions])

    def delay(self, **milliseconds):
        """How late traces of changes come from now on: changes_ms, activity_ms, graph_ms."""
        return self.admin("PUT", "delays", milliseconds)


class Daemon(Process):
    """`plumbline serve`, once it listens."""

    def __init__(self, test, config, *arguments, environment=None):
        directory = test.directory("daemon")
        super().__init__("plumbline serve",
                         [test.binary("plumbline"), "serve", "--config.file=" + config, *arguments],
                         os.path.join(directory, "plumbline.log"),
                         environment=environment)
        test.own(self)

        def listening():
            for line in self.log().splitlines():
                if " event=listening " in line:
                    return line
            return None

        line = wait_for("event=listening in the daemon's log", listening, alive=[self])
        self.port = int(line.split(" address=", 1)[1].split()[0].rsplit(":", 1)[1])

    def get(self, path, **parameters):
        if parameters:
            path += "?" + urllib.parse.urlencode(parameters)
        return http_request(self.port, "GET", path)

    def api(self, name, **parameters):
        answer = self.get("/api/v1/" + name, **parameters)
        equal(answer.status, 200, f"status of /api/v1/{name} {parameters} ({answer.text()[:300]})")
        return answer.json()

    def results(self, **parameters):
        """Every result, page by page."""
        rows = []
        after = ""
        while True:
            page = self.api("results", limit=1000, after=after, **parameters)
            rows += page["results"]
            if page["next"] is None:
                return rows
            after = page["next"]

    def counts(self):
        return self.api("scores")["overall"]["counts"]

    def metrics(self):
        """Samples of /metrics by their text, labels included."""
        samples = {}
        for line in self.get("/metrics").text().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def metric(self, name, **labels):
        """The sum over the samples of a family that have these labels; None when there is none."""
        found = [value for sample, value in self.metrics().items()
                 if sample.partition("{")[0] == name and
                 all(f'{label}="{text}"' in sample for label, text in labels.items())]
        return sum(found) if found else None

    def passes(self):
        return self.log().count(" event=pass_done ")

    def wait_passes(self, count, timeout=PATIENCE):
        wait_for(f"pass number {count}", lambda: self.passes() >= count, timeout, alive=[self])

    def next_pass(self, timeout=PATIENCE):
        """Waits for a pass that began after this call: the one in progress may not have seen what was done."""
        self.wait_passes(self.passes() + 2, timeout)

    def stop(self, number=signal.SIGTERM, timeout=30):
        self.signal(number)
        return self.wait(timeout)


class Test:
    """One test program: its arguments, its temporary directory, its processes."""

    def __init__(self, arguments):
        self.bin_dir = os.path.abspath(arguments.bin_dir)
        self.source_dir = os.path.abspath(arguments.source_dir)
        self.temporary = tempfile.mkdtemp(prefix="plumbline-acceptance.")
        self._processes = []
        self._directories = 0
        self._selected = None
        self.variables = {}  # of the environment, for every daemon that is started

    @property
    def scenario(self):
        return os.path.join(self.source_dir, "simulator", "scenarios", "contoso")

    @property
    def baseline(self):
        return os.path.join(self.source_dir, "baselines", "azure-monitor")

    @property
    def selected_baseline(self):
        """The shipped baseline with the checks of SELECTION only."""
        if self._selected is None:
            path = os.path.join(self.directory("baseline"), "azure-monitor")
            shutil.copytree(self.baseline, path, ignore=shutil.ignore_patterns("cases", "definitions", "README.md"))
            os.mkdir(os.path.join(path, "definitions"))
            for check_name in SELECTION:
                shutil.copy(os.path.join(self.baseline, "definitions", check_name + ".json"),
                            os.path.join(path, "definitions"))
            keep_checks(path, lambda name: name in SELECTION)
            self._selected = path
        return self._selected

    def binary(self, name):
        path = os.path.join(self.bin_dir, name)
        # A build in progress replaces it in a moment.
        wait_for(f"binary {path}", lambda: os.access(path, os.X_OK), timeout=120)
        return path

    def directory(self, name):
        self._directories += 1
        path = os.path.join(self.temporary, f"{self._directories:02}-{name}")
        os.mkdir(path)
        return path

    def own(self, process):
        self._processes.append(process)

    def environment(self, simulator=None, imds_port=None):
        # What signs in or leads elsewhere on a developer's machine does not count here.
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("AZURE_", "IDENTITY_", "IMDS_", "MSI_")) and
                       name.lower() not in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")}
        port = simulator.imds_port if simulator else imds_port
        if port:
            environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = f"http://127.0.0.1:{port}"
        environment.update(self.variables)
        return environment

    def config_text(self, simulator, inventory="baseline", sweep="5s", details="5s", changes="off", activity="off",
                    listen="127.0.0.1:0", parameters=True, arm_port=None, extra="", baseline=None,
                    azure=""):
        """`azure`: further lines of the section, each with its two blanks."""
        arm = f"https://127.0.0.1:{arm_port or simulator.arm_port}"
        values = "{}"
        if parameters:
            with open(os.path.join(self.scenario, "parameters.json"), encoding="utf-8") as file:
                values = json.dumps(json.load(file))
        return (f"azure:\n"
                f"  cloud: {{custom: {{authority: \"{arm}\", resource_manager: \"{arm}\",\n"
                f"                   audience: \"https://management.azure.com/\", ca_file: \"{simulator.ca_file}\"}}}}\n"
                f"{azure}"
                f"inventory: {inventory}\n"
                f"baseline:\n"
                f"  assignments:\n"
                f"    - name: azure-monitor\n"
                f"      initiative: \"{baseline or self.selected_baseline}\"\n"
                f"      parameters: {values}\n"
                f"schedule: {{sweep: {sweep}, changes: {changes}, activity: {activity}, details: {details}}}\n"
                f"storage: {{path: plumbline.db}}\n"
                f"web: {{listen: \"{listen}\"}}\n"
                f"{extra}")

    def configure(self, simulator, directory=None, **options):
        """Writes a configuration into a directory of its own; the store will lie beside it."""
        directory = directory or self.directory("store")
        path = os.path.join(directory, "plumbline.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.config_text(simulator, **options))
        return path

    def run(self, *arguments, simulator=None, imds_port=None, timeout=PATIENCE * 2):
        """Runs the daemon's program to its end."""
        return subprocess.run([self.binary("plumbline"), *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, check=False,
                              env=self.environment(simulator, imds_port))

    def once(self, config, simulator, *arguments, imds_port=None, timeout=PATIENCE * 2):
        return self.run("once", "--config.file=" + config, *arguments, simulator=simulator, imds_port=imds_port,
                        timeout=timeout)

    def simulator(self, *arguments, **options):
        """A simulator with the shipped scenario, unless told otherwise."""
        if not options.get("data"):
            options.setdefault("scenario", self.scenario)
        return Simulator(self, *arguments, **options)

    def serve(self, config, simulator=None, *arguments, imds_port=None):
        return Daemon(self, config, *arguments, environment=self.environment(simulator, imds_port))

    def end(self, failed):
        for process in reversed(self._processes):
            process.kill()
        if failed:
            for process in self._processes:
                lines = process.log().splitlines()
                print(f"--- {process.name} ({process.poll()}): last lines of {len(lines)}", file=sys.stderr)
                print("\n".join(line[:300] for line in lines[-12:]), file=sys.stderr)
        shutil.rmtree(self.temporary, ignore_errors=True)


def sqlite(path, statement, *options):
    """What the sqlite3 program prints."""
    tool = shutil.which("sqlite3")
    if not tool:
        raise Skip("the sqlite3 program is not installed")
    done = subprocess.run([tool, "-readonly", *options, path, statement], capture_output=True, text=True, check=False,
                          timeout=PATIENCE)
    check(done.returncode == 0, f"sqlite3 {statement!r}: {done.stderr}")
    return done.stdout.strip()


def free_port():
    """A port on which nothing listens (at the moment)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resource_key(identifier):
    return "/" + identifier.lstrip().strip("/").lower()


def last_segment(identifier):
    return identifier.rstrip("/").rsplit("/", 1)[1].lower()


def main(cases, needs_shared=False):
    """Runs the cases, each with its own `Test`; the exit code is 0, 1, or 77 when something had to be skipped
    and nothing failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--source-dir", required=True)
    if needs_shared:
        parser.add_argument("--examples", required=True, help="directory of the official payloads")
    parser.add_argument("--filter", default="", help="only cases whose name begins with this")
    arguments = parser.parse_args()
    # A kill of the test itself must not leave children behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failed = skipped = 0
    for case in cases:
        if not case.__name__.startswith(arguments.filter):
            continue
        started = time.monotonic()
        test = Test(arguments)
        test.arguments = arguments
        outcome = "ok"
        try:
            case(test)
        except Skip as reason:
            outcome = f"SKIPPED: {reason}"
            skipped += 1
        except BaseException as error:  # the processes must end, whatever it was
            outcome = "FAILED"
            failed += 1
            traceback.print_exc()
            if not isinstance(error, Exception):
                test.end(True)
                raise
        test.end(outcome == "FAILED")
        print(f"{case.__name__}: {outcome} ({time.monotonic() - started:.1f} s)", flush=True)
    if failed:
        sys.exit(1)
    sys.exit(SKIPPED if skipped else 0)
