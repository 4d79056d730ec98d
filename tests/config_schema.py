#!/usr/bin/env python3
"""Holds config/plumbline.schema.json and what the program accepts equal.

Usage: config_schema.py PLUMBLINE SOURCE_DIR

Each document below is given to the schema and to `plumbline check-config`, and both must take it, or both refuse it.
Keys and choices are compared with config/settings.cpp, drift.cpp, events.cpp and secret_place.cpp, defaults with the
example.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml
from jsonschema import Draft202012Validator

failures = []

DEFINITION = {"properties": {"mode": "All", "policyRule": {
    "if": {"field": "type", "equals": "Microsoft.Storage/storageAccounts"}, "then": {"effect": "audit"}}}}
INITIATIVE = {"properties": {
    "displayName": "One rule", "policyDefinitions": [{"policyDefinitionId": "one",
                                                      "policyDefinitionReferenceId": "one"}]}}
# Where each variable of settings.cpp stands in the document.
PLACES = {"root": (), "azure": ("azure",), "cloud": ("azure", "cloud"), "custom": ("azure", "cloud", "custom"),
          "credential": ("azure", "credential"), "scope": ("azure", "scope"),
          "proxy": ("azure", "proxy"), "secret": ("azure", "credential", "secret"),
          "baseline": ("baseline",),
          "reader": ("baseline", "assignments", "[]"), "schedule": ("schedule",), "storage": ("storage",),
          "backup": ("storage", "backup"), "privacy": ("privacy",),
          "web": ("web",), "log": ("log",), "drift": ("drift",), "flapping": ("drift", "flapping"),
          "include": ("drift", "include", "[]"),
          "events": ("events",), "webhook": ("events", "webhooks", "[]"), "alertmanager": ("events", "alertmanager"),
          "expected": ("drift", "expected", "[]"), "window": ("drift", "expected", "[]", "windows", "[]")}

ASSIGNMENT = "baseline: {assignments: [{name: a, initiative: base, %s}]}\n"
EXPECTED = "drift: {expected: [{name: x, effect: accept, %s}]}\n"
FETCHED = ("baseline: {assignments: [{name: a, initiative: "
           "/providers/Microsoft.Authorization/policySetDefinitions/x, %s}]}\n")
MINIMAL = "baseline: {assignments: [{name: a, initiative: base}]}\n"
SECRET = MINIMAL + "azure: {credential: {type: client_secret, tenant_id: t, client_id: c, %s}}\n"
WEBHOOK = MINIMAL + "events: {webhooks: [{name: a, %s}]}\n"
ALERTMANAGER = MINIMAL + "events: {alertmanager: {%s}}\n"
CERTIFICATE = MINIMAL + "azure: {credential: {type: client_certificate, tenant_id: t, client_id: c, %s}}\n"
ACCEPTED = {
    "a webhook": WEBHOOK % "url: 'https://hooks.example/a?b=c', secret: {file: f}",
    "a webhook with everything": WEBHOOK % "url: 'https://hooks.example', secret: {credential: c}, types: [drift, "
                                           "compliance], min_severity: high, ca_file: ca.pem, give_up_after: 7d",
    "a webhook on this machine": WEBHOOK % "url: 'http://localhost:8080/x', secret: {environment: E}",
    "a webhook at a loopback address": WEBHOOK % "url: 'http://[::1]:8080', secret: {environment: E}",
    "a webhook that may be read": WEBHOOK % "url: 'http://hooks.example', secret: {file: f}, insecure: true",
    "events in the log": MINIMAL + "events: {log: true, webhooks: , alertmanager: }\n",
    "an Alertmanager": ALERTMANAGER % "urls: ['http://am:9093', 'https://am/x'], min_severity: low, resend: 30s, "
                                      "ca_file: f",
    "the least": MINIMAL,
    "sections without contents": MINIMAL + "azure:\nschedule:\nstorage:\nweb:\nlog:\n",
    "parts of azure without contents": MINIMAL + "azure: {cloud: , credential: , scope: }\n",
    "a cloud by name": MINIMAL + "azure: {cloud: AzureChina}\n",
    "a cloud by hand": MINIMAL + "azure: {cloud: {custom: {resource_manager: 'https://arm.example/'}}}\n",
    "one identity": MINIMAL + "azure: {credential: {type: managed_identity, client_id: a, object_id: ''}}\n",
    "a workload": MINIMAL + "azure: {credential: {type: workload_identity, tenant_id: t, client_id: c, "
                          "token_file: f}}\n",
    "a workload that the environment tells of": MINIMAL + "azure: {credential: {type: workload_identity}}\n",
    "a secret in a file": SECRET % "secret: {file: f}",
    "a secret of systemd": SECRET % "secret: {credential: azure, file: ''}",
    "a secret in the environment": SECRET % "secret: {environment: SECRET}",
    "a certificate": CERTIFICATE % "certificate: {file: c.pem}",
    "a certificate and how to sign": CERTIFICATE % "certificate: {file: c.pem}, algorithm: RS256",
    "somebody's account": MINIMAL + "azure: {credential: {type: azure_cli, tenant_id: contoso.example}}\n",
    "whatever there is": MINIMAL + "azure: {credential: {type: default}}\n",
    "a proxy": MINIMAL + "azure: {proxy: {url: 'http://proxy.example:3128', login: {file: f}, "
                         "no_proxy: [a, .b, 10.0.0.0/8]}}\n",
    "a proxy with TLS": MINIMAL + "azure: {proxy: {url: 'https://proxy.example'}}\n",
    "no proxy": MINIMAL + "azure: {proxy: {url: none}}\n",
    "the environment's proxy": MINIMAL + "azure: {proxy: {url: environment, no_proxy: []}}\n",
    "a cloud with Entra": MINIMAL + "azure: {cloud: {custom: {authority: 'https://login.example', "
                                    "resource_manager: 'https://arm.example'}}}\n",
    "subscriptions": MINIMAL + "azure: {scope: {management_groups: [contoso], subscriptions: [AAA, 12]}}\n",
    "everything": MINIMAL + "inventory: all\n",
    "a subscription": "baseline: {assignments: [{name: a, initiative: base, scope: /subscriptions/x}]}\n",
    "a resource group": "baseline: {assignments: [{name: a, initiative: base, "
                        "scope: /subscriptions/x/resourceGroups/y, not_scopes: [/subscriptions/x]}]}\n",
    "a mode": "baseline: {assignments: [{name: 1, initiative: base, enforcement_mode: DoNotEnforce, "
              "parameters: }]}\n",
    "an id": ASSIGNMENT % "id: /subscriptions/x/providers/Microsoft.Authorization/policyAssignments/y",
    "an empty id": ASSIGNMENT % "id: ''",
    "nothing for selectors": ASSIGNMENT % "resource_selectors: , overrides: ",
    "a scope in other letters": ASSIGNMENT % "scope: Subscriptions/x/RESOURCEGROUPS/y/",
    "no selectors": ASSIGNMENT % "resource_selectors: [], overrides: []",
    "a selector": ASSIGNMENT % "resource_selectors: [{name: w, selectors: [{kind: resourceLocation, "
                               "in: [westeurope]}]}]",
    "an override": ASSIGNMENT % "overrides: [{kind: policyEffect, value: Disabled, selectors: [{kind: "
                                "policyDefinitionReferenceId, notIn: [one]}]}]",
    "two assignments": "baseline: {assignments: [{name: a, initiative: base}, {name: b, initiative: base}]}\n",
    "an initiative of Azure's": FETCHED % "definition_version: ''",
    "a version of it": FETCHED % "definition_version: 1.2.*",
    "a preview of it": FETCHED % "definition_version: 1.*.*-preview",
    "a definition of a group's": "baseline: {refresh: 5s, assignments: [{name: a, definition_version: 1.2.3, initiative: "
                                 "/PROVIDERS/Microsoft.Management/managementGroups/g/providers/"
                                 "microsoft.authorization/policyDefinitions/x}]}\n",
    "a definition of a subscription's": "baseline: {assignments: [{name: a, definition_version: 1.2.3, initiative: "
                                        "/subscriptions/s/providers/Microsoft.Authorization/policyDefinitions/x}]}\n",
    "durations": MINIMAL + "schedule: {sweep: 005s, details: 400d}\n",
    "no names": MINIMAL + "privacy: {actors: pseudonym}\n",
    "nobody": MINIMAL + "privacy: {actors: 'off'}\n",
    "retention": MINIMAL + "storage: {retention: 30d, max_size: 20GiB}\n",
    "the least of it": MINIMAL + "storage: {retention: 24h, max_size: 16MiB}\n",
    "the same in minutes": MINIMAL + "storage: {retention: 01440m, max_size: 0}\n",
    "the same in seconds": MINIMAL + "storage: {retention: 86400s, max_size: '0'}\n",
    "backups": MINIMAL + "storage: {backup: {directory: /b, interval: 6h, keep: 1, after: /bin/true, restore: true}}\n",
    "no backups": MINIMAL + "storage: {backup: }\n",
    "backups of nothing": MINIMAL + "storage: {backup: {directory: '', restore: false}}\n",
    "feeds": MINIMAL + "schedule: {changes: 1s, activity: 010m}\n",
    "feeds that are off": MINIMAL + "schedule: {changes: 'off', activity: 0s}\n",
    "any address": MINIMAL + "web: {listen: ':0'}\n",
    "an IPv6 address": MINIMAL + "web: {listen: '[::1]:65535'}\n",
    "no drift": MINIMAL + "drift:\n",
    "nothing of drift": MINIMAL + "drift: {noise: '', include: [], owner_tags: [], expected: []}\n",
    "what counts": MINIMAL + "drift: {include: [{types: [Microsoft.Web/sites, '*'], paths: [/p/*/q, /**/r]}]}\n",
    "flapping": MINIMAL + "drift: {flapping: {openings: 5, window: 60s}}\n",
    "owners": MINIMAL + "drift: {owner_tags: [owner, team]}\n",
    "an expected change": MINIMAL + EXPECTED % "actors: ['*'], clients: [a], operations: [b/write], types: [c/d], "
                                               "scopes: [/subscriptions/x]",
    "a window": MINIMAL + EXPECTED % "windows: [{days: [Monday, friday], from: '22:00', to: '06:30', time_zone: UTC}]",
    "the whole day": MINIMAL + EXPECTED % "windows: [{from: '00:00', to: '24:00'}]",
    "logging": MINIMAL + "log: {level: debug, format: json}\n",
}
REFUSED = {
    "nothing": "",
    "a list": "[a]\n",
    "no assignment": "log: {level: info}\n",
    "an empty list of assignments": "baseline: {assignments: []}\n",
    "no name": "baseline: {assignments: [{initiative: base}]}\n",
    "an empty name": "baseline: {assignments: [{name: '', initiative: base}]}\n",
    "no initiative": "baseline: {assignments: [{name: a}]}\n",
    "assignments by name": "baseline: {assignments: {a: base}}\n",
    "a version of a directory": ASSIGNMENT % "definition_version: 1.2.*",
    "a version in two parts": FETCHED % "definition_version: '1.2'",
    "a version in words": FETCHED % "definition_version: latest",
    "a version after any": FETCHED % "definition_version: 1.*.3",
    "a refresh too often": "baseline: {refresh: 4s, assignments: [{name: a, initiative: base}]}\n",
    "an unknown key": MINIMAL + "colour: red\n",
    "an unknown key of an assignment": "baseline: {assignments: [{name: a, initiative: base, colour: red}]}\n",
    "an unknown key below": MINIMAL + "web: {lisen: x}\n",
    "an unknown cloud": MINIMAL + "azure: {cloud: AzureMoon}\n",
    "a cloud that is a list": MINIMAL + "azure: {cloud: [AzurePublic]}\n",
    "a cloud without an origin": MINIMAL + "azure: {cloud: {custom: {}}}\n",
    "plain http for tokens": MINIMAL + "azure: {cloud: {custom: {resource_manager: 'http://x'}}}\n",
    "another credential": MINIMAL + "azure: {credential: {type: magic}}\n",
    "a secret itself": SECRET % "secret: FAKE-SECRET",
    "a secret nowhere": SECRET % "secret: {file: ''}",
    "a secret in two places": SECRET % "secret: {file: f, environment: E}",
    "a secret at a path of systemd": SECRET % "secret: {credential: ../x}",
    "no secret": SECRET % "",
    "a secret and a certificate": SECRET % "secret: {file: f}, certificate: {file: f}",
    "no certificate": CERTIFICATE % "algorithm: RS256",
    "another algorithm": CERTIFICATE % "certificate: {file: f}, algorithm: none",
    "no tenant": MINIMAL + "azure: {credential: {type: client_secret, client_id: c, secret: {file: f}}}\n",
    "an empty tenant": MINIMAL + "azure: {credential: {type: client_secret, tenant_id: '', client_id: c, "
                                 "secret: {file: f}}}\n",
    "no client": MINIMAL + "azure: {credential: {type: client_secret, tenant_id: t, secret: {file: f}}}\n",
    "a tenant that is a path": MINIMAL + "azure: {credential: {type: azure_cli, tenant_id: a/b}}\n",
    "a secret of a machine": MINIMAL + "azure: {credential: {secret: {file: f}}}\n",
    "a choice of an identity for whatever there is": MINIMAL + "azure: {credential: {type: default, client_id: a}}\n",
    "a resource id of a workload": MINIMAL + "azure: {credential: {type: workload_identity, resource_id: a}}\n",
    "a secret for a cloud without Entra": "azure: {cloud: {custom: {resource_manager: 'https://x'}}, credential: "
                                          "{type: client_secret, tenant_id: t, client_id: c, secret: {file: f}}}\n" +
                                          MINIMAL,
    "a proxy of another kind": MINIMAL + "azure: {proxy: {url: 'socks5://proxy'}}\n",
    "a proxy with its login": MINIMAL + "azure: {proxy: {url: 'http://u:p@proxy'}}\n",
    "a login for nobody": MINIMAL + "azure: {proxy: {login: {file: f}}}\n",
    "exceptions by name": MINIMAL + "azure: {proxy: {url: 'http://p', no_proxy: a}}\n",
    "plain http for secrets": MINIMAL + "azure: {cloud: {custom: {authority: 'http://x', "
                                        "resource_manager: 'https://x'}}}\n",
    "two identities": MINIMAL + "azure: {credential: {client_id: a, object_id: b}}\n",
    "two other identities": MINIMAL + "azure: {credential: {client_id: a, resource_id: b}}\n",
    "a management group's id": MINIMAL + "azure: {scope: {management_groups: [/providers/a]}}\n",
    "no confirmations": MINIMAL + "azure: {confirmations: 0}\n",
    "no quota": MINIMAL + "azure: {quota_percent: 0}\n",
    "a subscription's id as a path": MINIMAL + "azure: {scope: {subscriptions: [/subscriptions/a]}}\n",
    "a subscription that is no list": MINIMAL + "azure: {scope: {subscriptions: a}}\n",
    "another inventory": MINIMAL + "inventory: some\n",
    "a scope that is no id": "baseline: {assignments: [{name: a, initiative: base, scope: prod}]}\n",
    "a scope of something else": ASSIGNMENT % "scope: /tenants/x",
    "a scope of a resource": "baseline: {assignments: [{name: a, initiative: base, "
                             "scope: /subscriptions/x/resourceGroups/y/providers/M.N/t/n}]}\n",
    "excluded what is no id": "baseline: {assignments: [{name: a, initiative: base, not_scopes: [prod]}]}\n",
    "parameters that are a list": "baseline: {assignments: [{name: a, initiative: base, parameters: [1]}]}\n",
    "an id of something else": ASSIGNMENT % "id: /subscriptions/x/providers/Microsoft.Authorization/locks/y",
    "a selector that is no list": ASSIGNMENT % "resource_selectors: {name: w}",
    "a selector of nothing": ASSIGNMENT % "resource_selectors: [{name: w}]",
    "a selector of an unknown kind": ASSIGNMENT % "resource_selectors: [{selectors: [{kind: userPrincipalId, "
                                                   "in: [x]}]}]",
    "a selector both ways": ASSIGNMENT % "resource_selectors: [{selectors: [{kind: resourceType, in: [x], "
                                         "notIn: [y]}]}]",
    "a selector of no values": ASSIGNMENT % "resource_selectors: [{selectors: [{kind: resourceType, in: []}]}]",
    "a selector with another key": ASSIGNMENT % "resource_selectors: [{colour: red, selectors: [{kind: resourceType, "
                                                "in: [x]}]}]",
    "an override of another kind": ASSIGNMENT % "overrides: [{kind: definitionVersion, value: x}]",
    "an override without a value": ASSIGNMENT % "overrides: [{kind: policyEffect}]",
    "another mode": "baseline: {assignments: [{name: a, initiative: base, enforcement_mode: Maybe}]}\n",
    "a duration without a unit": MINIMAL + "schedule: {sweep: 10}\n",
    "a duration in words": MINIMAL + "schedule: {sweep: soon}\n",
    "too short a duration": MINIMAL + "schedule: {sweep: 4s}\n",
    "a duration of nothing": MINIMAL + "schedule: {details: 0h}\n",
    "a feed in words": MINIMAL + "schedule: {changes: never}\n",
    "a feed of nothing": MINIMAL + "schedule: {activity: 0h}\n",
    "an empty path": MINIMAL + "storage: {path: ''}\n",
    "a path that is a list": MINIMAL + "storage: {path: [a]}\n",
    "half a name": MINIMAL + "privacy: {actors: initials}\n",
    "privacy of what": MINIMAL + "privacy: {people: full}\n",
    "no retention": MINIMAL + "storage: {retention: 0d}\n",
    "less than a day": MINIMAL + "storage: {retention: 23h}\n",
    "less than a day in seconds": MINIMAL + "storage: {retention: 86399s}\n",
    "less than a day in minutes": MINIMAL + "storage: {retention: 1439m}\n",
    "too small a store": MINIMAL + "storage: {max_size: 15MiB}\n",
    "bytes": MINIMAL + "storage: {max_size: 100000000}\n",
    "decimal units": MINIMAL + "storage: {max_size: 20GB}\n",
    "copies without number": MINIMAL + "storage: {backup: {keep: 0}}\n",
    "copies by name": MINIMAL + "storage: {backup: {keep: many}}\n",
    "a command line for each copy": MINIMAL + "storage: {backup: {after: 'cp it away'}}\n",
    "restoring from nowhere": MINIMAL + "storage: {backup: {restore: true}}\n",
    "perhaps restoring": MINIMAL + "storage: {backup: {directory: b, restore: perhaps}}\n",
    "no port": MINIMAL + "web: {listen: localhost}\n",
    "too large a port": MINIMAL + "web: {listen: 'x:65536'}\n",
    "an IPv6 address without brackets": MINIMAL + "web: {listen: '::1:80'}\n",
    "another level": MINIMAL + "log: {level: loud}\n",
    "another format": MINIMAL + "log: {format: xml}\n",
    "an unknown key of drift": MINIMAL + "drift: {noises: x}\n",
    "a path without types": MINIMAL + "drift: {include: [{paths: [/p]}]}\n",
    "a type without a provider": MINIMAL + "drift: {include: [{types: [sites]}]}\n",
    "a dotted path": MINIMAL + "drift: {include: [{types: [a/b], paths: [properties.x]}]}\n",
    "a short window of flapping": MINIMAL + "drift: {flapping: {window: 59s}}\n",
    "owners that are no list": MINIMAL + "drift: {owner_tags: owner}\n",
    "a rule without a name": MINIMAL + "drift: {expected: [{effect: accept, actors: [a]}]}\n",
    "a rule without an effect": MINIMAL + "drift: {expected: [{name: x, actors: [a]}]}\n",
    "another effect": MINIMAL + "drift: {expected: [{name: x, effect: hide, actors: [a]}]}\n",
    "a rule that asks nothing": MINIMAL + "drift: {expected: [{name: x, effect: accept}]}\n",
    "a rule that asks nobody": MINIMAL + EXPECTED % "actors: []",
    "a scope that is a name": MINIMAL + EXPECTED % "scopes: [prod]",
    "another day": MINIMAL + EXPECTED % "windows: [{days: [someday]}]",
    "an hour without minutes": MINIMAL + EXPECTED % "windows: [{from: '7'}]",
    "an hour after the last": MINIMAL + EXPECTED % "windows: [{to: '24:01'}]",
    "another time zone": MINIMAL + EXPECTED % "windows: [{time_zone: Europe/Berlin}]",
    "an unknown key of events": MINIMAL + "events: {webhook: []}\n",
    "a webhook without a name": MINIMAL + "events: {webhooks: [{url: 'https://a', secret: {file: f}}]}\n",
    "a webhook with blanks": MINIMAL + "events: {webhooks: [{name: a b, url: 'https://a', secret: {file: f}}]}\n",
    "a webhook without a secret": WEBHOOK % "url: 'https://a'",
    "a webhook nowhere": WEBHOOK % "secret: {file: f}",
    "a webhook that anybody may read": WEBHOOK % "url: 'http://hooks.example', secret: {file: f}",
    "a webhook that only looks like this machine": WEBHOOK % "url: 'http://localhost.example', secret: {file: f}",
    "a webhook with a login": WEBHOOK % "url: 'https://u:p@a', secret: {file: f}",
    "a webhook by mail": WEBHOOK % "url: 'mailto:a@b', secret: {file: f}",
    "another type of events": WEBHOOK % "url: 'https://a', secret: {file: f}, types: [scores]",
    "another severity": WEBHOOK % "url: 'https://a', secret: {file: f}, min_severity: urgent",
    "a webhook that is given up at once": WEBHOOK % "url: 'https://a', secret: {file: f}, give_up_after: 0s",
    "a webhook without a host": WEBHOOK % "url: 'https:///x', secret: {file: f}",
    "a webhook with a port that cannot be": WEBHOOK % "url: 'https://a:65536', secret: {file: f}",
    "a webhook with a port that is none": WEBHOOK % "url: 'https://a:https/x', secret: {file: f}",
    "a webhook with a fragment": WEBHOOK % "url: 'https://a/x#y', secret: {file: f}",
    "a webhook of nothing": WEBHOOK % "url: 'https://a', secret: {file: f}, types: []",
    "an Alertmanager with a query": ALERTMANAGER % "urls: ['http://am/x?y=1']",
    "an Alertmanager twice": ALERTMANAGER % "urls: ['http://am', 'http://am']",
    "no Alertmanager": ALERTMANAGER % "min_severity: high",
    "an Alertmanager that is no URL": ALERTMANAGER % "urls: ['am:9093']",
    "an Alertmanager with a login": ALERTMANAGER % "urls: ['http://u:p@am']",
    "alerts without end": ALERTMANAGER % "urls: ['http://am'], resend: 0s",
    "a section that is a list": MINIMAL + "log: [info]\n",
}


def at(schema, place):
    """The part of the schema that describes a mapping of the document."""
    for name in place:
        schema = schema["items"] if name == "[]" else schema["properties"][name]
        for choice in schema.get("anyOf", ()):
            if "properties" in choice:
                schema = choice
    return schema


def keys_and_choices(schema, code):
    lists = re.findall(r"(\w+)\.allow\(\s*\{([^}]*)\}\)", code)
    for variable, names in lists:
        if variable not in PLACES:
            failures.append(f"settings.cpp reads `{variable}`, which this test does not know: tell it where that is")
            continue
        in_code = set(re.findall(r'"([^"]+)"', names))
        in_schema = set(at(schema, PLACES[variable])["properties"])
        if in_code != in_schema:
            failures.append(f"keys of {'.'.join(PLACES[variable]) or 'the document'}: settings.cpp has "
                            f"{sorted(in_code - in_schema)}, the schema has {sorted(in_schema - in_code)} alone")
    if {variable for variable, _ in lists} != set(PLACES):
        failures.append(f"settings.cpp does not read {sorted(set(PLACES) - {v for v, _ in lists})} any more")
    for variable, key, names in re.findall(r'(\w+)\.choice\(\s*"(\w+)",\s*\{([^}]*)\}', code):
        part = at(schema, PLACES[variable])["properties"][key]
        in_schema = part.get("enum") or part["anyOf"][0]["enum"]
        if set(in_schema) != set(re.findall(r'"([^"]+)"', names)):
            failures.append(f"choices of {key}: settings.cpp has {{{names}}}, the schema {in_schema}")


def defaults(schema, document, place=""):
    """What the example, which holds the defaults, has at the places where the schema has one."""
    count = 0
    for key, part in schema.get("properties", {}).items():
        value = (document or {}).get(key)
        if "default" in part and key in (document or {}):
            count += 1
            if value != part["default"]:
                failures.append(f"{place}{key}: the example has {value!r}, the schema {part['default']!r}")
        elif isinstance(value, dict):
            count += defaults(part, value, f"{place}{key}.")
        elif isinstance(value, list):
            count += defaults(part["items"], value[0], f"{place}{key}[].")
    return count


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    schema = json.loads((source / "config/plumbline.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    keys_and_choices(schema, "".join((source / "config" / name).read_text(encoding="utf-8")
                                     for name in ("settings.cpp", "drift.cpp", "events.cpp",
                                                  "secret_place.cpp")))
    example = yaml.safe_load((source / "config/plumbline.yaml").read_text(encoding="utf-8"))
    if defaults(schema, example) < 12:
        failures.append("the example was not understood")

    shipped = ["config/plumbline.yaml", "docker/plumbline.yaml", "docker/compose/plumbline.yaml",
               "docker/kubernetes/base/plumbline.yaml", "tests/data/fuzz/settings/example.yaml"]
    for name in shipped:
        if not (source / name).exists():
            failures.append(f"{name} is missing")
            continue
        for error in validator.iter_errors(yaml.safe_load((source / name).read_text(encoding="utf-8"))):
            failures.append(f"{name}: {error.json_path}: {error.message}")

    with tempfile.TemporaryDirectory() as directory:
        base = pathlib.Path(directory) / "base"
        (base / "definitions").mkdir(parents=True)
        (base / "definitions" / "one.json").write_text(json.dumps(dict(DEFINITION, name="one")))
        (base / "initiative.json").write_text(json.dumps(INITIATIVE))
        config = pathlib.Path(directory) / "plumbline.yaml"
        # check-config looks at the files that the documents name.
        for name in ("f", "c.pem", "ca.pem"):
            config.with_name(name).write_text("-----BEGIN CERTIFICATE-----\n")
        for documents, wanted in ((ACCEPTED, True), (REFUSED, False)):
            for what, text in documents.items():
                config.write_text(text)
                run = subprocess.run([program, "check-config", f"--config.file={config}"], capture_output=True,
                                     text=True, check=False)
                if (run.returncode == 0) != wanted:
                    failures.append(f"{what}: check-config ends with {run.returncode}: {run.stdout}{run.stderr}")
                if validator.is_valid(yaml.safe_load(text)) != wanted:
                    problems = [error.message for error in validator.iter_errors(yaml.safe_load(text))]
                    failures.append(f"{what}: the schema {'refuses' if wanted else 'accepts'} it {problems}")

    for failure in failures:
        print(failure)
    print(f"{len(ACCEPTED)} documents to accept, {len(REFUSED)} to refuse, {len(shipped)} files; "
          f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
