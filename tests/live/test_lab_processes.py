"""Servers that the lab starts end with the lab, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import LabError
from lab.processes import Processes, wait_until_ready

ROOT = Path(__file__).parents[2]


def eventually(true: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


WHOLE_LAB = """
import sys, time
from pathlib import Path
from lab.certificates import CertificateAuthority
from lab.kubernetes import Kubernetes
from lab.kubernetes_server import find_apiserver
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
folder = Path(sys.argv[1])
with Processes(folder) as processes:
    ca = CertificateAuthority(folder)
    postgres = PostgresServer.start(folder, ca, processes, binaries(15), unsafe_no_fsync=True)
    session = postgres.connect()
    OpenBao.start(folder, ca, processes)
    Kubernetes.start(folder, ca, processes, find_apiserver())
    print("started", flush=True)
    time.sleep(600)
"""

TWO_SHELLS = """
import sys, time
from pathlib import Path
from lab.processes import Processes, wait_until_ready
folder = Path(sys.argv[1])
with Processes(folder) as processes:
    for name in ("first", "second"):
        script = f"trap 'echo {name} >> {folder}/ended; exit' TERM; echo up; while :; do sleep 0.1; done"
        server = processes.start(name, ["/bin/sh", "-c", script])
        wait_until_ready(server, lambda: "up" in server.tail())
    print("started", flush=True)
    time.sleep(600)
"""


def start_lab(script: str, folder: Path) -> subprocess.Popen[str]:
    lab = subprocess.Popen([sys.executable, "-c", script, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert lab.stdout is not None
    assert lab.stdout.readline() == "started\n"
    return lab


def parents() -> dict[int, int]:
    """The parent of each process that is not a zombie."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(entry.parent.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    known = parents()
    found: set[int] = set()
    while new := {child for child, parent in known.items() if parent in {pid, *found}} - found:
        found |= new
    return found


def test_a_killed_lab_leaves_no_process(lab_folder: Path) -> None:
    folder = lab_folder / "killed"
    folder.mkdir(mode=0o711)
    lab = start_lab(WHOLE_LAB, folder)
    servers = descendants(lab.pid)
    assert len(servers) >= 8  # postgres with its own children and one session, bao, etcd, kube-apiserver
    lab.kill()
    lab.wait()
    assert eventually(lambda: not servers & parents().keys())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_lab_that_is_told_to_stop_ends_its_servers_in_reverse_order(how: signal.Signals, tmp_path: Path) -> None:
    lab = start_lab(TWO_SHELLS, tmp_path)
    servers = descendants(lab.pid)
    lab.send_signal(how)
    lab.wait(60)
    assert (tmp_path / "ended").read_text().split() == ["second", "first"]
    assert not servers & parents().keys()


def test_a_server_that_ends_early_says_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        server = processes.start("broken", ["/bin/sh", "-c", "echo no such option; exit 3"])
        with pytest.raises(LabError, match="broken: ended with 3 before it was ready:\nno such option"):
            wait_until_ready(server, lambda: False)


def test_a_server_is_not_started_from_another_thread(tmp_path: Path) -> None:
    refused: list[LabError] = []

    def start() -> None:
        try:
            processes.start("late", ["/bin/true"])
        except LabError as error:
            refused.append(error)

    with Processes(tmp_path) as processes:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
    assert len(refused) == 1
