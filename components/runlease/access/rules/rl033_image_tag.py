"""RL033: the image that was tested is the one that runs."""

import re
from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.wiring import TaskText

_PARAMETER = re.compile(r"\$\(params\.([A-Za-z0-9_.-]+)\)")


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for task in access.tasks:
        for place, written in task.images:
            image = _resolved(task, written)
            if "$(" not in image and not is_fixed(image):
                what = f"has an image that changes (got {image}, expected a tag that is not latest, or a digest)"
                yield Breach(f"{place} of Task {task}", what, task.source)


def _resolved(task: TaskText, image: str) -> str:
    """With the defaults of the Task's parameters; what only a run says stays as it is written."""
    defaults = dict(task.values)
    return _PARAMETER.sub(lambda found: defaults.get(f"params.{found[1]}") or found[0], image)


def is_fixed(image: str) -> bool:
    """Whether an image has a digest, or a tag that is not `latest`."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return bool(digest) or tag not in ("", "latest")


RULE = Rule(
    id="RL033",
    severity=Severity.MEDIUM,
    sentence="Every image of a Task has a tag or a digest.",
    why=(
        "Without one it is whatever `latest` is when the pod starts: who can push to the repository runs code where "
        "the lease is."
    ),
    fix="Write the tag; better, the digest.",
    language="yaml",
    before="image: docker.io/library/postgres",
    after="image: docker.io/library/postgres:17.6-alpine",
    check=_check,
)
