"""What the components register, read back as a preview's reader reads it: it says what was declared."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from runlease.access import Access, Grant, Lease, OnNamed, Role
from runlease.access.diff import ordered
from runlease.access.rules import Bounds, findings
from runlease.config import load, to_access
from runlease.readers.properties import Resource
from runlease.readers.resources import to_access as read_back
from tests.components.conftest import RICH, Edit
from tests.components.monitor import Program, deployed

STACKS = sorted((Path(__file__).parents[2] / "stacks").glob("Pulumi.*.yaml"))
TODAY = date(2026, 7, 1)


def resources(program: Program) -> list[Resource]:
    return [
        Resource(
            one.urn,
            one.type,
            one.inputs,
            one.request.custom,
            one.request.provider.rpartition("::")[0],
            one.request.parent,
        )
        for one in program.resources.values()
    ]


def _grant(grant: Grant) -> Grant:
    target = grant.target
    if isinstance(target, OnNamed):
        target = replace(target, names=tuple(sorted(target.names)))
    return replace(grant, target=target)


def _role(role: Role) -> Role:
    """What a declaration says of a role, in one order."""
    grants = sorted(map(_grant, role.grants), key=str)
    return replace(role, grants=tuple(grants), members=tuple(sorted(role.members)), admins=(), inherit=True)


def _lease(lease: Lease) -> Lease:
    return replace(lease, mount="", connection="", creation=(), revocation=())


def five_nouns(access: Access, names: set[tuple[str, str]]) -> Access:
    return ordered(
        Access(
            access.installation,
            databases=access.databases,
            roles=tuple(_role(role) for role in access.roles if (role.database, role.name) in names),
            leases=tuple(map(_lease, access.leases)),
            bindings=access.bindings,
        )
    )


def assert_declared(settings: dict[str, Any], program: Program) -> None:
    declared, planned = to_access(load(settings)), read_back(resources(program))
    names = {(role.database, role.name) for role in declared.roles}
    assert five_nouns(planned, names) == five_nouns(declared, names)
    assert planned.unread == ()


def test_a_rich_stack_says_what_was_declared(rich: Program) -> None:
    assert_declared(RICH, rich)


@pytest.mark.parametrize("file", STACKS, ids=lambda file: file.name)
def test_an_example_stack_says_what_was_declared_and_breaks_no_other_rule(file: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load(file.read_text())["config"]["runlease:access"]
    for name in re.findall(r"(?<=[\s\[])\w[\w/-]*\.pem", file.read_text()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----\n")
    program = deployed(settings, tmp_path)
    assert_declared(settings, program)
    declared = {(one.rule, one.where) for one in findings(to_access(load(settings)), Bounds(), (), TODAY)}
    planned = {(one.rule, one.where) for one in findings(read_back(resources(program)), Bounds(), (), TODAY)}
    assert planned == declared


def test_a_narrowed_grant_and_kept_public_are_read_back(with_: Callable[[Edit], Program]) -> None:
    def edit(settings: dict[str, Any]) -> None:
        settings["databases"]["shop"] |= {"public": "keep", "profiles": {"verifier": {}, "sandbox": {}}}
        settings["leases"] = {k: v for k, v in settings["leases"].items() if v["database"] == "store"}
        del settings["pipelines"]["shop-release"]

    settings = deepcopy(RICH)
    edit(settings)
    assert_declared(settings, with_(edit))
