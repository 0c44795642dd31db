#!/usr/bin/env python3
"""Carries the guard and the step scripts into the Tasks, so that a Task works with `kubectl apply` alone.

    python tekton/embed.py          writes the Tasks that are out of date
    python tekton/embed.py --check  changes nothing, and exits 1 when one is

A Task says what it carries: a `script: |` of its YAML whose second line is
`# embedded from <path below tekton/> by tekton/embed.py` is replaced by that file. Edit the file, never the copy.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

TEKTON = Path(__file__).resolve().parent
BLOCK = re.compile(
    r"^(?P<indent> +)script: \|\n"
    r"(?P=indent)  #!.*\n"
    r"(?P=indent)  (?P<mark># embedded from (?P<path>\S+) by tekton/embed\.py)\n"
    r"(?:(?P=indent)  .*\n|\n(?=\n|(?P=indent)  ))*",
    re.MULTILINE,
)


def script(indent: str, mark: str, source: str) -> str:
    """Return the YAML of one script: the source with the mark after its first line (`#!…`)."""
    first, _, rest = source.partition("\n")
    return f"{indent}script: |\n" + textwrap.indent(f"{first}\n{mark}\n{rest}", indent + "  ")


def embedded(task: str, sources: Path) -> str:
    """Return a Task's YAML with every marked script as its file below `sources` is now.

    Raises FileNotFoundError when a mark names no file.
    """
    return BLOCK.sub(
        lambda found: script(found["indent"], found["mark"], (sources / found["path"]).read_text(encoding="utf-8")),
        task,
    )


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
                f"{path.relative_to(TEKTON.parent)}: a script is out of date (got another text than its file, "
                "expected the same). Fix: python tekton/embed.py",
                file=sys.stderr,
            )
        else:
            path.write_text(fresh, encoding="utf-8")
    return outdated


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
