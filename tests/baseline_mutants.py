#!/usr/bin/env python3
"""Breaks every definition of the shipped baseline in small ways; its cases must notice each.

Usage: baseline_mutants.py PLUMBLINE SOURCE_DIR [--check ID] [--sample N --seed S] [--list]

A mutant is a copy of a definition with one thing changed: an operator turned into its opposite or
its neighbour, a literal or a parameter's default changed, a related resource's property misspelt,
a condition removed, allOf and anyOf exchanged, a `not` dropped, a bound shifted. It is killed when
one of the check's cases comes out differently. One that survives fails the test, unless
cases/equivalent-mutants.json names it and says why no resource can tell it from the original. An
entry there that is killed or does not exist any more fails as well, so that the list stays true.

--check    only this check; may be given several times
--sample   only N of the mutants, drawn with --seed (0)
--list     prints the survivors as an entry for the list
"""
import argparse
import collections
import concurrent.futures
import copy
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

# An operator's opposite comes first, then what one might have meant instead.
OPERATORS = {
    "equals": ["notEquals"],
    "notEquals": ["equals"],
    "in": ["notIn"],
    "notIn": ["in"],
    "like": ["notLike", "equals"],
    "notLike": ["like"],
    "contains": ["notContains", "equals"],
    "notContains": ["contains"],
    "containsKey": ["notContainsKey"],
    "notContainsKey": ["containsKey"],
    "greater": ["lessOrEquals", "greaterOrEquals"],
    "greaterOrEquals": ["less", "greater"],
    "less": ["greaterOrEquals", "lessOrEquals"],
    "lessOrEquals": ["greater", "less"],
    "exists": [],
}
FUNCTIONS = {
    "first": "last",
    "last": "first",
    "and": "or",
    "or": "and",
    "greaterOrEquals": "greater",
    "lessOrEquals": "less",
    "true": "false",
    "false": "true",
}
# The type in front of an alias: what is left of it tells one condition from another.
ALIAS = re.compile(
    r"\b[A-Za-z]+\.[A-Za-z]+/[A-Za-z/]*?([A-Za-z]+\[\*\]|[A-Za-z]+\b)(?![/A-Za-z])")
BATCH = 200
# Every element of a list as long as this is a list of types: one mutant stands for it, and
# tests/baseline_kinds.py compares the cases with all of it.
LONG_LIST = 100


def is_expression(text):
    return isinstance(text, str) and text.startswith("[") and not text.startswith("[[")


def is_path(field):
    """Whether it reads a property of a related resource, whose spelling no catalogue checks."""
    return field.startswith("Plumbline.Relations/") and not field.endswith("[*]")


