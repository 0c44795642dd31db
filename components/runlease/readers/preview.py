"""What `pulumi preview --json` plans, and what `pulumi stack export` has: Access before and after, and the hazards."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runlease.access import Access
from runlease.access.rules import Finding
from runlease.readers.documents import exported, previewed
from runlease.readers.error import ReadError, UnreadError
from runlease.readers.hazards import REPLACING, Step, hazards
from runlease.readers.properties import Resource
from runlease.readers.resources import READ, is_of_interest, to_access

_ON_WHAT_IS_LEFT = ("delete-replaced", "discard-replaced", "remove-pending-replace")
"""Steps on what a replacement leaves behind; the new thing stays."""
_SHOW = "Fix: pulumi preview --json --show-sames, or give --state with a pulumi stack export"

Resources = dict[str, Resource]
"""By key."""


@dataclass(frozen=True)
class Plan:
    """A preview, read."""

    before: Access
    after: Access
    hazards: tuple[Finding, ...]
    """What is dangerous about carrying it out, whatever it leads to."""


@dataclass
class _Preview:
    path: Path
    steps: list[Step] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Where something failed; its text may hold anything, so it is not kept."""
    unchanged: int = 0


def read_plan(preview: Path, state: Path | None = None, project: str = "") -> Plan:
    """A preview in either form of `pulumi preview --json`, and `state` for the resources that it leaves out.

    project: `<project>` or `<project>/<stack>` that it must be of; any by default. Raises ReadError for a preview that
    failed, is cut off, is of another project or of several stacks, or leaves out what does not change.
    """
    read = _read(preview)
    base = _of_state(state) if state else {}
    # By an alias what is old may be of another stack.
    _of_one_stack(preview, [*(step.new or step.old for step in read.steps), *base.values()], project)
    _whole(read, state, base)
    before, after = _sides(read.steps, base)
    if not any(one.package in READ for one in (*before.values(), *after.values())):
        raise ReadError(
            f"{preview}: nothing in it gives access (got {len(read.steps)} steps, expected resources of "
            f"{', '.join(READ)}). Fix: preview the stack that provisions access"
        )
    return Plan(to_access(before.values()), to_access(after.values()), hazards(read.steps, after.values()))


def read_state(state: Path, project: str = "") -> Access:
    """What a stack has, from `pulumi stack export`. Raises ReadError."""
    resources = _of_state(state)
    _of_one_stack(state, resources.values(), project)
    return to_access(resources.values())


def _of_state(path: Path) -> Resources:
    every = [_resource(path, "deployment.resources", state) for state in exported(path)]
    return {one.key: one for one in every if one is not None}


def _read(path: Path) -> _Preview:
    found, deleted_first = _Preview(path), set[str]()
    for piece in previewed(path):
        match piece.kind:
            case "step":
                step = _step(path, piece.content, deleted_first)
                if step.op == "delete-replaced":
                    deleted_first.add(step.urn)
                found.steps.append(step)
            case "error":
                found.errors.append(str(piece.content.get("urn") or "the program"))
            case "summary":
                unchanged = piece.content.get("same", 0)
                found.unchanged = unchanged if isinstance(unchanged, int) else 0
    found.steps = _settled(found.steps)
    if found.errors:
        raise ReadError(
            f"{path}: the preview failed (got {len(found.errors)} errors, the first at {found.errors[0]}). "
            "Fix: run pulumi preview and mend what it says; its text is not repeated here"
        )
    return found


def _step(path: Path, step: Mapping[str, Any], deleted_first: set[str]) -> Step:
    old, new = (_resource(path, f"steps: {side}", step.get(side)) for side in ("oldState", "newState"))
    op, urn = step.get("op"), step.get("urn")
    if not isinstance(op, str) or not isinstance(urn, str) or (old is None and new is None):
        raise ReadError(f"{path}: steps: has another shape than a preview's (expected op, urn and states). {_SHOW}")
    state = step.get("oldState")
    early = urn in deleted_first or (isinstance(state, Mapping) and state.get("pendingReplacement") is True)
    return Step(op, old, new, early)


