#!/usr/bin/env python3
"""The bill of materials names what the program really holds. Usage: sbom_test.py PROGRAM SOURCE_DIR"""
import hashlib
import json
import pathlib
import re
import subprocess
import sys

PURL = re.compile(r"pkg:deb/[a-z]+/[A-Za-z0-9%.-]+@[^?]+\?arch=[a-z0-9]+&distro=[a-z0-9.-]+")


def main():
    program, source = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if not (program.resolve().parent.parent / ".ninja_deps").exists():
        print("SKIPPED: only ninja writes down what was compiled in")
        return 77
    runs = [subprocess.run([source / "scripts/sbom", program], capture_output=True, text=True, check=False)
            for _ in range(2)]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout, "two runs differ"
    bill = json.loads(runs[0].stdout)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        bill["serialNumber"]), bill["serialNumber"]
    itself = bill["metadata"]["component"]
    printed = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert itself["version"] == printed, (itself["version"], printed)
    assert itself["hashes"][0]["content"] == hashlib.sha256(program.read_bytes()).hexdigest()

    components = {entry["name"]: entry for entry in bill["components"]}
    assert len(components) == len(bill["components"]), "a package is there twice"
    for entry in bill["components"]:
        assert PURL.fullmatch(entry["purl"]), entry["purl"]
        installed = subprocess.run(["dpkg-query", "-W", "-f", "${Version}\n", entry["name"]], capture_output=True,
                                   text=True, check=True).stdout.split()
        assert entry["version"] in installed, (entry["version"], installed)
    uses = {name: entry["properties"][0]["value"] for name, entry in components.items()}
    # One that is linked, one that is linked by another, and what leaves no trace in the binary but its code.
    for name, use in (("libsqlite3-0", "linked"), ("libssl3", "linked"), ("libc6", "linked"),
                      ("libboost1.81-dev", "compiled in"), ("nlohmann-json3-dev", "compiled in"),
                      ("libcli11-dev", "compiled in")):
        assert uses.get(name) == use, f"{name}: {uses.get(name)}"
    for name in ("doctest-dev", "libbenchmark-dev", "libssl-dev"):
        assert name not in uses, f"{name} is not in the program, or is there already as a library"
    references = [entry["ref"] for entry in bill["dependencies"]]
    assert sorted(references) == sorted([itself["bom-ref"], *(entry["bom-ref"] for entry in bill["components"])])
    assert set(bill["dependencies"][0]["dependsOn"]) == set(references[1:])

    missing = subprocess.run([source / "scripts/sbom", program.parent / "nothing"], capture_output=True, text=True,
                             check=False)
    assert missing.returncode == 2 and "not built" in missing.stderr, missing
    print(f"{len(components)} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
