#!/usr/bin/env python3
"""Every check of the shipped baseline has a case of every kind, and definitions keep their rules.

Usage: baseline_kinds.py PLUMBLINE SOURCE_DIR

Kinds: compliant, non_compliant, absent, not_applicable, no_evidence, and for each parameter a case
of kind `parameter` that sets it, and one of any kind whose verdict would be another if the
parameter had its default. The kind must fit the verdict. A gap fails the test, unless
cases/missing-kinds.json states why there is no such case; a reason there for a case that does exist
fails it too.

Also held here, because no case can tell: a rule on its own type names the resource itself; a
look-up of resources elsewhere says how far it goes; every type in a long list of types has its
case.

Before that the test is tested: gaps are planted in a copy of the baseline and must be found.
"""
import collections
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

KINDS = {
    "compliant": {"Compliant"},
    "non_compliant": {"NonCompliant"},
    "absent": {"Compliant", "NonCompliant", "NotApplicable"},
    "not_applicable": {"NotApplicable"},
    "no_evidence": {"NoEvidence"},
}
LONG_LIST = 100


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def cases_of(path):
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def parts(node):
    """All values of a rule, from the outside in."""
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    for child in children:
        yield from parts(child)


def verdict_changes(program, baseline, checks):
    """(check, parameter) pairs: the default would turn the verdict of some case that sets it."""
    questions = []
    lines = collections.defaultdict(list)
    for check, cases in checks.items():
        for case in cases:
            for name in case["parameters"]:
                rest = {key: value for key, value in case["parameters"].items() if key != name}
                identity = f"{check}::{len(questions)}::{name}"
                lines[check].append(json.dumps({**case, "id": identity, "parameters": rest}))
                questions.append((identity, check, name))
    with tempfile.TemporaryDirectory(prefix="plumbline-kinds-") as directory:
        root = pathlib.Path(directory)
        (root / "definitions").symlink_to(baseline / "definitions")
        (root / "cases").mkdir()
        for check, text in lines.items():
            (root / "cases" / f"{check}.jsonl").write_text("\n".join(text) + "\n")
        run = subprocess.run([program, "policy", "test", str(root / "cases")], text=True,
                             capture_output=True)
    output = run.stdout + run.stderr
    if run.returncode not in (0, 1) or " passed, " not in output:
        sys.exit(f"policy test ended with {run.returncode}: {output[-2000:]}")
    return {(check, name) for identity, check, name in questions if f": {identity}: " in output}


def definition_problems(check, definition, cases):
    properties = definition["properties"]
    rule = properties["policyRule"]
    subjects = {part.lower() for part in parts(rule["if"]) if isinstance(part, str)}
    details = rule["then"].get("details")
    if details:
        own = details["type"].lower() in subjects or details["type"] == "[field('type')]"
        if own and details.get("name") != "[field('name')]":
            yield f"{check}: a rule on its own type must name the resource itself, for Azure's sake"
        below = details["type"].lower().endswith("/diagnosticsettings") or any(
            details["type"].lower().startswith(subject + "/") for subject in subjects)
        if not own and not below and details.get("existenceScope") != "Subscription":
            yield f"{check}: look-up of {details['type']} without an existenceScope"
    tried = {case["resource"].get("type", "").lower() for case in cases
             if case["want_state"] == "NonCompliant"}
    for part in parts(rule):
        if isinstance(part, list) and len(part) >= LONG_LIST:
            for missing in sorted({element.lower() for element in part} - tried):
                yield f"{check}: no non-compliant case of type {missing}"