def _settled(steps: list[Step]) -> list[Step]:
    """What this plan itself replaces is marked as waiting for its deletion, and does not wait yet."""
    replaced = {step.urn for step in steps if step.op in REPLACING}
    return [
        replace(step, old=replace(step.old, waiting=False)) if step.old and step.old.urn in replaced else step
        for step in steps
    ]


def _resource(path: Path, where: str, state: object) -> Resource | None:
    if state is None:
        return None
    try:
        if not isinstance(state, Mapping):
            raise TypeError
        found = Resource.of_state(state)
    except (KeyError, TypeError):
        raise ReadError(
            f"{path}: {where}: is no resource (expected urn, type and inputs). Fix: write it again with Pulumi 3.237 "
            "or newer"
        ) from None
    return found if is_of_interest(found.type) else replace(found, inputs={})


def _of_one_stack(path: Path, resources: Iterable[Resource | None], project: str) -> None:
    stacks = sorted({one.stack for one in resources if one and one.stack})
    if len(stacks) > 1:
        raise ReadError(
            f"{path}: is of several stacks (got {', '.join(stacks[:3])}, expected one). "
            "Fix: preview one stack, and export the state of the same one"
        )
    if project and stacks and project not in (stacks[0], stacks[0].partition("/")[0]):
        raise ReadError(f"{path}: is of another project (got {stacks[0]}, expected {project}). Fix: preview that one")


def _whole(read: _Preview, state: Path | None, base: Resources) -> None:
    shown = sum(step.op == "same" for step in read.steps)
    if not base and shown < read.unchanged:
        raise ReadError(
            f"{read.path}: leaves out what does not change (got {shown} of {read.unchanged} unchanged resources, "
            f"expected all of them). {_SHOW}"
        )
    missing = [step.urn for step in read.steps if step.old and step.op != "read" and step.old.key not in base]
    if base and missing:
        raise ReadError(
            f"{state}: is not the state that the preview began with (got no {missing[0]}, which the preview changes). "
            "Fix: write both again, one after the other"
        )


def _sides(steps: Iterable[Step], base: Resources) -> tuple[Resources, Resources]:
    before, after = dict(base), dict(base)
    deleted = {step.old.key: step.old for step in steps if step.op == "delete" and step.old}
    for step in steps:
        if step.op == "refresh":
            # What is really there, before anything is changed.
            for side in (before, after):
                _put(side, step.old, step.new)
            continue
        if step.old:
            before[step.old.key] = step.old
        if step.op not in _ON_WHAT_IS_LEFT:
            _put(after, step.old, step.new)
    for old in filter(lambda one: _stays(one, deleted), deleted.values()):
        after |= _with_what_it_needs(old, before)
    return before, after


def _with_what_it_needs(resource: Resource, before: Resources) -> Resources:
    """A resource that stays, with its provider and the components that say what it belongs to."""
    found, waiting = Resources(), [resource.key]
    while waiting:
        one = before.get(waiting.pop())
        if one is not None and one.key not in found:
            found[one.key] = one
            waiting += [one.parent, one.provider]
    return found


def _put(side: Resources, old: Resource | None, new: Resource | None) -> None:
    if old:
        side.pop(old.key, None)  # by an alias the new one has another URN
    if new:
        side[new.key] = new


def _stays(old: Resource, deleted: Mapping[str, Resource]) -> bool:
    """Whether a deletion leaves the thing: it is to be kept, or goes with a role that it is not a grant to."""
    role = deleted.get(old.deleted_with)
    with suppress(UnreadError):
        if role is not None and old.type.endswith(":Grant") and role.type.endswith(":Role"):
            return old.properties.text("role") != role.properties.text("name")
    return old.kept
