"""Who is told to stop, when, and what becomes of the steps. 3 s stand for the 30 of grace; no server is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.runner import Reason, Sidecars, TaskRun
from lab.stack import REPOSITORY
from tests.live.runner_tasks import PATIENT, Start, guarded, until
from tests.unit.runner_documents import step, task

TRAPPED = "#!/bin/sh\ntrap 'echo trapped >/shared/trap; exit 143' TERM\necho began\nwhile :; do sleep 0.05; done"
DEAF = "#!/bin/sh\ntrap '' TERM\necho began\nwhile :; do sleep 0.05; done"


def begun(run: TaskRun, name: str = "one") -> TaskRun:
    """Until the step runs and each sidecar has its trap: the kernel keeps a signal without one from a PID 1."""
    until(lambda: any(one.name == f"step-{name}" and "began" in one.output for one in run.pod.steps))
    until(lambda: all(one.output for one in run.pod.sidecars))
    return run


@pytest.fixture(params=Sidecars)
def mode(request: pytest.FixtureRequest) -> Sidecars:
    return Sidecars(request.param)


# --- within the steps


def test_a_failed_step_keeps_the_later_ones_from_running(start: Start, mode: Sidecars) -> None:
    outcome = start(guarded(step("one", "exit 3"), step("two")), sidecars=mode).settle(20)
    assert (outcome.reason, outcome.message) == (Reason.STEP_FAILED, '"step-one" exited with code 3')
    assert outcome.ran == ["one"]
    assert outcome.sidecars == {"guard": "started\ntold"}


def test_a_failure_that_is_to_be_ignored_is_a_file_for_the_next_step(start: Start) -> None:
    verdict = step("two", 'exit "$(cat $(steps.step-one.exitCode.path))"')
    outcome = start(task(step("one", "exit 3", onError="continue"), verdict)).settle(20)
    assert [one.code for one in outcome.steps] == [3, 3]
    assert outcome.reason is Reason.STEP_FAILED


def test_a_steps_timeout_kills_its_command_without_a_trap(start: Start, mode: Sidecars) -> None:
    document = guarded(step("one", TRAPPED, timeout="300ms", onError="continue"), step("two"))
    run = start(document, sidecars=mode)
    outcome = run.settle(20)
    assert outcome.message == '"step-one" exited because the step exceeded the specified timeout limit'
    assert (outcome.step("one").code, outcome.step("one").reason) == (1, "TimeoutExceeded")
    assert outcome.step("two").skipped
    assert outcome.sidecars["guard"].endswith("told")


def test_nothing_of_a_step_outlives_it(start: Start) -> None:
    left = "(while :; do echo >>/shared/alive; sleep 0.05; done) & echo began"
    check = "wc -l </shared/alive; sleep 0.4; wc -l </shared/alive"
    before, after = start(guarded(step("one", left), step("two", check))).settle(20).step("two").output.split()
    assert before == after


def test_a_command_that_is_killed_fails_its_step(start: Start) -> None:
    run = begun(start(guarded(step("one", TRAPPED), step("two"))))
    run.kill_step()
    outcome = run.settle(20)
    assert outcome.step("one").code == 255
    assert outcome.ran == ["one"]


# --- from outside


@pytest.mark.parametrize("ending", ["cancel", "timeout", "delete"])
def test_the_signal_reaches_step_and_sidecar_and_the_trap_runs(start: Start, mode: Sidecars, ending: str) -> None:
    run = begun(start(guarded(step("one", TRAPPED), step("two")), sidecars=mode, timeout=1.5))
    trap = run.volume("shared") / "trap"
    if ending != "timeout":
        getattr(run, ending)()
    until(lambda: trap.exists() or run.done)
    outcome = run.settle(20)
    wanted = {"cancel": Reason.CANCELLED, "timeout": Reason.TIMEOUT, "delete": Reason.DELETED}
    assert outcome.reason is wanted[ending]
    assert outcome.step("one").code == 143
    assert outcome.ran == ["one"]
    assert outcome.sidecars == {"guard": "started\ntold"}


def test_the_status_of_a_cancelled_run_is_final_before_its_containers_end(start: Start) -> None:
    run = begun(start(guarded(step("one", DEAF))))
    run.cancel()
    assert run.wait(20).reason is Reason.CANCELLED
    assert run.pod.step_running == "one"
    assert run.settle(20).step("one").code == 137


def test_a_deaf_step_is_killed_and_a_native_sidecar_told_only_then(start: Start) -> None:
    run = begun(start(guarded(step("one", DEAF)), sidecars=Sidecars.NATIVE))
    run.cancel()
    run.settle(20)
    one, guard = run.pod.steps[0], run.pod.sidecars[0]
    assert one.code == 137
    assert guard.told is not None
    assert guard.ended_at > one.ended_at


def test_a_deaf_sidecar_is_killed_after_the_grace(start: Start, mode: Sidecars) -> None:
    run = start(guarded(step("one"), script=DEAF), sidecars=mode)
    run.settle(20)
    assert run.pod.sidecars[0].code == 137


def test_a_pod_that_is_deleted_fails_its_run_and_is_not_made_again(start: Start, mode: Sidecars) -> None:
    run = begun(start(guarded(step("one", TRAPPED)), sidecars=mode))
    run.delete_pod()
    outcome = run.settle(20)
    assert (outcome.reason, outcome.pods) == (Reason.STEP_FAILED, 1)
    assert outcome.sidecars == {"guard": "started\ntold"}


def test_a_pod_that_is_deleted_by_force_is_made_again(start: Start, mode: Sidecars) -> None:
    run = begun(start(guarded(step("one", TRAPPED)), sidecars=mode))
    first = run.pod.manifest["metadata"]
    run.delete_pod(force=True)
    until(lambda: len(run.pods) == 2)
    begun(run)
    second = run.pod.manifest["metadata"]
    assert (first["name"], first["uid"] != second["uid"]) == (second["name"], True)
    run.cancel()
    assert run.settle(20).pods == 2


def test_a_kept_pod_loses_its_command_and_nobody_tells_the_sidecar(start: Start, mode: Sidecars) -> None:
    run = begun(start(guarded(step("one", TRAPPED), step("two")), sidecars=mode, keep_pod_on_cancel=True))
    run.cancel()
    outcome = run.wait(20)
    until(lambda: run.pod.steps_ended)
    outcome = run.settle(20)
    assert (outcome.step("one").code, outcome.step("one").reason) == (9, "Cancelled")
    assert outcome.ran == ["one"]
    # Kubelet ends a native sidecar when the steps are gone; a classic one stays as long as the pod.
    assert run.pod.sidecars_running is (mode is Sidecars.CLASSIC)


def test_a_kept_pod_that_ran_out_of_time_ends_at_its_deadline(start: Start) -> None:
    run = begun(start(guarded(step("one", TRAPPED)), timeout=1, keep_pod_on_cancel=True))
    assert run.wait(20).reason is Reason.TIMEOUT
    until(lambda: not run.pod.sidecars_running)
    assert run.settle(20).sidecars == {"guard": "started\ntold"}


def test_a_failed_attempt_is_retried_and_its_classic_sidecar_never_told(start: Start, mode: Sidecars) -> None:
    once = step("one", '[ "$(context.task.retry-count)" = 1 ]')
    run = start(guarded(once), sidecars=mode, retries=1)
    outcome = run.settle(20)
    assert (outcome.reason, outcome.pods) == (Reason.SUCCEEDED, 2)
    assert [pod.manifest["metadata"]["name"] for pod in run.pods] == ["t-0-pod", "t-0-pod-retry1"]
    assert run.pods[0].sidecars_running is (mode is Sidecars.CLASSIC)


def test_a_cancelled_run_is_not_retried(start: Start) -> None:
    run = begun(start(guarded(step("one", TRAPPED)), retries=1))
    run.cancel()
    assert run.settle(20).pods == 1


def test_while_the_controller_is_down_nobody_stops_a_classic_sidecar(start: Start, mode: Sidecars) -> None:
    run = begun(start(guarded(step("one", "echo began; sleep 0.2"), step("two")), sidecars=mode))
    run.controller_leaves()
    until(lambda: run.pod.steps_ended)
    if mode is Sidecars.NATIVE:
        until(lambda: not run.pod.sidecars_running)
    assert not run.done
    assert run.pod.sidecars_running is (mode is Sidecars.CLASSIC)
    run.controller_returns()
    assert run.settle(20).succeeded
    assert not run.pod.sidecars_running


# --- sidecars


def test_a_nop_image_with_a_shell_runs_the_sidecars_script_again(start: Start) -> None:
    again = "#!/bin/sh\n[ -e /shared/done ] && echo again && exit 0\ntouch /shared/done\n" + PATIENT
    once = start(guarded(step("one"), script=again)).settle(20)
    twice = start(guarded(step("one"), script=again), nop_has_shell=True).settle(20)
    assert (once.sidecars["guard"], twice.sidecars["guard"]) == ("started\ntold", "started\ntold\nagain")
    assert twice.succeeded


def test_a_killed_sidecar_is_started_again_in_native_mode_alone(start: Start, mode: Sidecars) -> None:
    waiting = "echo began; until [ -e /shared/go ]; do sleep 0.05; done"
    run = begun(start(guarded(step("one", waiting)), sidecars=mode))
    guard = run.pod.sidecars[0]
    until(lambda: guard.output == "started")
    run.pod.kill_sidecar("guard")
    if mode is Sidecars.NATIVE:
        until(lambda: guard.output.count("started") == 2)
    else:
        until(lambda: guard.code == 137)
    (run.volume("shared") / "go").touch()
    outcome = run.settle(20)
    # A sidecar's exit code fails a classic pod, though every step succeeded.
    assert outcome.reason is (Reason.SUCCEEDED if mode is Sidecars.NATIVE else Reason.SIDECAR_FAILED)


def test_a_native_run_succeeds_only_after_its_sidecar_has_ended(start: Start) -> None:
    slow = "#!/bin/sh\ntrap 'sleep 0.4; exit 0' TERM\nwhile :; do sleep 0.05; done"
    run = start(guarded(step("one"), script=slow), sidecars=Sidecars.NATIVE)
    assert run.wait(20).succeeded
    assert not run.pod.sidecars_running


# --- and the lab itself

ORPHANS = """
import sys, time
from pathlib import Path
from lab.issuer import LabIssuer
from lab.runner import TaskRunner
from tests.live.runner_tasks import guarded
from tests.unit.runner_documents import step
with TaskRunner(Path(sys.argv[1]), LabIssuer(), {}) as runner:
    run = runner.start(guarded(step("one", "sleep 60")), service_account="a")
    run.step_runs("one")
    pod = run.pod
    print(pod.volumes.sandbox, *pod.pids(), flush=True)
    time.sleep(60)
"""


@contextmanager
def another_lab(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    path = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'components'}", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", ORPHANS, str(folder)]
    with subprocess.Popen(command, env=path, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as lab:
        assert lab.stdout
        yield lab, [int(pid) for pid in lab.stdout.readline().split() if pid != "0"]
        lab.kill()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_when_the_lab_dies_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    with another_lab(tmp_path / "runs") as (lab, pids):
        assert len(pids) >= 2
        assert all(map(alive, pids))
        lab.send_signal(number)
        until(lambda: not any(map(alive, pids)))
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
