"""What stands for Tekton's entrypoint, the first process of a step: waits, runs the command, says how it ended.

Written after pkg/entrypoint and cmd/entrypoint of Tekton v1.15; it looks at files 20 times a second, Tekton once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

TICK = 0.05
"""Seconds between two looks at a file."""
LIMIT = 4096
"""Bytes of a termination message, and so of all results that a step writes."""
SIGNALS = set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}


def main(arguments: Sequence[str]) -> int:
    """Be the entrypoint; the container's exit code."""
    step = _parser().parse_args(arguments)
    for name in ("results", "artifacts"):
        (step.metadata / name).mkdir(parents=True, exist_ok=True)
    if (why := _wait(step.wait_file, step.wait_file_content)) is not None:
        _post(step.post_file, failed=True)
        return why
    return _run(step)


def supervise(child: int, forward: Callable[[int], None], tick: Callable[[], None] = lambda: None) -> int:
    """Pass every signal on until `child` has ended, and collect all orphans; its exit code, negative for a signal.

    Signals must be blocked. `tick` is called again and again.
    """
    while True:
        received = signal.sigtimedwait(SIGNALS, TICK)
        if received and received.si_signo != signal.SIGCHLD:
            with suppress(ProcessLookupError):
                forward(received.si_signo)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    return os.waitstatus_to_exitcode(ended[1])
        tick()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-wait_file", type=Path)
    parser.add_argument("-wait_file_content", action="store_true")
    parser.add_argument("-post_file", type=Path)
    parser.add_argument("-termination_path", type=Path)
    parser.add_argument("-step_metadata_dir", dest="metadata", type=Path)
    parser.add_argument("-cancel_file", type=Path)
    parser.add_argument("-results_folder", type=Path)
    parser.add_argument("-timeout", type=lambda text: float(text.removesuffix("s")), default=0.0)
    parser.add_argument("-on_error", choices=["continue", "stopAndFail"], default="stopAndFail")
    parser.add_argument("-results", type=lambda text: text.split(","), default=[])
    parser.add_argument("-entrypoint")
    parser.add_argument("arguments", nargs="*")
    return parser


def _wait(file: Path, content: bool) -> int | None:
    """Wait for the step's turn: None when it comes, else the exit code."""
    while not (file.exists() and (not content or file.stat().st_size)):
        if file.with_name(f"{file.name}.err").exists():
            print("Skipping step because a previous step failed", flush=True)
            return 1
        received = signal.sigtimedwait(SIGNALS - {signal.SIGCHLD}, TICK)
        if received and received.si_signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            return 2  # what Go's runtime exits with
    return None


def _run(step: argparse.Namespace) -> int:
    _say(step, "StartedAt", str(time.time()))
    try:
        process = subprocess.Popen([step.entrypoint, *step.arguments], process_group=0, preexec_fn=_unblocked)
    except OSError as error:
        print(f"Error executing command: fork/exec {step.entrypoint}: {error.strerror}", flush=True)
        _post(step.post_file, failed=True)
        return 1
    killed = _Killed(step, process.pid)
    status = supervise(process.pid, lambda number: os.killpg(process.pid, number), killed.tick)
    code = _ended(step, 255 if status < 0 else status, killed.why)
    return _results(step) or code


class _Killed:
    """The two reasons to kill the command, and it alone: its time is over, or the run was cancelled."""

    def __init__(self, step: argparse.Namespace, child: int) -> None:
        self._child, self._cancel = child, step.cancel_file
        self._deadline = time.monotonic() + step.timeout if step.timeout else None
        self.why = ""

    def tick(self) -> None:
        """Look at clock and file."""
        if not self.why and self._deadline and time.monotonic() >= self._deadline:
            self._kill("TimeoutExceeded")
        if not self.why and self._cancel and self._cancel.exists() and self._cancel.stat().st_size:
            self._kill("Cancelled")

    def _kill(self, why: str) -> None:
        self.why = why
        os.kill(self._child, signal.SIGKILL)


def _ended(step: argparse.Namespace, status: int, killed: str) -> int:
    """Tell the next step, and return the container's exit code."""
    if killed:
        _say(step, "Reason", killed)
        _post(step.post_file, failed=True)
        return 9 if killed == "Cancelled" else 1
    if status and step.on_error != "continue":
        _post(step.post_file, failed=True)
        return status
    if status:
        _say(step, "ExitCode", str(status))
    (step.metadata / "exitCode").write_text(str(status))
    _post(step.post_file, failed=False)
    return 0


def _results(step: argparse.Namespace) -> int:
    folder = step.results_folder
    found = [
        {"key": name, "value": (folder / name).read_text(), "type": 1}
        for name in step.results
        if (folder / name).exists()
    ]
    message = json.dumps([*json.loads(step.termination_path.read_text() or "[]"), *found])
    if len(message.encode()) > LIMIT:
        print(
            f"Error while handling results: Termination message is above max allowed size {LIMIT}, "
            "caused by large task result.",
            flush=True,
        )
        return 1
    step.termination_path.write_text(message)
    return 0


def _say(step: argparse.Namespace, key: str, value: str) -> None:
    said = json.loads(step.termination_path.read_text() or "[]")
    step.termination_path.write_text(json.dumps([*said, {"key": key, "value": value, "type": 3}]))


def _post(file: Path, *, failed: bool) -> None:
    (file.with_name(f"{file.name}.err") if failed else file).write_text("")


def _unblocked() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
