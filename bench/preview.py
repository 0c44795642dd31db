"""Reading a large preview: the recorded one over and over, each time of another installation, until it is 50 MB.

Each round is a process of its own: `python -m bench.preview FILE` prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import BenchError
from bench.table import Comparison
from lab.stack import REPOSITORY
from runlease.readers.preview import read_plan

RECORDED = REPOSITORY / "tests" / "data" / "previews" / "unchanged.json"
SIZE, ROUNDS, LIMIT_SECONDS = 50_000_000, 5, 2.0


def compare(rounds: int = ROUNDS) -> list[Comparison]:
    """Seconds beside what it may take, and the memory that it takes."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "preview.json")
        write(path, SIZE)
        seen = [_round(path) for _ in range(rounds)]
    seconds, memory = (tuple(one[key] for one in seen) for key in ("seconds", "mib"))
    what = f"a preview of {SIZE // 1_000_000} MB"
    return [
        Comparison(f"{what}: read", "s", seconds, "limit", (LIMIT_SECONDS,), 1.0),
        Comparison(f"{what}: peak memory of the process", "MiB", memory, "its size", (SIZE / 2**20,)),
    ]


def write(path: Path, size: int) -> None:
    """A preview of at least this many bytes, laid out as the CLI does."""
    steps = [json.dumps(_as_written(step), indent=4) for step in json.loads(RECORDED.read_text())["steps"]]
    written = count = 0
    with path.open("w") as file:
        file.write('{"steps": [')
        while written < size:
            for step in steps:
                written += file.write(f"{',' if written else ''}{_of_another(step, count)}")
            count += 1
        file.write(f'], "changeSummary": {{"same": {count * len(steps)}}}}}')


def _as_written(step: dict[str, Any]) -> dict[str, Any]:
    """With what the recordings leave out, so that a step has its usual 15 kB: outputs, and where it is made."""
    trace = [
        {"sourcePosition": f"project:///venv/lib/python3.11/site-packages/pulumi/runtime/{n}.py#1"} for n in range(28)
    ]
    more = {"stackTrace": trace, "dependencies": [step["urn"]] * 3}
    states = {side: {**step[side], **more, "outputs": step[side].get("inputs")} for side in ("oldState", "newState")}
    return {**step, **states}


def _of_another(step: str, number: int) -> str:
    """The same step of another installation of the same stack."""
    for lease in ("reader", "migrator"):
        step = step.replace(f'"{lease}"', f'"{lease}{number}"').replace(f"creds/{lease}", f"creds/{lease}{number}")
    return step.replace("shop", f"shop{number}").replace(f"urn:pulumi:shop{number}:", "urn:pulumi:shop:")


def _round(path: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.preview", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"bench.preview: it did not end well:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(path: Path) -> None:
    """One round."""
    started = time.perf_counter()
    plan = read_plan(path)
    seconds = time.perf_counter() - started
    if not plan.after.bindings or plan.after.unread:
        raise BenchError("bench.preview: it was not understood (expected bindings, and nothing unread)")
    print(json.dumps({"seconds": seconds, "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
