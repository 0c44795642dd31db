"""Tasks with a token, a shared volume and a sidecar, for the tests of the runner itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.runner import TaskRun
from lab.runner.pod import wait_until
from tests.unit.runner_documents import Object, task

Start = Callable[..., TaskRun]
"""`TaskRunner.start` for some account."""

TOKEN: Object = {
    "name": "token",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "a", "expirationSeconds": 600}}]},
}
SHARED: Object = {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
PATIENT = "#!/bin/sh\ntrap 'echo told; exit 0' TERM\nsleep 300 &\necho started\nwait"
"""A sidecar that ends when it is told to."""


def guarded(*steps: Object, script: str = PATIENT, **spec: Any) -> Object:
    """A Task whose sidecar alone mounts the token; all share a volume in memory."""
    shared = {"name": "shared", "mountPath": "/shared"}
    secret = {"name": "token", "mountPath": "/secret"}
    sidecar = {"name": "guard", "image": "image", "script": script, "volumeMounts": [shared, secret]}
    return task(*steps, volumes=[TOKEN, SHARED], stepTemplate={"volumeMounts": [shared]}, sidecars=[sidecar], **spec)


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it is true."""
    assert wait_until(true, seconds)
