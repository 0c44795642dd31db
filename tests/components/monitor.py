"""A program without an engine: every registration is kept as it was sent, with its options, aliases and secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # protobuf ships no types
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.proto import resource_pb2

from lab.apply.loops import loop_of_this_thread
from runlease.provision.stack import deploy, password_key

SECRET = "1b47061264138c4ac30d75fd1eb44270"
"""How Pulumi marks a secret on the wire (pulumi/pulumi sdk/proto, `SpecialSigKey`)."""
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How Pulumi writes a string that is known only after an `up` (sdk/go/common/resource/plugin/rpc.go)."""


@dataclass(frozen=True)
class Registered:
    """One resource as the program asked for it."""

    urn: str
    request: resource_pb2.RegisterResourceRequest
    order: int
    """Position in the order of registration."""

    @property
    def type(self) -> str:
        return self.request.type

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def kind(self) -> str:
        """The last part of the type: `Grant`."""
        return self.type.split(":")[-1]

    @property
    def package(self) -> str:
        return self.type.split(":")[0]

    @property
    def provider(self) -> str:
        """Name of its explicit provider; empty when it has none."""
        return self.request.provider.split("::")[-2] if self.request.provider else ""

    @property
    def depends_on(self) -> frozenset[str]:
        return frozenset(self.request.dependencies)

    @property
    def given(self) -> dict[str, Any]:
        """Its inputs with secrets in their envelopes."""
        return dict(MessageToDict(self.request.object))

    @property
    def inputs(self) -> dict[str, Any]:
        """Its inputs with secrets as what they hold."""
        return {key: _revealed(value) for key, value in self.given.items()}

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def is_secret(value: Any) -> bool:
    """Whether a value stands in a secret's envelope."""
    return isinstance(value, dict) and SECRET in value.values()


def _revealed(value: Any) -> Any:
    if is_secret(value):
        return _revealed(value["value"])
    if isinstance(value, dict):
        return {key: _revealed(one) for key, one in value.items()}
    return [_revealed(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Program:
    """What one run of a program registered."""

    resources: dict[str, Registered]
    """By URN, in the order of registration."""
    hooks: list[str]
    """Names of the error hooks, in the order of registration."""

    def of(self, kind: str) -> list[Registered]:
        """Every resource of a kind such as `Grant`."""
        return [resource for resource in self.resources.values() if resource.kind == kind]

    def named(self, name: str) -> Registered:
        """The one custom resource of this name."""
        (found,) = (resource for resource in self.resources.values() if resource.name == name)
        return found

    @property
    def custom(self) -> list[Registered]:
        """What a provider makes: no component, no provider, no stash."""
        return [one for one in self.resources.values() if one.request.custom and one.package != "pulumi"]

    def waits_for(self, resource: Registered) -> set[str]:
        """URNs of everything that a resource waits for, directly or not."""
        found: set[str] = set()
        left = set(resource.depends_on)
        while left:
            urn = left.pop()
            found.add(urn)
            left |= self.resources[urn].depends_on - found if urn in self.resources else set()
        return found


class _Echo(Mocks):
    """A resource's outputs are its inputs, and its id is its name. A stash forgets that what it keeps is a secret."""

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program asked for {args.token}, which is not a resource")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        stash = {"output": _revealed(args.inputs["input"])} if args.typ == "pulumi:index:Stash" else {}
        return args.name, {**args.inputs, **stash}


class Monitor(MockMonitor):
    """Keeps the requests themselves, and refuses two resources of one URN as an engine does."""

    def __init__(self) -> None:
        super().__init__(_Echo())
        self.program = Program({}, [])

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """A URN as the engine makes it: with the types of all parents but the stack's."""
        parents = parent.split("::")[2] if parent else ""
        qualified = type_ if parents in ("", "pulumi:pulumi:Stack") else f"{parents}${type_}"
        return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{qualified}::{name}"

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's own name
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type != "pulumi:pulumi:Stack":
            if urn in self.program.resources:
                raise AssertionError(f"Duplicate resource URN {urn!r}")
            self.program.resources[urn] = Registered(urn, request, len(self.program.resources))
        with loop_of_this_thread():
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # untyped in the SDK

    def RegisterErrorHook(self, request: Any) -> Any:  # noqa: N802 - the protocol's own name
        self.program.hooks.append(request.name)
        return super().RegisterErrorHook(request)  # type: ignore[no-untyped-call]  # untyped in the SDK


def run(program: Callable[[], object], config: Mapping[str, str], secrets: Mapping[str, str], preview: bool) -> Program:
    """Run a program once, and return what it registered. Raises what the program raises."""
    with loop_of_this_thread() as loop:
        monitor = Monitor()
        set_mocks(monitor.mocks, project="runlease", stack="test", preview=preview, monitor=monitor)
        set_all_config({**config, **secrets}, list(secrets))

        def discard_result() -> None:
            program()

        try:
            pulumi.runtime.test(discard_result)()  # type: ignore[no-untyped-call]  # untyped in the SDK
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
        return monitor.program


def deployed(settings: Mapping[str, Any], folder: Path, preview: bool = False) -> Program:
    """What a stack with these settings registers."""
    config = {"runlease:access": json.dumps(settings)}
    return run(lambda: deploy(folder), config, secrets_of(settings), preview)


def secrets_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """The secrets that a stack with these settings needs."""
    passwords = {f"runlease:{password_key(key)}": f"password of {key}" for key in settings["databases"]}
    return {**passwords, "runlease:vault-token": "a token", "runlease:kubeconfig": "{}"}
