#!/usr/bin/env python3
"""SIGHUP: the daemon takes a changed configuration over, or keeps the one it has and says why."""

import json
import os
import signal

from harness import check, contains, equal, keep_checks, main, wait_for

WORKSPACE = "law-contoso-security"
REFERENCE = "PA-7.1-workspace-access-mode"


def rewrite(path, change):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    changed = change(text)
    check(changed != text, "the configuration did not change")
    with open(path, "w", encoding="utf-8") as file:
        file.write(changed)


def state_of(daemon):
    rows = [row for row in daemon.results(reference=REFERENCE) if row["resource_key"].endswith("/" + WORKSPACE)]
    equal(len(rows), 1, f"verdicts of {REFERENCE} on {WORKSPACE}")
    return rows[0]


def hang_up(daemon, event):
    seen = daemon.log().count("event=" + event)
    daemon.signal(signal.SIGHUP)
    wait_for(event, lambda: daemon.log().count("event=" + event) > seen, alive=[daemon])


def a_parameter_takes_effect_and_opens_no_drift(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal(state_of(daemon)["state"], "NonCompliant", "state before")
    drift = {item["id"] for item in daemon.api("drift")["drift"]}
    others = {(row["reference"], row["resource_key"], row["state"]) for row in daemon.results()
              if row["reference"] != REFERENCE}

    with open(os.path.join(test.scenario, "parameters.json"), encoding="utf-8") as file:
        values = json.load(file)
    rewrite(config, lambda text: text.replace(json.dumps(values), json.dumps({**values, "expected_mode": "WorkspaceOnly"})))
    hang_up(daemon, "reloaded")
    verdict = state_of(daemon)
    equal((verdict["state"], verdict["cause"]), ("Compliant", "parameters"), "state and cause after")
    equal({(row["reference"], row["resource_key"], row["state"]) for row in daemon.results()
           if row["reference"] != REFERENCE}, others, "verdicts of other checks")
    check({item["id"] for item in daemon.api("drift")["drift"]} <= drift, "a changed parameter opened drift")
    equal(daemon.metric("plumbline_config_last_reload_successful"), 1, "metric")
    # The next pass finds what it found before.
    daemon.wait_passes(2)
    equal(state_of(daemon)["state"], "Compliant", "state after the next pass")

    # Back again, and a check less: its verdicts go.
    keep_checks(test.selected_baseline, lambda name: name != REFERENCE)
    rewrite(config, lambda text: text.replace(', "expected_mode": "WorkspaceOnly"', ""))
    hang_up(daemon, "reloaded")
    equal(daemon.results(reference=REFERENCE), [], "verdicts of a check that is gone")


def an_exemption_comes_and_goes(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    file = os.path.join(os.path.dirname(config), "exemptions.yaml")

    def write(expires):
        with open(file, "w", encoding="utf-8") as out:
            out.write("exemptions:\n  - name: agreed\n    scope: /\n    properties:\n"
                      "      policyAssignmentId: azure-monitor\n"
                      f"      policyDefinitionReferenceIds: [{REFERENCE}]\n"
                      f"      exemptionCategory: Waiver\n      expiresOn: {expires}\n"
                      "      description: It is agreed.\n      metadata: {owner: monitoring}\n")

    write("2999-01-01T00:00:00Z")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    score = daemon.metric("plumbline_compliance_score_ratio", assignment="azure-monitor")
    drift = {item["id"] for item in daemon.api("drift")["drift"]}

    rewrite(config, lambda text: text.replace("  assignments:", "  exemptions: exemptions.yaml\n  assignments:"))
    hang_up(daemon, "reloaded")
    verdict = state_of(daemon)
    equal((verdict["state"], verdict["reason"], verdict["cause"]), ("Exempt", "agreed", "exemption"), "covered verdict")
    [exemption] = daemon.api("exemptions")["exemptions"]
    equal((exemption["state"], exemption["owner"]), ("active", "monitoring"), "exemption")
    check(exemption["verdicts"] > exemption["compliant"] > 0, f"counts of {exemption}")
    equal(daemon.metric("plumbline_exemptions", state="active"), 1, "metric")
    check(daemon.metric("plumbline_compliance_score_ratio", assignment="azure-monitor") != score, "the score is as before")

    write("2020-01-01T00:00:00Z")
    hang_up(daemon, "reloaded")
    wait_for("the verdict after the exemption", lambda: state_of(daemon)["state"] == "NonCompliant", alive=[daemon])
    equal(state_of(daemon)["cause"], "exemption", "cause")
    equal(daemon.metric("plumbline_exemptions", state="expired"), 1, "metric")
    equal(daemon.metric("plumbline_compliance_score_ratio", assignment="azure-monitor"), score, "score")
    check({item["id"] for item in daemon.api("drift")["drift"]} <= drift, "the end of an exemption opened drift")

    with open(file, "a", encoding="utf-8") as out:
        out.write("  - {name: wrong}\n")
    hang_up(daemon, "reload_failed")
    contains(daemon.log(), "exemptions.yaml:11:5: an exemption needs a `scope`", "log")


# One of three machines without an identity cannot be confirmed.
ADDED = ["Compliant"] * 5 + ["NoEvidence"] + ["NonCompliant"] * 2


def states_of(daemon, reference):
    return sorted(row["state"] for row in daemon.results(reference=reference))


def a_check_on_a_type_never_asked_for(test):
    """It is decided on what a pass has found, not on what nobody had looked for, and opens no drift."""
    added = "IM-3.1-vm-identity"
    simulator = test.simulator()
    restore = keep_checks(test.selected_baseline,
                          lambda name: name not in (added, "LT-4.1-resource-diagnostics"))
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal(daemon.results(reference=added), [], "verdicts before")
    restore()
    hang_up(daemon, "reloaded")
    wait_for("its verdicts", lambda: states_of(daemon, added) == ADDED, alive=[daemon])
    equal({row["cause"] for row in daemon.results(reference=added)}, {"definition"}, "cause")
    equal([item for item in daemon.api("drift")["drift"] if item["reference"] == added], [], "drift of the new check")


def a_restart_asks_before_it_decides(test):
    """As a reload does: until a pass has asked for what a changed check reads, the old verdicts stand."""
    added = "IM-3.1-vm-identity"
    simulator = test.simulator()
    restore = keep_checks(test.selected_baseline,
                          lambda name: name not in (added, "LT-4.1-resource-diagnostics"))
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    before = {(row["reference"], row["resource_key"], row["state"]) for row in daemon.results()}
    equal(daemon.stop(), 0, "exit code")

    restore()
    simulator.set_faults([{"match": {"path_prefix": "/providers/Microsoft.ResourceGraph"}, "delay_ms": 3000}])
    daemon = test.serve(config, simulator)
    equal({(row["reference"], row["resource_key"], row["state"]) for row in daemon.results()}, before,
          "verdicts before the first pass")
    simulator.clear_faults()
    wait_for("reload", lambda: "event=reloaded" in daemon.log(), alive=[daemon])
    wait_for("its verdicts", lambda: states_of(daemon, added) == ADDED, alive=[daemon])
    equal([item for item in daemon.api("drift")["drift"] if item["reference"] == added], [], "drift of the new check")

    # `once` decides in the one pass that it makes.
    equal(daemon.stop(), 0, "exit code")
    keep_checks(test.selected_baseline, lambda name: name != added)
    done = test.once(config, simulator, "--format=csv")
    check(added not in done.stdout and "NonCompliant" in done.stdout, "verdicts of a check that is gone")


def drop_ins_are_read_again(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    others = {(row["reference"], row["resource_key"], row["state"]) for row in daemon.results()
              if row["reference"] != REFERENCE}
    with open(os.path.join(test.scenario, "parameters.json"), encoding="utf-8") as file:
        values = {**json.load(file), "expected_mode": "WorkspaceOnly"}
    os.mkdir(config + ".d")
    drop_in = os.path.join(config + ".d", "50-parameters.yaml")
    assignment = {"name": "azure-monitor", "initiative": test.selected_baseline, "parameters": values}

    def write(document):
        with open(drop_in, "w", encoding="utf-8") as file:
            json.dump(document, file)

    write({"baseline": {"assignments": [assignment]}})
    hang_up(daemon, "reloaded")
    equal(state_of(daemon)["state"], "Compliant", "state with the drop-in")
    equal({(row["reference"], row["resource_key"], row["state"]) for row in daemon.results()
           if row["reference"] != REFERENCE}, others, "verdicts of other checks")
    checked = test.run("check-config", "--config.file=" + config)
    equal(checked.returncode, 0, "check-config: " + checked.stderr)
    equal(checked.stdout.splitlines()[1], "  with " + drop_in, "second line of check-config")

    write({"schedule": {"sweep": "soon"}})
    hang_up(daemon, "reload_failed")
    contains(daemon.log(), drop_in + ":1:24: `sweep` must be a duration", "log")
    equal(state_of(daemon)["state"], "Compliant", "state after a wrong drop-in")
    refused = test.run("check-config", "--config.file=" + config)
    equal(refused.returncode, 2, "check-config")
    contains(refused.stderr, drop_in + ":1:24: ", "what check-config says")

    os.rename(drop_in, drop_in + ".off")
    hang_up(daemon, "reloaded")
    equal(state_of(daemon)["state"], "NonCompliant", "state without the drop-in")
    contains(test.run("check-config", "--config.file=" + config).stdout,
             f"  without {drop_in}.off: its name does not end in .yaml", "check-config")


def what_cannot_be_used_changes_nothing(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    with open(config, encoding="utf-8") as file:
        good = file.read()
    scores = daemon.api("scores")
    for what, change, message in (
            ("an unknown key", lambda text: text + "nonsense: 1\n", "plumbline.yaml:13:1: "),
            ("a baseline that is not there",
             lambda text: text.replace(test.selected_baseline, "/no/such/baseline"), "/no/such/baseline/initiative.json"),
            ("another database", lambda text: text.replace("plumbline.db", "other.db"), "restart to change storage.path"),
            ("another address and log format",
             lambda text: text.replace("127.0.0.1:0", "127.0.0.1:1") + "log: {format: json}\n",
             "restart to change web.listen, log.format"),
            ("a file that is gone", None, "plumbline.yaml")):
        if change is None:
            os.rename(config, config + ".away")
        else:
            rewrite(config, change)
        hang_up(daemon, "reload_failed")
        line = [entry for entry in daemon.log().splitlines() if "event=reload_failed" in entry][-1]
        contains(line, message, f"log line for {what}")
        contains(line, "level=error", f"log line for {what}")
        equal(daemon.metric("plumbline_config_last_reload_successful"), 0, f"metric after {what}")
        equal(daemon.api("scores"), scores, f"scores after {what}")
        with open(config, "w", encoding="utf-8") as file:
            file.write(good)
    hang_up(daemon, "reloaded")
    equal(daemon.metric("plumbline_config_last_reload_successful"), 1, "metric after the good file is back")
    equal(daemon.stop(), 0, "exit code")


def while_a_pass_hangs(test):
    """The configuration is taken over when the pass has ended; a signal to end does not wait for it."""
    simulator = test.simulator()
    config = test.configure(simulator, sweep="1h", details="1h")
    simulator.set_faults([{"match": {"path_regex": "^/subscriptions$"}, "delay_ms": 1500}])
    daemon = test.serve(config, simulator)
    rewrite(config, lambda text: text.replace("sweep: 1h", "sweep: 2h"))
    daemon.signal(signal.SIGHUP)
    wait_for("reloaded", lambda: "event=reloaded" in daemon.log(), alive=[daemon])
    log = daemon.log()
    check(log.index("event=pass_done") < log.index("event=reloaded"), "taken over in the middle of a pass")
    equal(daemon.stop(timeout=5), 0, "exit code")


if __name__ == "__main__":
    main([a_parameter_takes_effect_and_opens_no_drift, an_exemption_comes_and_goes, a_check_on_a_type_never_asked_for,
          a_restart_asks_before_it_decides, drop_ins_are_read_again,
          what_cannot_be_used_changes_nothing, while_a_pass_hangs])
