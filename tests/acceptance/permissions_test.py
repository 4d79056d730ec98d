#!/usr/bin/env python3
"""docs/custom-role.json is enough for what the daemon asks, and scripts/az-setup does what it prints."""

import http.server
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import threading

from harness import PRODUCTION, Skip, check, contains, equal, main, read_text

ALL_OF_A_TYPE = re.compile(r"where type in~ \(([^)]*)\)")


class FakeAzure:
    """Says yes to every question, and finds nothing but a subscription: what counts is what was asked."""

    def __init__(self, test):
        if not shutil.which("openssl"):
            raise Skip("openssl is not installed")
        directory = test.directory("azure")
        self.ca_file = os.path.join(directory, "cert.pem")
        key = os.path.join(directory, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "1", "-subj", "/CN=azure", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", self.ca_file], check=True, capture_output=True)
        self.queries = []
        self.paths = []
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, document):
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if not self.path.startswith("/metadata/"):
                    fake.paths.append(self.path.partition("?")[0])
                if self.path.startswith("/metadata/identity"):
                    self.answer({"access_token": "t", "expires_in": "3599", "expires_on": "4102444800",
                                 "resource": "https://management.azure.com/", "token_type": "Bearer"})
                elif self.path.startswith("/subscriptions?"):
                    self.answer({"value": [{"id": f"/subscriptions/{PRODUCTION}", "subscriptionId": PRODUCTION,
                                            "displayName": "Production", "state": "Enabled"}]})
                elif "/descendants?" in self.path:
                    self.answer({"value": [{"type": "Microsoft.Management/managementGroups/subscriptions",
                                            "name": PRODUCTION}]})
                else:
                    self.answer({"value": []})

            def do_POST(self):
                fake.queries.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"])
                self.answer({"totalRecords": 0, "count": 0, "resultTruncated": "false", "data": []})

            def log_message(self, *_):
                pass

        self.servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        self.servers[0].socket = context.wrap_socket(self.servers[0].socket, server_side=True)
        self.arm_port, self.imds_port = (server.server_address[1] for server in self.servers)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


def allowed_actions(test):
    with open(os.path.join(test.source_dir, "docs", "custom-role.json"), encoding="utf-8") as file:
        return set(json.load(file)["Actions"])


