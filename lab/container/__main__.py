"""The first program of each container and pod: `python -E -s -S -m lab.container SPEC`.

SPEC is a JSON file. With `hold` it becomes the pod's sandbox: it makes memory volumes in a mount namespace of its own
and holds them until it dies. Otherwise it is a container: a root of its own made of read-only folders of this machine
and of the container's mounts, process ids of its own, one user; then the command, or Tekton's entrypoint. Without
`isolated` the command runs as it is. It dies with the runner, and what it holds dies with it. Needs root and Linux.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

from lab.container import entrypoint

_LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
CLONE_NEWNS, CLONE_NEWPID = 0x20000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
"""From Linux's headers."""
DEVICES = ("null", "zero", "full", "random", "urandom")


def main(path: str) -> int:
    """Be what the file says."""
    spec: dict[str, Any] = json.loads(Path(path).read_text())
    _die_with(spec["parent"])
    if "hold" in spec:
        return _hold(spec["hold"])
    signal.pthread_sigmask(signal.SIG_BLOCK, entrypoint.SIGNALS)
    if spec["isolated"]:
        _enter(spec["sandbox"])
        _call("unshare", CLONE_NEWNS | CLONE_NEWPID)
    outer = os.getpid()
    child = os.fork()
    if child == 0:
        os._exit(_inside(spec, outer))
    status = entrypoint.supervise(child, lambda number: os.kill(child, number))
    if not spec["isolated"]:
        _end_group(child)
    return 128 - status if status < 0 else status


def _hold(volumes: list[list[str]]) -> int:
    _call("unshare", CLONE_NEWNS)
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    for path, size in volumes:
        _mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=0777{f',size={size}' if size else ''}")
    print("ready", flush=True)
    while True:
        signal.pause()


def _inside(spec: dict[str, Any], outer: int) -> int:
    """The container's first process: never returns when it becomes the command."""
    try:
        if spec["isolated"]:
            _make_root(spec)
        else:
            os.setpgid(0, 0)
        _become(spec["user"])
        _die_with(outer if not spec["isolated"] else 0)
        os.chdir(spec["working_dir"])
        os.umask(0o022)
        os.environ.clear()
        os.environ.update(spec["env"])
        program, *arguments = spec["command"]
        if program == spec["entrypoint"]:
            return entrypoint.main(arguments)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, entrypoint.SIGNALS)
        os.execvp(program, spec["command"])  # noqa: S606 - no shell is wanted
    except OSError as error:
        print(f"container: not started: {error}", file=sys.stderr, flush=True)
        return 128


# --- the root


def _make_root(spec: dict[str, Any]) -> None:
    root = Path(spec["root"])
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    _mount("tmpfs", str(root), "tmpfs", MS_NODEV, "mode=0755")
    for layer in spec["layers"]:
        _add_layer(root, Path(layer))
    _add_system(root)
    for source, target, read_only in spec["mounts"]:
        _bind(Path(source), root / target.lstrip("/"), read_only=read_only)
    os.chdir(root)
    if _LIBC.syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b".") != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
    _call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    if spec["read_only_root"]:
        _mount("none", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV)


def _add_layer(root: Path, layer: Path) -> None:
    """A folder of this machine at its own place, read-only; its parents show nothing else."""
    target = root / str(layer).lstrip("/")
    if layer.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.readlink(layer))
    elif layer.is_dir() and not target.exists():
        _bind(layer, target, read_only=True)


def _add_system(root: Path) -> None:
    for name, mode in (("proc", 0o755), ("dev", 0o755), ("tmp", 0o1777), ("dev/shm", 0o1777)):
        (root / name).mkdir()
        (root / name).chmod(mode)
    _mount("proc", str(root / "proc"), "proc", MS_NOSUID | MS_NODEV)
    _mount("tmpfs", str(root / "dev/shm"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m")
    for name in DEVICES:
        _bind(Path("/dev", name), root / "dev" / name, read_only=False)
    for name, target in (("fd", "/proc/self/fd"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        (root / "dev" / name).symlink_to(target)


def _bind(source: Path, target: Path, *, read_only: bool) -> None:
    if stat.S_ISDIR(source.stat().st_mode):
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(str(source), str(target), "", MS_BIND | MS_REC)
    if read_only:
        _mount("none", str(target), "", MS_REMOUNT | MS_BIND | MS_RDONLY)


# --- the kernel


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies; 0 is a parent outside of our process ids."""
    _call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        raise SystemExit(f"container: not started, its parent {parent} is gone")


def _become(user: list[int] | None) -> None:
    """Change to [uid, gid]; before the signal on the parent's death is asked for, which the change would forget."""
    if user:
        os.setgroups([])
        os.setresgid(user[1], user[1], user[1])
        os.setresuid(user[0], user[0], user[0])
        _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _enter(sandbox: int) -> None:
    with open(f"/proc/{sandbox}/ns/mnt") as namespace:
        _call("setns", namespace.fileno(), CLONE_NEWNS)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    _call("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())


def _call(name: str, *arguments: Any) -> None:
    if getattr(_LIBC, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def _end_group(group: int) -> None:
    """What process ids of its own do by themselves: nothing of a container outlives its first process."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
