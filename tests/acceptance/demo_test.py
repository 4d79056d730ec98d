#!/usr/bin/env python3
"""scripts/demo does what it says, in both modes, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess

from harness import Process, Skip, check, contains, equal, free_port, http_request, main, read_text, wait_for


def demo_environment(test, directory=None):
    for tool in ("bash", "curl", "jq"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")
    environment = dict(os.environ)
    environment["PLUMBLINE_DEMO_BIN_DIR"] = test.bin_dir
    environment["TMPDIR"] = test.directory("tmp")
    test.binary("plumbline")
    test.binary("plumbline-simulator")
    if directory:
        environment["PLUMBLINE_DEMO_DIR"] = directory
    return environment


def command(test):
    return os.path.join(test.source_dir, "scripts", "demo")


def children(pid):
    """Processes whose parent this is, by their names."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = read_text(f"/proc/{entry}/stat").rpartition(")")[2].split()
            if len(fields) > 1 and fields[1] == str(pid):
                found[os.path.basename(read_text(f"/proc/{entry}/cmdline").split("\0")[0])] = int(entry)
    return found


def gone(pid):
    state = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return not state or state[0] == "Z"


def once(test):
    environment = demo_environment(test)
    done = subprocess.run([command(test), "--once"], capture_output=True, text=True, check=False, timeout=120,
                          env=environment, stdin=subprocess.DEVNULL)
    equal(done.returncode, 1, f"exit code, which is that of `plumbline once` ({done.stderr[-500:]})")
    contains(done.stdout, " resources in 3 subscriptions", "report")
    contains(done.stdout, "\nNonCompliant (", "report")
    contains(done.stdout, "This pass observed ", "report")
    equal(os.listdir(environment["TMPDIR"]), [], "what is left in the temporary directory")


def serve(test):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        environment = demo_environment(test)
        listen = f"127.0.0.1:{free_port()}"
        environment["PLUMBLINE_DEMO_LISTEN"] = listen
        demo = Process("scripts/demo", [command(test)], os.path.join(test.directory("demo"), "demo.log"),
                       environment=environment)
        test.own(demo)
        wait_for("the closing line", lambda: "Ctrl-C stops both." in read_text(demo.stdout_path), alive=[demo])
        text = read_text(demo.stdout_path)
        contains(text, f"http://{listen}/\n", "address of the page")
        port = int(listen.rsplit(":", 1)[1])
        counts = http_request(port, "GET", "/api/v1/scores").json()["assignments"][0]["counts"]
        contains(text, f"{counts['Compliant']} compliant, {counts['NonCompliant']} non-compliant, "
                       f"{counts['NoEvidence']} without evidence", "score")
        equal(http_request(port, "GET", "/").status, 200, "status of the page")
        running = children(demo.pid)
        check({"plumbline", "plumbline-simulator"} <= set(running), f"children of the script: {running}")
        try:
            # Ctrl-C goes to the whole foreground group; a service manager signals the script alone.
            demo.signal(number)
            equal(demo.wait(30), code, f"exit code after {number.name}")
            for name in ("plumbline", "plumbline-simulator"):
                wait_for(f"end of {name}", lambda name=name: gone(running[name]), timeout=10)
        finally:
            for name in ("plumbline", "plumbline-simulator"):
                if not gone(running[name]):
                    os.kill(running[name], signal.SIGKILL)
        equal(os.listdir(environment["TMPDIR"]), [], "what is left in the temporary directory")


def arguments(test):
    environment = demo_environment(test)
    wrong = subprocess.run([command(test), "--twice"], capture_output=True, text=True, check=False, env=environment,
                           timeout=60)
    equal(wrong.returncode, 2, "exit code of an unknown argument")
    contains(wrong.stderr, "unknown argument: --twice", "message")
    shown = subprocess.run([command(test), "--help"], capture_output=True, text=True, check=False, env=environment,
                           timeout=60)
    equal(shown.returncode, 0, "exit code of --help")
    contains(shown.stdout, "scripts/demo --once", "help")
    contains(shown.stdout, "PLUMBLINE_DEMO_BIN_DIR", "help")


if __name__ == "__main__":
    main([once, serve, arguments])
