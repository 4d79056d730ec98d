#!/usr/bin/env python3
"""Holds baselines/azure-monitor/features.json and the initiative together.

Usage: baseline_features.py SOURCE_DIR

Every check of the initiative is listed by exactly one feature or recommendation, the one its
metadata names; no row lists a check that is not there; every row's control is a group of the
initiative, and every group has a row; what is Microsoft's part or not supported is inherited or not
available. Before that, faults are planted in a copy of the data and must be found.
"""
import collections
import copy
import json
import pathlib
import sys

STATES = {"customer", "inherited", "notAvailable"}
INFORMATIONAL = {"inherited", "notAvailable", "manual", "emptySection"}
SHAPES = {
    "features": {"id": str, "control": str, "name": str, "supported": str, "enabledByDefault": str,
                 "responsibility": str, "state": str, "summary": str, "checks": list,
                 "seeAlso": list},
    "recommendations": {"id": str, "control": str, "area": str, "name": str, "checks": list,
                        "seeAlso": list, "note": str},
    "informational": {"id": str, "feature": str, "state": str, "name": str, "text": str},
}
OPTIONAL = {"note"}
# What both documents have: a row that is lost is noticed.
COUNTS = {"features": 20, "recommendations": 21, "informational": 13}


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def shape_problems(structure):
    for name, shape in SHAPES.items():
        rows = structure.get(name, [])
        if len(rows) != COUNTS[name]:
            yield f"{name}: {len(rows)} rows, not {COUNTS[name]}"
        for row in rows:
            for key in shape.keys() - row.keys() - OPTIONAL:
                yield f"{row.get('id')}: no {key}"
            for key, value in row.items():
                if key not in shape or not isinstance(value, shape[key]) or value == "":
                    yield f"{row.get('id')}: {key} is unknown, empty or of the wrong type"
    identities = [row["id"] for name in SHAPES for row in structure.get(name, [])]
    for identity, count in collections.Counter(identities).items():
        if count > 1:
            yield f"{identity}: {count} rows of that id"


def state_problems(feature):
    if feature["state"] not in STATES:
        yield f"{feature['id']}: no such state: {feature['state']}"
    if feature["supported"] not in ("true", "false"):
        yield f"{feature['id']}: supported is true or false"
    if feature["enabledByDefault"] not in ("true", "false", "n.a."):
        yield f"{feature['id']}: enabledByDefault is true, false or n.a."
    if feature["responsibility"] not in ("Customer", "Microsoft", "Shared", "n.a."):
        yield f"{feature['id']}: no such responsibility: {feature['responsibility']}"
    expected = ("notAvailable" if feature["supported"] == "false" else
                "inherited" if feature["responsibility"] == "Microsoft" else "customer")
    if feature["state"] != expected:
        yield f"{feature['id']}: must be {expected}"


def problems(structure, initiative, metadata):
    found = list(shape_problems(structure))
    if found:
        return found
    groups = [group["name"] for group in initiative["policyDefinitionGroups"]]
    rows = [*structure["features"], *structure["recommendations"]]
    owners = collections.defaultdict(list)
    for row in rows:
        if row["control"] not in groups:
            found.append(f"{row['id']}: {row['control']} is no group of the initiative")
        for check in row["checks"]:
            owners[check].append(row)
        for check in [*row["checks"], *row["seeAlso"]]:
            if check not in metadata:
                found.append(f"{row['id']}: {check} is no check of the initiative")
        for check in set(row["checks"]) & set(row["seeAlso"]):
            found.append(f"{row['id']}: {check} is both its own and another's")
    for group in set(groups) - {row["control"] for row in rows}:
        found.append(f"{group}: no feature or recommendation")
    for feature in structure["features"]:
        found += state_problems(feature)
    for reference in initiative["policyDefinitions"]:
        check = reference["policyDefinitionId"]
        if len(owners[check]) != 1:
            found.append(f"{check}: {len(owners[check])} rows list it, not one")
            continue
        row, said = owners[check][0], metadata[check]
        if said["feature"] != row["id"]:
            found.append(f"{check}: is listed by {row['id']}, but names {said['feature']}")
        if reference["groupNames"] != [row["control"]] or said["control"] != row["control"]:
            found.append(f"{check}: is not of control {row['control']}, as its row is")
        if "area" in row and said.get("recommendation") != row["name"]:
            found.append(f"{check}: words its recommendation differently from {row['id']}")
    features = {feature["id"]: feature for feature in structure["features"]}
    for row in structure["informational"]:
        feature = features.get(row["feature"])
        if feature is None:
            found.append(f"{row['id']}: no feature {row['feature']}")
        if row["state"] not in INFORMATIONAL:
            found.append(f"{row['id']}: no such state: {row['state']}")
    told = {row["feature"] for row in structure["informational"]}
    for feature in structure["features"]:
        if feature["state"] != "customer" and feature["id"] not in told:
            found.append(f"{feature['id']}: is not scored, and no row for information says so")
    return found


def planted(structure, initiative, metadata):
    """Faults, each with a part of what must be said about it."""
    def fault(change, expected):
        data, plan = copy.deepcopy(structure), copy.deepcopy(initiative)
        change(data, plan)
        if not any(expected in problem for problem in problems(data, plan, metadata)):
            return f"a planted fault was not found: {expected}"
        return None

    first = structure["features"][0]["checks"][0]
    yield fault(lambda data, plan: data["features"][0]["checks"].pop(0), f"{first}: 0 rows")
    yield fault(lambda data, plan: data["features"][1]["checks"].append(first), f"{first}: 2 rows")
    yield fault(lambda data, plan: data["features"][0]["seeAlso"].append("NS-9.9-nothing"),
                "NS-9.9-nothing is no check")
    yield fault(lambda data, plan: data["features"][1]["checks"].append(
        data["features"][0]["checks"].pop(0)), "is listed by")
    yield fault(lambda data, plan: plan["policyDefinitionGroups"].pop(0), "is no group")
    yield fault(lambda data, plan: plan["policyDefinitionGroups"].append({"name": "NS-9"}),
                "NS-9: no")
    yield fault(lambda data, plan: data["features"].pop(), "features: 19 rows")
    yield fault(lambda data, plan: data["features"][0].pop("state"), "no state")
    yield fault(lambda data, plan: data["features"][0].update(responsibility="Microsoft"),
                "must be inherited")
    yield fault(lambda data, plan: data["features"][0].update(supported="false"),
                "must be notAvailable")
    with_checks = next(index for index, row in enumerate(structure["recommendations"])
                       if row["checks"])
    yield fault(lambda data, plan: data["recommendations"][with_checks].update(name="x"),
                "words its recommendation differently")
    yield fault(lambda data, plan: data["informational"][0].update(feature="NS-1.1"),
                "no row for information")


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    baseline = pathlib.Path(arguments[0]) / "baselines" / "azure-monitor"
    initiative = read(baseline / "initiative.json")["properties"]
    metadata = {}
    for reference in initiative["policyDefinitions"]:
        check = reference["policyDefinitionId"]
        definition = read(baseline / "definitions" / f"{check}.json")
        metadata[check] = definition["properties"]["metadata"]
    structure = read(baseline / "features.json")
    found = problems(structure, initiative, metadata)
    if not found:
        found = [fault for fault in planted(structure, initiative, metadata) if fault]
    for problem in found:
        print(problem)
    print(f"{len(metadata)} checks, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