def short(node, limit=110):
    """A condition in one line, aliases by what follows the type."""
    if isinstance(node, dict):
        if "count" in node:
            count = node["count"]
            over = count.get("field", count.get("value"))
            inner = short(over, 60)
            if "where" in count:
                inner += f" where {short(count['where'], 60)}"
            rest = {key: value for key, value in node.items() if key != "count"}
            text = f"count({inner}) {short(rest, 60)}"
        elif len(node) == 1 and next(iter(node)) in ("allOf", "anyOf", "not"):
            key, value = next(iter(node.items()))
            parts = value if isinstance(value, list) else [value]
            text = f"{key}({'; '.join(short(part, 60) for part in parts)})"
        else:
            text = " ".join(
                short(value) if key in ("field", "value") else f"{key} {short(value, 60)}"
                for key, value in node.items()
            )
    elif isinstance(node, list):
        text = f"[{', '.join(short(part, 40) for part in node)}]"
    elif isinstance(node, str):
        text = ALIAS.sub(r"\1", node)
    else:
        text = json.dumps(node)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def changed_literals(value):
    """Other values of a literal that a slip of the hand could have put there."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
        yield value - 1
    elif isinstance(value, str):
        # Nothing becomes a word that stands in some cases.
        yield value + "x" if value else "exempt"


def changed_expressions(text):
    """Slips inside a template expression: a neighbour of a function, a literal."""
    for match in re.finditer(r"'((?:[^']|'')*)'|\b([A-Za-z]+)\(|(?<![\w'.])(-?\d+)\b", text):
        literal, function, number = match.groups()
        start, end = match.span()
        if literal is not None:
            if re.search(r"(parameters|field|current)\($", text[:start]) and not is_path(literal):
                continue
            other = literal + "x" if literal else "exempt"
            yield f"{text[:start]}'{other}'{text[end:]}", f"'{literal}' -> '{other}'"
        elif function in FUNCTIONS:
            other = FUNCTIONS[function]
            yield f"{text[:start]}{other}({text[end:]}", f"{function}() -> {other}()"
        elif number is not None:
            for other in (int(number) + 1, int(number) - 1):
                yield f"{text[:start]}{other}{text[end:]}", f"{number} -> {other}"


class Mutator:
    """Collects (description, changed definition) pairs of one definition."""

    def __init__(self, definition):
        self.definition = definition
        self.found = []
        self.seen = collections.Counter()

    def emit(self, part, what, path, change):
        mutant = copy.deepcopy(self.definition)
        node = mutant
        for key in path[:-1]:
            node = node[key]
        change(node, path[-1])
        name = f"{part}: {what}"
        self.seen[name] += 1
        if self.seen[name] > 1:
            name += f" #{self.seen[name]}"
        self.found.append((name, mutant))

    def put(self, part, what, path, value):
        def change(node, key):
            node[key] = value

        self.emit(part, what, path, change)

    def drop(self, part, what, path):
        def change(node, key):
            del node[key]

        self.emit(part, what, path, change)

    def value(self, part, where, path, value):
        """A literal, a list of them or an expression at `path`; `where` says whose it is."""
        if is_expression(value):
            for other, what in changed_expressions(value):
                self.put(part, f"{what} in {where}", path, other)
        elif isinstance(value, list):
            if len(value) >= LONG_LIST:
                self.drop(part, f"first of {len(value)} removed in {where}", [*path, 0])
                return
            for index, element in enumerate(value):
                self.drop(part, f"{short(element)} removed from the list of {where}",
                          [*path, index])
        else:
            for other in changed_literals(value):
                self.put(part, f"{short(value)} -> {short(other)} in {where}", path, other)

    def condition(self, part, path, node):
        here = short(node)
        for key in ("allOf", "anyOf"):
            if key not in node:
                continue
            other = "anyOf" if key == "allOf" else "allOf"
            if len(node[key]) > 1:
                self.put(part, f"{key} -> {other}: {here}", path, {other: node[key]})
            for index, child in enumerate(node[key]):
                if len(node[key]) > 1:
                    self.drop(part, f"removed from {key}: {short(child)}", [*path, key, index])
                self.condition(part, [*path, key, index], child)
        if "not" in node:
            self.put(part, f"not dropped: {here}", path, node["not"])
            self.condition(part, [*path, "not"], node["not"])
        if "count" in node:
            count = node["count"]
            if "value" in count:
                self.value(part, f"count over {short(count['value'])}", [*path, "count", "value"],
                           count["value"])
            if "where" in count:
                self.drop(part, f"where dropped: {here}", [*path, "count", "where"])
                self.condition(part, [*path, "count", "where"], count["where"])
        for key in ("field", "value"):
            if key not in node:
                continue
            if key == "value" or is_expression(node[key]):
                self.value(part, here, [*path, key], node[key])
            elif is_path(node[key]):
                self.put(part, f"field misspelt: {here}", [*path, key], node[key] + "x")
        for key, operand in node.items():
            for other in OPERATORS.get(key, []):
                if isinstance(operand, list) and other not in ("in", "notIn"):
                    continue
                swapped = {other if name == key else name: value for name, value in node.items()}
                self.put(part, f"{key} -> {other}: {here}", path, swapped)
            if key in OPERATORS:
                self.value(part, here, [*path, key], operand)

    def details(self, path, details):
        # That a rule on its own type names the resource itself, and how far a look-up goes, no case
        # can tell: it holds the answer of the look-up. tests/baseline_kinds.py looks at both.
        if details.get("name", "[field('name')]") != "[field('name')]":
            self.drop("details", "name dropped", [*path, "name"])
        if not is_expression(details["type"]):
            self.put("details", f"type {details['type']} -> another", [*path, "type"],
                     "Microsoft.Resources/subscriptions/resourceGroups")
        self.drop("details", "existenceCondition dropped", [*path, "existenceCondition"])
        self.condition("existence", [*path, "existenceCondition"], details["existenceCondition"])

    def default(self, name, parameter):
        path = ["properties", "parameters", name, "defaultValue"]
        value = parameter["defaultValue"]
        others = [other for other in parameter.get("allowedValues", []) if other != value]
        if others and not isinstance(value, list):
            for other in others:
                self.put("default", f"{name} {short(value)} -> {short(other)}", path, other)
        elif isinstance(value, list):
            for index, element in enumerate(value):
                self.drop("default", f"{name} without {short(element)}", [*path, index])
        else:
            for other in changed_literals(value):
                self.put("default", f"{name} {short(value)} -> {short(other)}", path, other)

    def mutants(self):
        properties = self.definition["properties"]
        for name, parameter in properties.get("parameters", {}).items():
            self.default(name, parameter)
        rule = ["properties", "policyRule"]
        self.condition("if", [*rule, "if"], properties["policyRule"]["if"])
        if "details" in properties["policyRule"]["then"]:
            self.details([*rule, "then", "details"], properties["policyRule"]["then"]["details"])
        return self.found


FAILURE = re.compile(r"(\d+)/cases/[^:]*:(\d+): (.*)")


def run_batch(program, baseline, batch):
    """What became of each mutant: killed, survived or invalid."""
    with tempfile.TemporaryDirectory(prefix="plumbline-mutants-") as directory:
        root = pathlib.Path(directory)
        files = []
        for number, (check, _, definition) in enumerate(batch):
            home = root / str(number)
            (home / "definitions").mkdir(parents=True)
            (home / "cases").mkdir()
            (home / "definitions" / f"{check}.json").write_text(json.dumps(definition))
            # The cases name their definition as ../definitions/<check>.json.
            (home / "cases" / f"{check}.jsonl").symlink_to(baseline / "cases" / f"{check}.jsonl")
            files.append(f"{number}/cases/{check}.jsonl")
        run = subprocess.run([program, "policy", "test", *files], cwd=root, text=True,
                             capture_output=True)
        if run.returncode not in (0, 1) or " passed, " not in run.stdout + run.stderr:
            sys.exit(f"policy test ended with {run.returncode}: {run.stderr[-2000:]}")
        noticed = collections.defaultdict(list)
        for line in (run.stdout + run.stderr).splitlines():
            if match := FAILURE.match(line):
                noticed[int(match.group(1))].append(match.group(3))
    outcomes = []
    for number in range(len(batch)):
        messages = noticed.get(number, [])
        if not messages:
            outcomes.append("survived")
        elif any(": want " in message for message in messages):
            outcomes.append("killed")
        else:
            outcomes.append("invalid")
    return outcomes


def outcomes_of(program, baseline, mutants):
    batches = [mutants[start:start + BATCH] for start in range(0, len(mutants), BATCH)]
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        results = pool.map(lambda batch: run_batch(program, baseline, batch), batches)
        return [outcome for result in results for outcome in result]


def self_test(program, baseline, check, definition):
    """With most of its cases gone, a check must have survivors, or this test finds nothing."""
    mutants = [(check, *mutant) for mutant in Mutator(definition).mutants()]
    with tempfile.TemporaryDirectory(prefix="plumbline-planted-") as directory:
        planted = pathlib.Path(directory)
        (planted / "cases").mkdir()
        lines = (baseline / "cases" / f"{check}.jsonl").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if json.loads(line)["kind"] == "compliant"]
        (planted / "cases" / f"{check}.jsonl").write_text("\n".join(kept) + "\n")
        outcomes = outcomes_of(program, planted, mutants)
    if set(outcomes) != {"killed", "survived"}:
        sys.exit(f"with compliant cases only, mutants of {check} should be killed and survive: "
                 f"{collections.Counter(outcomes)}")


def read_equivalent(path):
    """(check, mutation) pairs; a reason may stand for many."""
    listed = set()
    for entry in json.loads(path.read_text(encoding="utf-8"))["equivalent"]:
        if not entry["reason"].strip():
            sys.exit(f"{path}: an entry gives no reason")
        for check, mutations in entry["mutants"].items():
            listed |= {(check, mutation) for mutation in mutations}
    return listed


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--check", action="append")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    baseline = arguments.source.resolve() / "baselines" / "azure-monitor"
    definitions = {path.stem: json.loads(path.read_text(encoding="utf-8"))
                   for path in sorted((baseline / "definitions").glob("*.json"))
                   if not arguments.check or path.stem in arguments.check}
    mutants = [(check, *mutant) for check, definition in definitions.items()
               for mutant in Mutator(definition).mutants()]
    if not mutants:
        sys.exit("no such check")
    everything = {(check, name) for check, name, _ in mutants}
    if arguments.sample and arguments.sample < len(mutants):
        mutants = sorted(random.Random(arguments.seed).sample(mutants, arguments.sample),
                         key=lambda mutant: mutant[:2])

    first = next(iter(definitions))
    self_test(program, baseline, first, definitions[first])
    # A definition that fails its own cases would make every mutant of it look killed.
    unchanged = [(check, "unchanged", definitions[check])
                 for check in sorted({check for check, _, _ in mutants})]
    outcomes = outcomes_of(program, baseline, [*unchanged, *mutants])
    problems = [f"fails its own cases: {check}"
                for (check, _, _), outcome in zip(unchanged, outcomes) if outcome != "survived"]
    outcomes = outcomes[len(unchanged):]

    listed = read_equivalent(baseline / "cases" / "equivalent-mutants.json")
    survivors = collections.defaultdict(list)
    for (check, name, _), outcome in zip(mutants, outcomes, strict=True):
        if outcome == "survived" and (check, name) not in listed:
            problems.append(f"survives all cases: {check}: {name}")
            survivors[check].append(name)
        elif outcome != "survived" and (check, name) in listed:
            problems.append(f"is listed as equivalent, but killed: {check}: {name}")
    for check, name in sorted(listed):
        if (not arguments.check or check in arguments.check) and (check, name) not in everything:
            problems.append(f"is listed as equivalent, but no such mutant: {check}: {name}")
    if arguments.list:
        print(json.dumps({"reason": "", "mutants": survivors}, indent=2, ensure_ascii=False))
        return
    for problem in problems:
        print(problem)
    count = collections.Counter(outcomes)
    print(f"{len(mutants)} of {len(everything)} mutants: {count['killed']} killed, "
          f"{count['invalid']} not valid, {count['survived']} survived, "
          f"{len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
