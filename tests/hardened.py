#!/usr/bin/env python3
"""Looks into a program for the protections that a release is built with.

Usage: hardened.py PROGRAM [BUILD_TYPE]

PIE, full RELRO, a stack that holds no code, no segment that can be both written and run, stack protector, fortified
calls, no search path of its own. Only builds of type Release have them: any other is skipped with 77. The test proves
itself on a program that is built without them.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], check=True, capture_output=True, text=True).stdout


def complaints(program):
    header, segments, dynamic = readelf("-h", program), readelf("-l", program), readelf("-d", program)
    symbols = readelf("--dyn-syms", program)
    flags = [(line.split()[0], re.search(r" ([R ][W ][E ]) 0x\w+$", line)) for line in segments.splitlines()
             if re.match(r"^ +(LOAD|GNU_STACK|GNU_RELRO) ", line)]
    flags = [(name, found[1]) for name, found in flags if found]
    if "Type:" not in header or not any(name == "LOAD" for name, _ in flags):
        yield "readelf was not understood"
        return
    if not re.search(r"Type: +DYN", header) or not re.search(r"FLAGS_1.*\bPIE\b", dynamic):
        yield "not position-independent"
    if not any(name == "GNU_RELRO" for name, _ in flags):
        yield "no RELRO"
    if not re.search(r"\(FLAGS\).*BIND_NOW|FLAGS_1.*\bNOW\b", dynamic):
        yield "symbols are bound late: RELRO is partial"
    if not any(name == "GNU_STACK" and "E" not in how for name, how in flags):
        yield "the stack may hold code"
    if any("W" in how and "E" in how for _, how in flags):
        yield "a segment can be written and run"
    if "__stack_chk_fail" not in symbols:
        yield "no stack protector"
    if not re.search(r"\b__\w+_chk(@|\b)", symbols.replace("__stack_chk_fail", "")):
        yield "no fortified call"
    if re.search(r"\((RPATH|RUNPATH)\)", dynamic):
        yield "a search path of its own"


def prove():
    compiler = shutil.which("cc") or shutil.which("clang-19")
    with tempfile.TemporaryDirectory() as directory:
        source, program = pathlib.Path(directory, "a.c"), pathlib.Path(directory, "a")
        source.write_text("int main(void) { return 0; }\n", encoding="utf-8")
        subprocess.run([compiler, "-fno-stack-protector", "-no-pie", "-Wl,-z,norelro", "-Wl,-z,lazy", "-Wl,-z,execstack",
                        "-Wl,-rpath,/x", "-o", program, source], check=True, capture_output=True)
        found = list(complaints(program))
        assert len(found) == 8, found


def main():
    if len(sys.argv) > 2 and sys.argv[2] != "Release":
        print(f"a build of type {sys.argv[2]} has no protections: skipped")
        return 77
    prove()
    found = list(complaints(sys.argv[1]))
    print("\n".join([*found, f"{sys.argv[1]}: {len(found)} complaints"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
