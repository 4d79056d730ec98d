#!/usr/bin/env python3
"""The scenario shows each core check of the baseline at work: somewhere it is compliant, somewhere it is not. And some
evidence is missing, with reasons."""

import collections
import json
import os

from harness import check, equal, main

STATES = ("Compliant", "NonCompliant")
REFUSED = "the one resource that shows it may not be asked for (faults.json), so nobody confirms it"
NO_LOCKBOX = "off by default: nobody asks for tenantOptedIn, so there would be no evidence"
# Check and state that the scenario does not show: whether that lasts with nothing refused, and why.
EXCEPTIONS = {
    ("IM-3.1-ama-vm-identity", "NonCompliant"): (False, REFUSED),
    ("LT-4.1-machine-dcr-association", "NonCompliant"): (False, REFUSED),
    ("NS-2.2-sink-storage-no-anonymous", "NonCompliant"): (False, REFUSED),
    ("LT-4.1-resource-diagnostics-not-dangling", "NonCompliant"): (
        True, "a destination outside the inventory gives no evidence (kv-contoso-lab sends to one): a relation does "
              "not tell what is gone from what was never seen"),
    ("PA-7.1-diag-not-root-key", "Compliant"): (
        False, "any setting may name the root key of any namespace, and faults.json refuses the settings of four "
               "scopes"),
    ("PA-8.1-lockbox-opt-in", "Compliant"): (True, NO_LOCKBOX),
    ("PA-8.1-lockbox-opt-in", "NonCompliant"): (True, NO_LOCKBOX),
}


def core_checks(baseline):
    with open(os.path.join(baseline, "initiative.json"), encoding="utf-8") as file:
        references = json.load(file)["properties"]["policyDefinitions"]
    names = set()
    for reference in references:
        path = os.path.join(baseline, "definitions", reference["policyDefinitionId"] + ".json")
        with open(path, encoding="utf-8") as file:
            if json.load(file)["properties"]["metadata"]["mode"] == "core":
                names.add(reference["policyDefinitionReferenceId"])
    return names


def not_shown(checks, results):
    """Pairs of check and state that no result has."""
    shown = {(row["reference"], row["state"]) for row in results}
    return {(name, state) for name in checks for state in STATES} - shown


def results_of(test, simulator):
    config = test.configure(simulator, baseline=test.baseline)
    done = test.once(config, simulator, "--format", "json")
    equal(done.returncode, 1, f"exit code ({done.stderr[-500:]})")
    return json.loads(done.stdout)["results"]


def what_is_missing_is_found(test):
    names = core_checks(test.baseline)
    check(len(names) > 100, f"only {len(names)} core checks")
    complete = [{"reference": name, "state": state} for name in names for state in STATES]
    equal(not_shown(names, complete), set(), "missing of a complete set")
    for lost in (("IM-3.1-arc-identity", "Compliant"), ("WAF-VM.1-defender-for-servers", "NonCompliant")):
        rows = [row for row in complete if (row["reference"], row["state"]) != lost]
        rows.append({"reference": lost[0], "state": "NoEvidence"})
        equal(not_shown(names, rows), {lost}, "missing where one is lost")


def every_core_check(test):
    simulator = test.simulator()
    results = results_of(test, simulator)
    names = core_checks(test.baseline)
    equal(not_shown(names, results), set(EXCEPTIONS),
          "checks that are not shown in a state, beside those with a reason")
    reasons = collections.Counter(row["reason"] for row in results if row["state"] == "NoEvidence")
    check({"forbidden", "not_collected"} <= set(reasons) and "" not in reasons, f"reasons: {reasons}")


def with_nothing_refused(test):
    simulator = test.simulator()
    simulator.admin("DELETE", "faults")
    results = results_of(test, simulator)
    equal(not_shown(core_checks(test.baseline), results),
          {pair for pair, (lasting, _) in EXCEPTIONS.items() if lasting},
          "checks that are not shown in a state although nothing is refused")
    equal({row["reason"] for row in results if row["state"] == "NoEvidence"}, {"not_collected"}, "reasons")


if __name__ == "__main__":
    main([what_is_missing_is_found, every_core_check, with_nothing_refused])
