"""Becomes a server that ends with its parent: `python -I -S child.py PARENT SIGNAL UID GID COMMAND...`.

The order matters. The kernel forgets the signal to send on the parent's death when the user changes, so the
user comes first; and a parent that was gone before the signal was asked for is found by comparing its pid.
A program of its own, standard library only: as root it reads this file, which the server's user may not.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
"""From Linux's sys/prctl.h."""


def become(parent: int, death_signal: int, uid: int, gid: int, command: list[str]) -> None:
    """Replace this process by `command`, run as `uid`:`gid`, which gets `death_signal` when `parent` dies."""
    if uid != os.geteuid():
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit(f"{command[0]}: not started, its parent {parent} is gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    _, parent_pid, signal_number, user, group, *server = sys.argv
    become(int(parent_pid), int(signal_number), int(user), int(group), server)
