#!/usr/bin/env python3
"""A daemon whose disk fills up, or whose database is taken away, goes on serving, says so, and recovers by itself."""

import ctypes
import errno
import os
import shutil
import subprocess

from harness import Skip, check, contains, equal, main, sqlite, wait_for

WORKSPACE = ("/subscriptions/3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1/resourceGroups/rg-contoso-aks/providers/"
             "Microsoft.OperationalInsights/workspaces/law-contoso-aks")
WRITABLE = "plumbline_storage_writable"
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
own_mounts = False


def call(function, *arguments):
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def mount(source, target, kind, flags, data):
    call(LIBC.mount, source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())


def allow_mounts():
    """Mounts of this test's own, which nobody else sees."""
    global own_mounts
    if own_mounts:
        return
    user, group = os.getuid(), os.getgid()
    try:
        try:
            call(LIBC.unshare, CLONE_NEWNS)
        except PermissionError:
            call(LIBC.unshare, CLONE_NEWNS | CLONE_NEWUSER)
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
                with open("/proc/self/" + name, "w", encoding="ascii") as file:
                    file.write(text)
        mount("none", "/", "none", MS_REC | MS_PRIVATE, "")
    except OSError as error:
        raise Skip(f"no right to mount a small disk: {error}") from error
    own_mounts = True


def small_disk(test, size):
    allow_mounts()
    path = test.directory("disk")
    try:
        mount("tmpfs", path, "tmpfs", 0, f"size={size},mode=0700")
    except OSError as error:
        raise Skip(f"no right to mount a small disk: {error}") from error
    return path


