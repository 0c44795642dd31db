"""The hook's side: a program runs, each resource goes to the handler of its package, in the order of dependencies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import pulumi
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs, Mocks, set_mocks

from lab import LabError
from lab.apply import postgresql, vault
from lab.apply.kubernetes import Apply
from lab.apply.loops import ClosingMonitor, loop_of_this_thread

Inputs = Mapping[str, Any]


class _Special(Enum):
    """How Pulumi marks a secret on the wire (pulumi/pulumi sdk/proto, `SpecialSigKey`)."""

    KEY = "4dabf18193072939515e22adb298388d"
    SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, the same for every secret


_NEEDS_NOTHING = ("runlease:index:", "pulumi:index:Stash", "pulumi:providers:")


class _Applying(Mocks):
    """Creates each resource for real; one at a time, because registrations come from several threads."""

    def __init__(self, kubernetes: Apply, report: Callable[[str], None]) -> None:
        self.applied = 0
        self._kubernetes = kubernetes
        self._report = report
        self._providers: dict[str, Inputs] = {}
        self._one_at_a_time = threading.Lock()

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise LabError(f"lab.apply: the program asked for {args.token}, which is not a resource. Fix: use a pulumi CLI")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        with self._one_at_a_time:
            outputs = dict(args.inputs)
            if args.typ.startswith("pulumi:providers:"):
                self._providers[args.name] = _revealed(args.inputs)
            elif args.typ == "pulumi:index:Stash":
                outputs["output"] = args.inputs["input"]
            elif not args.typ.startswith(_NEEDS_NOTHING):
                self._apply(args)
                self.applied += 1
            return args.name, outputs

    def _apply(self, args: MockResourceArgs) -> None:
        self._report(f"{args.typ.split(':')[-1]} {args.name}")
        # A provider's reference ends in its id, which is its name here.
        provider = self._providers[(args.provider or "").rsplit("::", 1)[-1]]
        package, inputs = args.typ.split(":", 1)[0], _revealed(args.inputs)
        if package == "postgresql":
            postgresql.apply(args.typ, inputs, provider)
        elif package == "vault":
            vault.apply(args.typ, inputs, provider)
        elif package == "kubernetes":
            self._kubernetes(inputs)
        else:
            raise LabError(f"lab.apply: no handler (got {args.typ}). Fix: write one, or use a pulumi CLI")


def _revealed(value: Any) -> Any:
    """The same value with secrets as what they hold and whole numbers as such: the hook has envelopes and floats."""
    if isinstance(value, Mapping):
        if value.get(_Special.KEY.value) == _Special.SECRET.value:
            return _revealed(value["value"])
        return {key: _revealed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_revealed(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def apply_program(
    program: Callable[[], object],
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    kubernetes: Apply,
    report: Callable[[str], None] = lambda _: None,
) -> int:
    """Run a program, create what it registers, and return how many resources that were.

    Raises what a handler raises: nothing is undone, because nothing is remembered.
    """
    applying = _Applying(kubernetes, report)

    def run() -> None:
        program()

    with loop_of_this_thread() as loop:
        monitor = ClosingMonitor(applying)
        set_mocks(applying, project="runlease", stack="local", preview=False, monitor=monitor)
        set_all_config({**config, **secrets}, list(secrets))
        try:
            pulumi.runtime.test(run)()  # type: ignore[no-untyped-call]  # untyped in the SDK
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
    return applying.applied
