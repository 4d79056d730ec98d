#!/usr/bin/env python3
"""Holds the command line, its pages and its completion equal.

Usage: cli_documented.py PLUMBLINE SOURCE_DIR

Every command and flag that the program's help names is in docs/man/plumbline.1, in
docs/configuration.md and in packaging/bash-completion, and those name no other. Every command's help
has an example, of that command and with flags that it has. The completion is
run in a real bash where bash-completion is installed. Every key of config/plumbline.yaml is in
docs/man/plumbline.yaml.5.
"""
import pathlib
import re
import subprocess
import sys

FLAG = re.compile(r"--[a-z][a-z.-]*[a-z]")
COMPLETION = "/usr/share/bash-completion/bash_completion"
failures = []


def expect(what: str, documented: set, real: set) -> None:
    if missing := real - documented:
        failures.append(f"{what} lacks: {' '.join(sorted(missing))}")
    if invented := documented - real:
        failures.append(f"{what} names what does not exist: {' '.join(sorted(invented))}")


def check_examples(words: tuple, text: str, flags: set, children: set) -> None:
    """Examples at the end of a command's help: of itself, or of a command below it."""
    examples = re.findall(r"^ *Example: (?:sudo )?plumbline ?(.*)$", text, re.MULTILINE)
    name = " ".join(words) or "the program"
    if not examples:
        failures.append(f"the help of {name} has no example")
    for example in examples:
        rest = example.split()
        own = rest[:len(words)] == list(words)
        if not own or (children and rest[len(words):len(words) + 1] and rest[len(words)] not in children):
            failures.append(f"the help of {name} has an example of another command: {example}")
        elif not children and (unknown := set(FLAG.findall(example)) - flags):
            failures.append(f"an example of {name} has flags that it does not know: {unknown}")


def command_lines(program: str) -> dict:
    """Flags by command, as the program itself tells."""

    def ask(*words: str) -> str:
        line = [program, *words, "--help"]
        run = subprocess.run(line, check=True, capture_output=True, text=True)
        return run.stdout

    def children(text: str) -> list:
        _, _, rest = text.partition("Subcommands:\n")
        return re.findall(r"^  ([a-z-]+)  ", rest, re.MULTILINE)

    lines = {}
    pending = [()]
    while pending:
        words = pending.pop()
        text = ask(*words)
        found = children(text)
        pending += [words + (child,) for child in found]
        options = text.partition("Options:\n")[2].partition("\n\n")[0]
        flags = set()
        for line in options.splitlines():
            if named := re.match(r"  (?:-h,)?(--[a-z.-]+)", line):
                flags.add(named[1])
        check_examples(words, text, flags, set(found))
        # Every command knows it; it is documented once.
        lines[" ".join(words)] = (flags - {"--help-all"} if words else flags, set(found))
    return lines


def complete(script: pathlib.Path, words: list) -> set:
    """What the completion offers for `words`, the last one being typed."""
    code = f"""
      . {COMPLETION}
      compopt() {{ :; }}
      . {script}
      COMP_WORDS=("$@"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
      COMP_LINE="${{COMP_WORDS[*]}}"; COMP_LINE=${{COMP_LINE// =/=}}
      COMP_POINT=${{#COMP_LINE}}
      _plumbline
      printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    command = ["bash", "-c", code, "bash", "plumbline", *words]
    run = subprocess.run(command, capture_output=True, text=True)
    return set(run.stdout.split())


def main() -> int:
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    lines = command_lines(program)
    flags = set().union(*(entry[0] for entry in lines.values()))
    commands = {words for words, entry in lines.items() if words and not entry[1]}
    if len(commands) < 7 or len(flags) < 10:
        failures.append(f"the help was not understood: {commands} {flags}")

    manual = (source / "docs/man/plumbline.1").read_text(encoding="utf-8")
    described = manual.partition(".Sh DESCRIPTION")[2]
    named = {"-" + flag for flag in re.findall(r"Fl (?:h , )?(-[a-z.-]+)", described)}
    expect("docs/man/plumbline.1", named, flags)
    listed = set(re.findall(r"^\.It Cm ([a-z -]+)$", manual, re.MULTILINE))
    expect("docs/man/plumbline.1", listed, commands)
    synopsis = manual.partition(".Sh SYNOPSIS")[2].partition(".Sh DESCRIPTION")[0]
    for entry in synopsis.split("\n.Nm\n")[1:]:
        words = re.match(r"\.Cm ([a-z -]+)", entry)[1].strip()
        in_synopsis = {"-" + flag for flag in re.findall(r"Fl (-[a-z.-]+)", entry)}
        expect(f"the synopsis of {words}", in_synopsis, lines.get(words, (set(),))[0] - {"--help"})

    page = (source / "docs/configuration.md").read_text(encoding="utf-8")
    in_page = set(FLAG.findall(page.partition("## Commands and flags")[2]))
    expect("docs/configuration.md", in_page, flags - {"--help", "--help-all"})

    script = source / "packaging/bash-completion"
    if pathlib.Path(COMPLETION).exists():
        for words, (own, found) in lines.items():
            typed = words.split()
            offered = {flag.rstrip("=") for flag in complete(script, [*typed, "-"])}
            expect(f"completion of `plumbline {words} -`", offered, own)
            if found:
                expect(f"completion of `plumbline {words}`",
                       {word for word in complete(script, [*typed, ""]) if word[0] != "-"}, found)
        values = complete(script, ["once", "--format", "="])
        expect("completion of values", values, {"table", "json", "csv", "html"})
        values = complete(script, ["evaluate", "--format", "="])
        expect("completion of values", values, {"text", "json", "csv", "sarif", "junit"})
        values = complete(script, ["evaluate", "--fail-on", "="])
        expect("completion of values", values, {"low", "medium", "high", "critical", "none"})
        values = complete(script, ["doctor", "--format", "="])
        expect("completion of values", values, {"table", "json"})
        values = complete(script, ["export", "--format", "="])
        expect("completion of values", values, {"jsonl", "csv"})
        values = complete(script, ["export", "--what", "="])
        expect("completion of values", values, {"resources", "versions", "verdicts", "transitions", "drift"})
        values = complete(script, ["policy", "explain", "--format", "="])
        expect("completion of values", values, {"text", "json"})
    else:
        print("bash-completion is not installed: its script was not run")

    example = (source / "config/plumbline.yaml").read_text(encoding="utf-8")
    keys = set(re.findall(r"^ *(?:# +|- )?([a-z_]+):(?: |$)", example, re.MULTILINE))
    reference = (source / "docs/man/plumbline.yaml.5").read_text(encoding="utf-8")
    for key in sorted(keys):
        if not re.search(rf"(?<![a-z_]){key}(?![a-z_])", reference):
            failures.append(f"docs/man/plumbline.yaml.5 lacks {key}")
    if len(keys) < 25:
        failures.append(f"only {len(keys)} keys found in config/plumbline.yaml: {sorted(keys)}")

    for failure in failures:
        print(failure)
    print(f"{len(commands)} commands, {len(flags)} flags, {len(keys)} keys")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