def fill(path):
    """Takes all the room there is."""
    filler = os.path.join(path, "filler")
    with open(filler, "wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError as error:
                equal(error.errno, errno.ENOSPC, "error of a full disk")
                size //= 2
    return filler


def states(daemon):
    return sorted((row["reference"], row["resource_key"], row["state"]) for row in daemon.results())


def serves(daemon, before, what):
    """The last committed state, from everywhere."""
    equal(daemon.get("/").status, 200, f"page {what}")
    equal(daemon.get("/-/healthy").status, 200, f"health {what}")
    equal(daemon.get("/-/ready").status, 200, f"readiness {what}")
    check(daemon.metric("plumbline_compliance_score_ratio") > 0, f"no score {what}")
    equal(daemon.metric(WRITABLE), 0, f"gauge {what}")
    if before is not None:
        equal(states(daemon), before, f"verdicts {what}")
        equal(daemon.get("/api/v1/resource", id=WORKSPACE).status, 200, f"a resource {what}")


def a_full_disk(test):
    disk = small_disk(test, "16m")
    simulator = test.simulator()
    config = test.configure(simulator, directory=disk, sweep="5s", details="5s")
    store = os.path.join(disk, "plumbline.db")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    equal(daemon.metric(WRITABLE), 1, "gauge at first")
    filler = fill(disk)
    # There is room in the files that are there: a large change uses it up.
    for _ in range(8):
        simulator.patch(WORKSPACE, {"properties": {"description": os.urandom(1 << 20).hex()}})
        passes = daemon.passes()
        wait_for("a pass", lambda: daemon.passes() >= passes + 2 or " event=cycle_failed " in daemon.log(),
                 alive=[daemon])
        if " event=cycle_failed " in daemon.log():
            break
    check(" event=cycle_failed " in daemon.log(), "the full disk takes everything")
    line = next(line for line in daemon.log().splitlines() if " event=cycle_failed " in line)
    contains(line, "reason=io", "why")
    contains(line, "full", "message")
    wait_for("the gauge", lambda: daemon.metric(WRITABLE) == 0, alive=[daemon])
    cycle = daemon.api("status")["cycle"]["number"]
    serves(daemon, states(daemon), "with a full disk")
    verbose = daemon.get("/-/healthy", verbose="1").json()
    equal(verbose["store"]["writable"], False, "health in full")
    simulator.patch(WORKSPACE, {"tags": {"last": "yes"}, "properties": {"description": "short"}})
    os.remove(filler)
    wait_for("the gauge again", lambda: daemon.metric(WRITABLE) == 1, alive=[daemon])
    wait_for("a commit again", lambda: daemon.api("status")["cycle"]["number"] > cycle, alive=[daemon])
    daemon.next_pass()
    newest = test.run("history", "--config.file=" + config, "--format=json", WORKSPACE).stdout
    contains(newest, '"/tags/last"', "what changed meanwhile")
    equal(daemon.stop(), 0, "exit code")
    verified = test.run("verify", "--full", store)
    equal(verified.returncode, 0, f"verify: {verified.stdout}{verified.stderr}")


def taken_away(test, take, put_back):
    """`take` moves or replaces a file of the running daemon; `put_back` undoes it."""
    simulator = test.simulator()
    config = test.configure(simulator, sweep="5s", details="5s")
    store = config.replace("plumbline.yaml", "plumbline.db")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    take(store)
    wait_for("a commit that is refused", lambda: " event=cycle_failed " in daemon.log(), alive=[daemon])
    contains(daemon.log(), "was deleted or replaced while in use", "log")
    serves(daemon, None, "without its files")
    answer = daemon.get("/api/v1/results")
    equal(answer.status, 500, "results without a database")
    contains(answer.text(), "was deleted or replaced while in use", "results without a database")
    put_back(store)
    wait_for("the gauge again", lambda: daemon.metric(WRITABLE) == 1, alive=[daemon])
    daemon.next_pass()
    equal(daemon.stop(), 0, "exit code")
    verified = test.run("verify", "--full", store)
    equal(verified.returncode, 0, f"verify: {verified.stdout}{verified.stderr}")


def a_database_that_is_moved_away(test):
    taken_away(test, lambda store: os.rename(store, store + ".away"), lambda store: os.rename(store + ".away", store))


def a_database_that_is_replaced(test):
    def replace(store):
        os.rename(store, store + ".away")
        shutil.copy(store + ".away", store)

    taken_away(test, replace, lambda store: os.rename(store + ".away", store))


def a_log_that_is_moved_away(test):
    taken_away(test, lambda store: os.rename(store + "-wal", store + ".away"),
               lambda store: os.rename(store + ".away", store + "-wal"))


def a_database_that_is_deleted(test):
    simulator = test.simulator()
    config = test.configure(simulator, sweep="5s", details="5s")
    store = config.replace("plumbline.yaml", "plumbline.db")
    daemon = test.serve(config, simulator)
    daemon.wait_passes(1)
    os.remove(store)
    wait_for("a commit that is refused", lambda: " event=cycle_failed " in daemon.log(), alive=[daemon])
    serves(daemon, None, "without a database")
    equal(daemon.stop(), 0, "exit code")
    # An empty history would follow unseen.
    refused = test.run("serve", "--config.file=" + config, simulator=simulator)
    equal(refused.returncode, 2, "exit code without the database")
    contains(refused.stderr, "the database is gone", "message")
    check(not os.path.exists(store), "a new database was made")
    os.remove(store + "-wal")
    equal(test.once(config, simulator).returncode, 1, "exit code once the log is gone, too")
    check(int(sqlite(store, "SELECT count(*) FROM cycle")) > 0, "nothing was committed anew")


def a_directory_that_cannot_be_written(test):
    allow_mounts()
    simulator = test.simulator()
    config = test.configure(simulator)
    directory = os.path.dirname(config)
    test.once(config, simulator)
    mount(directory, directory, "none", MS_BIND, "")
    mount("none", directory, "none", MS_REMOUNT | MS_BIND | MS_RDONLY, "")
    for command in ("serve", "once"):
        refused = test.run(command, "--config.file=" + config, simulator=simulator)
        equal(refused.returncode, 2, f"exit code of {command}")
        contains(refused.stderr, "Read-only file system", f"message of {command}")
        contains(refused.stderr, directory, f"message of {command}")
    subprocess.run(["umount", directory], check=True)
    equal(test.once(config, simulator).returncode, 1, "exit code when it can be written again")


if __name__ == "__main__":
    main([a_full_disk, a_database_that_is_moved_away, a_database_that_is_replaced, a_log_that_is_moved_away,
          a_database_that_is_deleted, a_directory_that_cannot_be_written])
