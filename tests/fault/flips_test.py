#!/usr/bin/env python3
"""Bytes and pages of a store that flip are found, or change no answer about a version or a verdict; nothing crashes."""

import json
import os
import random
import shutil
import subprocess

from harness import check, equal, main

PAGE = 4096
FLIPS = int(os.environ.get("PLUMBLINE_FAULTS", "300"))
WORKSPACE = ("/subscriptions/3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1/resourceGroups/rg-contoso-aks/providers/"
             "Microsoft.OperationalInsights/workspaces/law-contoso-aks")
# What is hashed or compared. When a verdict was last looked at is neither.
VERDICT = ("assignment", "reference", "key", "state", "reason", "cause", "since_cycle", "since")


def run(test, *arguments):
    """What a damaged store says may be anything, also no UTF-8."""
    return subprocess.run([test.binary("plumbline"), *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          encoding="utf-8", errors="replace", timeout=60, check=False)


def answers(test, config):
    """What the store says of versions and verdicts; None when it says that it cannot."""
    told = []
    for what in ("versions", "verdicts", "transitions"):
        done = run(test, "export", "--what", what, "--config.file=" + config)
        if done.returncode != 0:
            equal(done.returncode, 2, f"exit code of an export that fails ({done.stderr[-300:]})")
            return None
        rows = done.stdout.splitlines()
        if what == "verdicts":
            rows = [[json.loads(row)[name] for name in VERDICT] for row in rows]
        told.append(rows)
    return told


def flipped_bytes(test):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}, {FLIPS} flips", flush=True)
    chance = random.Random(seed)
    simulator = test.simulator()
    config = test.configure(simulator)
    test.once(config, simulator)
    simulator.patch(WORKSPACE, {"tags": {"changed": "yes"}})
    test.once(config, simulator)
    simulator.kill()
    store = config.replace("plumbline.yaml", "plumbline.db")
    # One file without a log beside it.
    whole = os.path.join(test.directory("copy"), "whole.db")
    equal(test.run("backup", "--config.file=" + config, whole).returncode, 0, "backup")
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(store + suffix):
            os.remove(store + suffix)
    shutil.copy(whole, store)
    before = answers(test, config)
    check(all(before), "the store is empty")
    size = os.path.getsize(whole)
    refused = harmless = 0
    for number in range(FLIPS):
        shutil.copy(whole, store)
        with open(store, "r+b") as file:
            if chance.random() < 0.2:  # a page that is not the one that was written
                page = chance.randrange(size // PAGE) * PAGE
                file.seek(chance.randrange(size // PAGE) * PAGE)
                other = chance.choice((file.read(PAGE), bytes(PAGE), chance.randbytes(PAGE)))
                file.seek(page)
                file.write(other)
            for _ in range(chance.choice((0, 1, 1, 8, 64))):
                place = chance.randrange(size)
                file.seek(place)
                old = file.read(1)[0]
                file.seek(place)
                file.write(bytes([old ^ (1 << chance.randrange(8))]))
        verified = run(test, "verify", "--full", store)
        check(verified.returncode in (0, 1, 2),
              f"flip {number} of seed {seed}: verify ended with {verified.returncode}: {verified.stderr[-500:]}")
        if verified.returncode != 0:
            check(verified.stdout or verified.stderr, "a refusal without a word")
            refused += 1
            exported = run(test, "export", "--what=versions", "--config.file=" + config)
            check(exported.returncode in (0, 2), f"flip {number} of seed {seed}: export: {exported.returncode}")
            continue
        told = answers(test, config)
        check(told == before, f"flip {number} of seed {seed}: found sound, but answers differ")
        harmless += 1
    check(refused > FLIPS // 3, f"only {refused} of {FLIPS} were found: did the flips reach the file?")
    print(f"{refused} refused, {harmless} without effect", flush=True)


if __name__ == "__main__":
    main([flipped_bytes])
