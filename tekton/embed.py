#!/usr/bin/env python3
"""Carries what the Tasks share, the guard and the step scripts into each Task, so that `kubectl apply` is enough.

    python tekton/embed.py          writes the Tasks that are out of date
    python tekton/embed.py --check  changes nothing, and exits 1 when one is

A Task says what it carries, by paths below tekton/. Edit the file, never the copy:

* The lines between `# embedded from <path>.yaml by tekton/embed.py` and `# end of <path>.yaml` are that file.
* A `script: |` whose second line is `# embedded from <path> by tekton/embed.py` is that file.
* In a script's file, the line `# include <path>` stands for that file without its first line (`#!…`).
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

TEKTON = Path(__file__).resolve().parent
FRAGMENT = re.compile(
    r"^(?P<indent> *)(?P<mark># embedded from (?P<path>\S+\.yaml) by tekton/embed\.py)\n"
    r"(?:.*\n)*?"
    r"(?P=indent)(?P<end># end of (?P=path))\n",
    re.MULTILINE,
)
SCRIPT = re.compile(
    r"^(?P<indent> +)script: \|\n"
    r"(?P=indent)  #!.*\n"
    r"(?P=indent)  (?P<mark># embedded from (?P<path>\S+) by tekton/embed\.py)\n"
    r"(?:(?P=indent)  .*\n|\n(?=\n|(?P=indent)  ))*",
    re.MULTILINE,
)
INCLUDE = re.compile(r"^# include (?P<path>\S+)\n", re.MULTILINE)


def embedded(task: str, sources: Path) -> str:
    """Return a Task's YAML with every marked part as its file below `sources` is now.

    Raises FileNotFoundError when a mark names no file.
    """

    def read(found: re.Match[str]) -> str:
        return (sources / found["path"]).read_text(encoding="utf-8")

    def fragment(found: re.Match[str]) -> str:
        return textwrap.indent(f"{found['mark']}\n{read(found)}{found['end']}\n", found["indent"])

    def script(found: re.Match[str]) -> str:
        first, _, rest = INCLUDE.sub(lambda line: read(line).partition("\n")[2], read(found)).partition("\n")
        text = f"{first}\n{found['mark']}\n{rest}"
        return f"{found['indent']}script: |\n{textwrap.indent(text, found['indent'] + '  ')}"

    return SCRIPT.sub(script, FRAGMENT.sub(fragment, task))


def main(arguments: list[str]) -> int:
    """Write the Tasks, or with --check say which are out of date. Returns the exit code."""
    outdated = 0
    for path in sorted(TEKTON.glob("task/*/*/*.yaml")):
        task = path.read_text(encoding="utf-8")
        fresh = embedded(task, TEKTON)
        if fresh == task:
            continue
        if arguments == ["--check"]:
            outdated = 1
            print(
                f"{path.relative_to(TEKTON.parent)}: it is out of date (got another text than its files, "
                "expected the same). Fix: python tekton/embed.py",
                file=sys.stderr,
            )
        else:
            path.write_text(fresh, encoding="utf-8")
    return outdated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
