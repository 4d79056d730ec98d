#!/usr/bin/env python3
"""The status page in chromium, over the real daemon and the real simulator; page.mjs drives the browser.

--screenshot FILE takes the picture of the README instead.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "acceptance"))
from harness import DEVELOPMENT, PRODUCTION, Skip, check, equal, main  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
# What a name in Azure may hold and a page must never run.
HOSTILE = "<img src=x onerror=alert(1)>"
WORKSPACE = (f"/subscriptions/{DEVELOPMENT}/resourceGroups/rg-contoso-dev/providers/"
             f"Microsoft.OperationalInsights/workspaces/{HOSTILE}")
EXEMPTIONS = f"""exemptions:
  - name: dev-ingestion-open
    scope: /subscriptions/{DEVELOPMENT}
    properties:
      policyAssignmentId: azure-monitor
      policyDefinitionReferenceIds: [NS-2.2-workspace-public-ingestion]
      exemptionCategory: Waiver
      displayName: Development may be written to from anywhere
      description: {HOSTILE}
      metadata: {{owner: platform-team}}
  - name: long-over
    scope: /subscriptions/{PRODUCTION}
    properties:
      exemptionCategory: Mitigated
      expiresOn: 2020-01-01T00:00:00Z
      description: Nobody removed it.
"""


def browser():
    for tool in ("node", "chromium"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")
    for package in ("playwright-core", "axe-core"):
        if not os.path.isdir(os.path.join(HERE, "..", "node_modules", package)):
            raise Skip(f"no {package} below tests/node_modules; npm ci --prefix tests")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 20:
        raise Skip(f"playwright-core needs Node.js 20, this is {version.strip()}")
    return shutil.which("chromium")


def drive(test, simulator, config, timeout, **more):
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    settings = {"page": f"http://127.0.0.1:{daemon.port}/", "admin": f"http://127.0.0.1:{simulator.imds_port}/admin/",
                "daemon": daemon.pid, "chromium": browser(), "directory": test.directory("browser"),
                "plumbline": test.binary("plumbline"), "config": config, **more}
    # Chromium is a child of node: the group ends with it, whatever happens.
    driver = subprocess.Popen(["node", os.path.join(HERE, "page.mjs"), json.dumps(settings)],
                              stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return driver.wait(timeout)
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()


def status_page(test):
    browser()
    simulator = test.simulator()
    like = simulator.body_of(WORKSPACE.replace(HOSTILE, "law-contoso-dev"))
    simulator.put(WORKSPACE, {**like, "id": WORKSPACE, "name": HOSTILE, "tags": {"note": HOSTILE}})
    config = test.configure(simulator, baseline=test.baseline, sweep="5s", details="5s", changes="2s",
                            extra="drift: {owner_tags: [team]}\n")
    with open(config, encoding="utf-8") as file:
        text = file.read()
    with open(config, "w", encoding="utf-8") as file:
        file.write(text.replace("\nbaseline:\n", "\nbaseline:\n  exemptions: exemptions.yaml\n"))
    with open(os.path.join(os.path.dirname(config), "exemptions.yaml"), "w", encoding="utf-8") as file:
        file.write(EXEMPTIONS)
    # The report of the command line and the page must not tell different figures.
    done = test.once(config, simulator)
    report = done.stdout
    overall = re.search(r"^Score ([\d.]+ %)   coverage ([\d.]+ %)", report, re.MULTILINE)
    check(overall, f"no score in {report[:300]!r} ({done.stderr[-500:]})")
    azure = re.search(r"^As Azure Policy counts: ([\d.]+ %) \(azure-monitor\)$", report, re.MULTILINE)
    check(azure, "the report does not say what Azure would")
    controls = re.findall(r"^  (\S+) +([\d.]+ %|-) +([\d.]+ %|-) +\d+ +\d+ +\d+ ",
                          report.partition("\nFEATURES")[0], re.MULTILINE)
    check(len(controls) > 10, f"controls in the report: {controls}")
    equal(drive(test, simulator, config, 240, overall=overall.groups(), azure=azure.group(1), controls=controls, hostile=HOSTILE,
                workspace=WORKSPACE), 0, "exit code of page.mjs")


def screenshot(test):
    simulator = test.simulator(timeline="once")
    config = test.configure(simulator, baseline=test.baseline, sweep="5s", details="5s")
    equal(drive(test, simulator, config, 240, screenshot=os.path.abspath(PICTURE)), 0, "exit code of page.mjs")


if __name__ == "__main__":
    if "--screenshot" in sys.argv:
        place = sys.argv.index("--screenshot")
        PICTURE = sys.argv[place + 1]
        del sys.argv[place:place + 2]
        main([screenshot])
    main([status_page])