def everything_on(test):
    """The shipped baseline, with the effect of every check as if no parameter had switched it off."""
    path = os.path.join(test.directory("baseline"), "azure-monitor")
    shutil.copytree(test.baseline, path)
    initiative = os.path.join(path, "initiative.json")
    with open(initiative, encoding="utf-8") as file:
        document = json.load(file)
    switched = 0
    for parameter in document["properties"]["parameters"].values():
        if parameter.get("defaultValue") == "Disabled":
            parameter["defaultValue"] = next(value for value in parameter["allowedValues"] if value != "Disabled")
            switched += 1
    check(switched > 30, f"only {switched} checks were off")
    with open(initiative, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return path


def type_of(path):
    """The type of what a GET lists: `/a/1/b` is a/b's, and `/providers/X/a/1/b` is X/a/b's."""
    words = path.lower().strip("/").split("/")
    if words == ["subscriptions"]:
        return "microsoft.resources/subscriptions"
    own = len(words) - 1 - words[::-1].index("providers")
    if len(words) == own + 2:
        return "microsoft.resources/providers"
    return "/".join([words[own + 1], *words[own + 2::2]])


def the_role_covers_every_query(test):
    azure = FakeAzure(test)
    try:
        config = test.configure(azure, parameters=False, baseline=everything_on(test),
                                azure="  scope: {management_groups: [contoso]}\n")
        done = test.once(config, None, imds_port=azure.imds_port)
        check(done.returncode in (0, 1, 3), f"exit code {done.returncode}: {done.stderr}")
        check(azure.queries, "nothing was asked")
        asked = set()
        for query in azure.queries:
            types = ALL_OF_A_TYPE.search(query)
            check(types, f"a query without types: {query}")
            asked.update(re.findall(r"'([^']+)'", types[1]))
        check(len(asked) > 100, f"only {len(asked)} types were asked for")
        actions = allowed_actions(test)
        equal(sorted(name for name in asked if name + "/read" not in actions), [], "types without an action")
        listed = {type_of(path) for path in azure.paths}
        check("microsoft.management/managementgroups/descendants" in listed, f"the group was not asked for: {listed}")
        equal(sorted(name for name in listed if name + "/read" not in actions), [], "lists without an action")
    finally:
        azure.close()


def the_role_holds_nothing_that_writes(test):
    for action in allowed_actions(test):
        check(re.fullmatch(r"microsoft\.[a-z0-9./-]+/read", action), f"not an action that reads: {action}")


# Stands in for az: writes down what it is told, and answers what the script reads.
AZ = """#!/usr/bin/env python3
import json, os, sys
words = sys.argv[1:]
with open(os.environ["AZ_CALLS"], "a", encoding="utf-8") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[:2] == ["identity", "show"]:
    print({"principalId": "the-principal", "clientId": "the-client", "id": "/the/identity"}[words[-1]])
elif words[:3] == ["provider", "operation", "list"]:
    print(json.dumps([{"operations": [{"name": "Microsoft.Insights/DiagnosticSettings/Read"}],
                       "resourceTypes": [{"operations": [{"name": "Microsoft.Insights/Components/Write"},
                                                         {"name": "Microsoft.Insights/Components/Read"}]}]}]))
elif words[:3] == ["role", "definition", "list"]:
    print(os.environ.get("AZ_ROLE", ""))
for word in words:
    if word.startswith("@"):
        with open(word[1:], encoding="utf-8") as file, open(os.environ["AZ_CALLS"] + ".role", "w") as copy:
            copy.write(file.read())
"""
SCOPE = "/providers/Microsoft.Management/managementGroups/contoso"


def az_setup(test, *arguments, role="", with_az=True):
    """(the finished process, what az was told, the role it was given)"""
    for tool in ("bash", "jq"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")
    directory = test.directory("az")
    az = os.path.join(directory, "az")
    with open(az, "w", encoding="utf-8") as file:
        file.write(AZ)
    os.chmod(az, 0o755 if with_az else 0o644)
    calls = os.path.join(directory, "calls")
    environment = dict(os.environ, PATH=directory + os.pathsep + os.environ["PATH"], AZ_CALLS=calls, AZ_ROLE=role)
    done = subprocess.run([os.path.join(test.source_dir, "scripts", "az-setup"), *arguments], capture_output=True,
                          text=True, check=False, env=environment, timeout=60)
    told = [json.loads(line) for line in read_text(calls).splitlines()]
    given = read_text(calls + ".role")
    return done, told, json.loads(given) if given else None


def shown(text):
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("az ")]


def a_reader(test):
    arguments = ("--management-group", "contoso", "--resource-group", "rg ops", "--vm", "vm-ops")
    done, told, role = az_setup(test, *arguments)
    equal(done.returncode, 0, "exit code: " + done.stderr)
    equal(role, None, "a role definition")
    equal(shown(done.stdout), told, "what is shown is what is run")
    equal(told[-2], ["role", "assignment", "create", "--assignee-object-id", "the-principal",
                     "--assignee-principal-type", "ServicePrincipal", "--role", "Reader", "--scope", SCOPE,
                     "--output", "none"], "the assignment")
    equal(told[-1], ["vm", "identity", "assign", "--name", "vm-ops", "--resource-group", "rg ops", "--identities",
                     "/the/identity", "--output", "none"], "the machine")
    contains(done.stdout, "client_id: the-client", "what to configure")

    dry, nothing, _ = az_setup(test, *arguments, "--dry-run", with_az=False)
    equal(dry.returncode, 0, "exit code of the dry run: " + dry.stderr)
    equal(nothing, [], "what a dry run tells az")
    placeholders = {"the-principal": "PRINCIPAL-ID", "/the/identity": "IDENTITY-ID"}
    equal(shown(dry.stdout), [[placeholders.get(word, word) for word in words] for words in told],
          "the commands of the dry run")


def a_cluster(test):
    arguments = ("--management-group", "contoso", "--resource-group", "rg", "--oidc-issuer", "https://issuer.example/x/")
    done, told, _ = az_setup(test, *arguments)
    equal(done.returncode, 0, "exit code: " + done.stderr)
    equal(shown(done.stdout), told, "what is shown is what is run")
    equal(told[-1], ["identity", "federated-credential", "create", "--name", "plumbline", "--identity-name", "plumbline",
                     "--resource-group", "rg", "--issuer", "https://issuer.example/x/", "--subject",
                     "system:serviceaccount:plumbline:plumbline", "--audiences", "api://AzureADTokenExchange",
                     "--output", "none"], "the federated credential")
    contains(done.stdout, "azure.workload.identity/client-id: the-client", "what to annotate")


def a_custom_role(test):
    arguments = ("--management-group", "contoso", "--resource-group", "rg", "--role", "custom")
    for existing, verb in (("", "create"), ("Plumbline Reader", "update")):
        done, told, role = az_setup(test, *arguments, role=existing)
        equal(done.returncode, 0, "exit code: " + done.stderr)
        equal(shown(done.stdout), told, "what is shown is what is run")
        equal([words[2] for words in told if words[:2] == ["role", "definition"]], ["list", verb], "calls for the role")
        equal(role["Actions"], ["microsoft.insights/components/read", "microsoft.insights/diagnosticsettings/read"],
              "the actions that this cloud knows")
        equal(role["AssignableScopes"], [SCOPE], "where the role can be assigned")
        left_out = {line.rpartition(" ")[2] for line in done.stdout.splitlines() if line.startswith("left out")}
        equal(left_out, allowed_actions(test) - set(role["Actions"]), "what is reported as left out")
        check("Plumbline Reader" in told[-1], f"the assignment is of another role: {told[-1]}")


def wrong_arguments(test):
    for arguments in ((), ("--management-group", "contoso"), ("--resource-group", "rg"), ("--management-group",),
                      ("--management-group", SCOPE, "--resource-group", "rg"), ("--colour", "red"),
                      ("--management-group", "a", "--resource-group", "b", "--role", "owner"),
                      ("--management-group", "a", "--resource-group", "b", "--oidc-issuer", "issuer"),
                      ("--management-group", "a", "--resource-group", "b", "--oidc-issuer", "https://i", "--vm", "c")):
        done, told, _ = az_setup(test, *arguments)
        equal((done.returncode, told), (2, []), f"exit code and calls of {arguments}")
        contains(done.stderr, "--help", f"the message of {arguments}")


if __name__ == "__main__":
    main([the_role_covers_every_query, the_role_holds_nothing_that_writes, a_reader, a_cluster, a_custom_role, wrong_arguments])
