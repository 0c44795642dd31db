"""What each ending of a TaskRun does, as measured on Tekton v1.15 with Kubernetes 1.34. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.runner.run_spec import Sidecars


class Ending(StrEnum):
    """What ends an attempt."""

    STEPS_SUCCEEDED = "steps succeeded"
    STEPS_FAILED = "steps failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    DELETED = "deleted"
    POD_DELETED_BY_FORCE = "pod deleted by force"


class Fate(StrEnum):
    """What becomes of the pod."""

    SWAPPED = "sidecars get SIGTERM and the grace, then the nop image"
    LEFT = "nothing by Tekton: kubelet ends native sidecars, others stay until activeDeadlineSeconds"
    ANNOTATED = "the step's command gets SIGKILL, sidecars nothing; the pod stays"
    DELETED = "SIGTERM to all (native sidecars after the steps), and the grace"
    FORCED = "the same with 1.8 s of grace"


@dataclass(frozen=True)
class Consequence:
    """What an ending does to the pod, and whether another one runs the steps again."""

    fate: Fate
    again: bool = False


def consequence(ending: Ending, sidecars: Sidecars, *, keep_pod: bool, retries_left: int) -> Consequence:
    """What Tekton does. `keep_pod` is its flag `keep-pod-on-cancel`; what was cancelled or deleted is not retried."""
    stopped = Fate.SWAPPED if sidecars is Sidecars.CLASSIC else Fate.LEFT
    cancelled = Fate.ANNOTATED if keep_pod else Fate.DELETED
    again = retries_left > 0
    return {
        Ending.STEPS_SUCCEEDED: Consequence(stopped),
        # A retry makes another pod, and nobody ever stops the sidecars of the last.
        Ending.STEPS_FAILED: Consequence(Fate.LEFT if again else stopped, again),
        Ending.CANCELLED: Consequence(cancelled),
        Ending.TIMED_OUT: Consequence(cancelled, again),
        Ending.DELETED: Consequence(Fate.DELETED),
        Ending.POD_DELETED_BY_FORCE: Consequence(Fate.FORCED, again=True),
    }[ending]
