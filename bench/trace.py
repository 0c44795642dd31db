"""Tracing a log of 500 runs, beside a bare Python loop with one regular expression for each line of the same files.

Each round is a process of its own: `python -m bench.trace FOLDER QUESTION` prints one line of JSON. Before anything is
timed, every statement and finding of the answer is held against what the generator knows.
`python -m bench.trace [--size MB] [--form stderr] [--rounds N]` measures this alone.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench import BenchError
from bench.table import Comparison, table
from bench.trace_logs import BROKEN, FILES, WRITERS, Truth, write
from runlease.evidence.trace import Answer, Question, Sources, trace
from runlease.evidence.trace.owners import Owners

SIZE, ROUNDS, AT_LEAST, LIMIT_MIB = 1_000_000_000, 3, 0.4, 150.0
LOGIN = re.compile(rb"run_[a-z0-9][a-z0-9_-]{8,58}")
QUESTIONS = {"run": Question(run="release-123"), "unattributed": Question(unattributed=True)}
ALL = Question(since=datetime(2026, 1, 1, tzinfo=UTC))


def compare(rounds: int = ROUNDS, size: int = SIZE, form: str = "csvlog") -> list[Comparison]:
    """MB/s of two questions beside the bare loop's, and the memory that they take."""
    with tempfile.TemporaryDirectory(prefix="runlease-bench-") as name:
        folder = Path(name)
        truth = write(folder, form, size)
        check(folder, truth)
        megabytes = sum(path.stat().st_size for path in _logs(folder)) / 1e6
        share = truth.leased_bytes / megabytes / 1e4
        what = f"trace, {megabytes:.0f} MB of {form}, {share:.0f} % of it leased:"
        seen: dict[str, list[dict[str, float]]] = {"bare": [], **{question: [] for question in QUESTIONS}}
        for _ in range(rounds):
            for way, found in seen.items():
                found.append(_round(folder, way))
        badger = _pgbadger(folder, form)
    bare = tuple(megabytes / one["seconds"] for one in seen["bare"])
    beside = "bare loop, one regular expression a line"
    comparisons = []
    for question in QUESTIONS:
        speed = tuple(megabytes / one["seconds"] for one in seen[question])
        memory = tuple(one["mib"] for one in seen[question])
        comparisons += [
            Comparison(f"{what} --{question}", "MB/s", speed, beside, bare, at_least=AT_LEAST),
            Comparison(f"{what} --{question}, peak memory", "MiB", memory, "limit", (LIMIT_MIB,), 1.0),
        ]
        if badger:
            comparisons.append(Comparison(f"{what} --{question}", "MB/s", speed, "pgbadger, for its report", (badger,)))
    return comparisons


def check(folder: Path, truth: Truth) -> None:
    """Every statement is of the run that it names, and every finding is one. Raises BenchError."""
    with closing(trace(ALL, _sources(folder))) as answer:
        right = sum(_right(answer, event.login, event.text) for event in answer.events if event.kind == "statement")
        found = {(one.kind, one.login) for one in answer.findings}
        broken = sum(one.broken for one in answer.reads)
    told = answer.found.get("statement", 0)
    if (right, told, found, broken) != (truth.statements, truth.statements, truth.findings, BROKEN):
        raise BenchError(
            f"bench.trace: the attribution is wrong ({right} statements right of {told}, expected {truth.statements}; "
            f"findings {len(found & truth.findings)} of {len(truth.findings)} and {len(found - truth.findings)} more; "
            f"{broken} broken entries, expected {BROKEN})"
        )
    print(f"{right} of {truth.statements} statements and {len(found)} findings are right", flush=True)


def _right(answer: Answer, login: str, text: str) -> bool:
    named = re.search(r"\bof_(?:r(\d+)|nobody)_\b", text)
    run = answer.owner(login).pipeline_run
    return named is not None and run == (f"release-{named[1]}" if named[1] else "")


def _sources(folder: Path) -> Sources:
    known = json.loads((folder / "kubernetes.json").read_text())
    return Sources(_logs(folder), [folder / "audit.log"], Owners([("kubernetes.json", known)]))


def _logs(folder: Path) -> list[Path]:
    return [folder / f"postgresql-{number}.log" for number in reversed(range(FILES))]


def _round(folder: Path, way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.trace", str(folder), "--way", way]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"bench.trace: it did not end well:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _pgbadger(folder: Path, form: str) -> float | None:
    """MB/s of pgBadger over one of the files, which does other work, where it is installed."""
    badger = shutil.which("pgbadger")
    if badger is None:
        print("pgbadger is not measured: it is not on PATH", flush=True)
        return None
    log = folder / "postgresql-0.log"
    prefix = ["-p", "%m [%p] [user=%u,db=%d,app=%a,client=%h,sess=%c] "] if form == "stderr" else []
    command = [badger, "-q", "-f", "csv" if form == "csvlog" else form, *prefix, "-o", str(folder / "out.html")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*command, str(log)], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchError(f"bench.trace: pgbadger did not end well:\n{done.stderr[-2000:]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return log.stat().st_size / 1e6 / seconds


def bare(folder: Path) -> None:
    """What a script of a few lines would begin with."""
    for path in _logs(folder):
        with path.open("rb") as file:
            for line in file:
                LOGIN.search(line)


def one_round(folder: Path, way: str) -> None:
    """Print seconds of the processor, which other work on the machine does not change, and MiB."""
    started = time.process_time()
    if way == "bare":
        bare(folder)
    else:
        with closing(trace(QUESTIONS[way], _sources(folder))) as answer:
            sum(1 for _ in answer.events)
    seconds = time.process_time() - started
    # Not by getrusage: a child begins there with its parent's peak.
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if peak is None:
        raise BenchError("bench.trace: /proc/self/status has no VmHWM (expected Linux)")
    print(json.dumps({"seconds": seconds, "mib": int(peak[1]) / 1024}))


def main() -> None:
    """By hand, or one round."""
    parser = argparse.ArgumentParser(prog="python -m bench.trace")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--way", default="run")
    parser.add_argument("--size", type=int, default=SIZE // 1_000_000, help="MB")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--form", choices=tuple(WRITERS), default="csvlog")
    given = parser.parse_args()
    if given.folder:
        one_round(given.folder, given.way)
    else:
        print(table(compare(given.rounds, given.size * 1_000_000, given.form)))


if __name__ == "__main__":
    main()