def problems(program, baseline):
    found = []
    reasons = {}
    path = baseline / "cases" / "missing-kinds.json"
    for entry in read(path)["missing"] if path.exists() else []:
        reasons[entry["check"], entry["kind"], entry.get("parameter", "")] = entry["reason"]
    definitions = {path.stem: read(path)
                   for path in sorted((baseline / "definitions").glob("*.json"))}
    checks = {check: cases_of(baseline / "cases" / f"{check}.jsonl") for check in definitions}
    named = {path.stem for path in (baseline / "cases").glob("*.jsonl")}
    found += [f"{check}: cases, but no definition" for check in sorted(named - set(definitions))]
    changing = verdict_changes(program, baseline, checks)
    gaps = set()
    for check, definition in definitions.items():
        cases = checks[check]
        for case in cases:
            if case["kind"] not in KINDS and case["kind"] != "parameter":
                found.append(f"{case['id']}: no such kind: {case['kind']}")
            elif case["want_state"] not in KINDS.get(case["kind"], {case["want_state"]}):
                found.append(f"{case['id']}: {case['kind']}, but wants {case['want_state']}")
            if case.get("definition_file") != f"../definitions/{check}.json":
                found.append(f"{case['id']}: is not about the definition of its file")
        for name, count in collections.Counter(case["id"] for case in cases).items():
            if count > 1:
                found.append(f"{name}: {count} cases of that name")
        kinds = {case["kind"] for case in cases}
        gaps |= {(check, kind, "") for kind in KINDS if kind not in kinds}
        tried = {name for case in cases if case["kind"] == "parameter"
                 for name in case["parameters"]}
        gaps |= {(check, "parameter", name)
                 for name in definition["properties"].get("parameters", {})
                 if name not in tried or (check, name) not in changing}
        found += definition_problems(check, definition, cases)
    for check, kind, parameter in sorted(gaps - set(reasons)):
        what = f"parameter {parameter} that changes the verdict" if parameter else f"kind {kind}"
        found.append(f"{check}: no case of {what}")
    for check, kind, parameter in sorted(set(reasons) - gaps):
        found.append(f"{check}: has a case of kind {kind} {parameter}".rstrip()
                     + ", but missing-kinds.json says why not")
    found += [f"{key[0]}: missing-kinds.json gives no reason" for key, why in reasons.items()
              if not why.strip()]
    return found


def plant(baseline, check, change):
    """Rewrites the cases of a check."""
    path = baseline / "cases" / f"{check}.jsonl"
    cases = [case for case in map(change, cases_of(path)) if case]
    path.write_text("".join(json.dumps(case) + "\n" for case in cases))


def self_test(program, baseline):
    """Plants one gap of each sort, each in another check; returns what was not found."""
    checks = sorted(path.stem for path in (baseline / "definitions").glob("*.json"))
    expected = []
    with tempfile.TemporaryDirectory(prefix="plumbline-planted-") as directory:
        copy = pathlib.Path(directory) / "baseline"
        shutil.copytree(baseline, copy)
        for check, kind in zip(checks, KINDS):
            plant(copy, check, lambda case, kind=kind: case if case["kind"] != kind else None)
            expected.append(f"{check}: no case of kind {kind}")
        check = checks[len(KINDS)]
        plant(copy, check, lambda case: case if "effect" not in case["parameters"] else None)
        expected.append(f"{check}: no case of parameter effect that changes the verdict")
        check = checks[len(KINDS) + 1]
        plant(copy, check, lambda case: {**case, "kind": "compliant"}
              if case["kind"] == "non_compliant" else case)
        expected.append(f"{check}: no case of kind non_compliant")
        expected.append("compliant, but wants NonCompliant")
        check = checks[len(KINDS) + 2]
        (copy / "cases" / f"{check}.jsonl").unlink()
        expected.append(f"{check}: no case of kind compliant")
        own = next(check for check in reversed(checks)
                   if "name" in read(copy / "definitions" / f"{check}.json")["properties"]
                   ["policyRule"]["then"].get("details", {}))
        definition = read(copy / "definitions" / f"{own}.json")
        del definition["properties"]["policyRule"]["then"]["details"]["name"]
        (copy / "definitions" / f"{own}.json").write_text(json.dumps(definition))
        expected.append(f"{own}: a rule on its own type must name the resource itself")
        far = next(check for check in reversed(checks)
                   if "existenceScope" in read(copy / "definitions" / f"{check}.json")["properties"]
                   ["policyRule"]["then"].get("details", {}))
        definition = read(copy / "definitions" / f"{far}.json")
        del definition["properties"]["policyRule"]["then"]["details"]["existenceScope"]
        (copy / "definitions" / f"{far}.json").write_text(json.dumps(definition))
        expected.append(f"{far}: look-up of")
        listed = "LT-4.1-resource-diagnostics"
        plant(copy, listed, lambda case: case
              if case["resource"]["type"].lower() != "microsoft.batch/batchaccounts" else None)
        expected.append(f"{listed}: no non-compliant case of type microsoft.batch/batchaccounts")
        (copy / "cases" / "missing-kinds.json").write_text(json.dumps({"missing": [
            {"check": checks[-1], "kind": "compliant", "reason": "It has one."}]}))
        expected.append(f"{checks[-1]}: has a case of kind compliant")
        found = problems(program, copy)
    return [f"a planted gap was not found: {text}" for text in expected
            if not any(text in problem for problem in found)]


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    program = str(pathlib.Path(arguments[0]).resolve())
    baseline = pathlib.Path(arguments[1]).resolve() / "baselines" / "azure-monitor"
    found = self_test(program, baseline) + problems(program, baseline)
    for problem in found:
        print(problem)
    print(f"{len(list((baseline / 'definitions').glob('*.json')))} checks, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
