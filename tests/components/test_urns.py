"""Names that last: a new URN is a new resource, and replacing a grant or a login is losing it for a while."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.components.monitor import Program

GOLDEN = Path(__file__).with_name("urns.txt")
With = Callable[[Callable[[dict[str, Any]], object]], Program]


def test_no_urn_changes_without_an_alias(rich: Program) -> None:
    registered = sorted(rich.resources)
    if os.environ.get("RUNLEASE_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text("".join(f"{urn}\n" for urn in registered), encoding="utf-8")
    golden = GOLDEN.read_text(encoding="utf-8").splitlines()
    gone, new = sorted(set(golden) - set(registered)), sorted(set(registered) - set(golden))
    assert registered == golden, (
        "URNs changed. A renamed resource is made anew and then the old one is deleted, which takes its grants, logins "
        "and leases away from whoever uses them. Fix: give each renamed resource an alias (pulumi.Alias) and keep it; "
        "then write the new list with RUNLEASE_UPDATE_GOLDEN=1.\n"
        + "\n".join([*(f"- {urn}" for urn in gone), *(f"+ {urn}" for urn in new)])
    )


def test_every_child_stands_under_its_component(rich: Program) -> None:
    for resource in rich.resources.values():
        if resource.package in ("postgresql", "vault", "kubernetes") or resource.kind == "Stash":
            parent = rich.resources[resource.request.parent]
            assert parent.type.startswith("runlease:index:"), resource
            assert resource.name.startswith(parent.name), resource


def test_every_component_stands_under_pipeline_access(rich: Program) -> None:
    (root,) = rich.of("PipelineAccess")
    components = [one for one in rich.resources.values() if one.package == "runlease" and one is not root]
    assert {one.kind for one in components} == {
        "DatabaseAccess",
        "LeaseEngine",
        "ClusterTrust",
        "PipelineIdentity",
        "LeaseTasks",
    }
    assert {one.request.parent for one in components} == {root.urn}


def test_no_name_holds_a_position(rich: Program) -> None:
    """Lists in another order make the same resources."""
    counted = [one.name for one in rich.custom if one.name[-1].isdigit() and one.kind != "Endpoint"]
    assert not counted


def _first_pipeline(settings: dict[str, Any]) -> None:
    added = {"aaa": {"namespace": "aaa", "tasks": {"check": "store-reader"}}}
    settings["pipelines"] = {**added, **settings["pipelines"]}


def _first_lease(settings: dict[str, Any]) -> None:
    added = {"aaa": {"database": "shop", "profile": "reader", "ttl": "1m", "max_ttl": "1m"}}
    settings["leases"] = {**added, **settings["leases"]}


def _first_database(settings: dict[str, Any]) -> None:
    added = {"aaa": {**settings["databases"]["shop"], "dbname": "aaa", "owner": "aaa_owner", "close": []}}
    settings["databases"] = {**added, **settings["databases"]}


def _first_task(settings: dict[str, Any]) -> None:
    release = settings["pipelines"]["shop-release"]
    release["tasks"] = {"aaa": "shop-seeder", **release["tasks"]}


def _first_everything_else(settings: dict[str, Any]) -> None:
    shop = settings["databases"]["shop"]
    shop["schemas"].insert(0, "aaa")
    shop["connect"].insert(0, "aaa")
    shop["close"].insert(0, "aaa")
    shop["extensions"].insert(0, "aaa")
    shop["profiles"]["reader"]["members"].insert(0, "aaa")
    shop["profiles"]["seeder"]["tables"].insert(0, "aaa.orders")


@pytest.mark.parametrize("edit", [_first_pipeline, _first_lease, _first_database, _first_task, _first_everything_else])
def test_what_is_put_first_changes_no_other_urn(rich: Program, with_: With, edit: Callable[[Any], None]) -> None:
    changed = with_(edit)
    assert set(changed.resources) > set(rich.resources)
    assert all("aaa" in urn for urn in set(changed.resources) - set(rich.resources))


def _lasting(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs without first passwords, which a real run takes from its stash."""
    lasting = {name: value for name, value in inputs.items() if name != "password"}
    if "postgresql" in lasting:
        lasting["postgresql"] = {name: value for name, value in lasting["postgresql"].items() if name != "password"}
    return lasting


@pytest.mark.parametrize("edit", [_first_pipeline, _first_task])
def test_another_task_changes_no_database_and_no_lease(rich: Program, with_: With, edit: Callable[[Any], None]) -> None:
    changed = with_(edit)
    for urn, resource in rich.resources.items():
        if resource.package in ("postgresql", "vault"):
            assert _lasting(changed.resources[urn].inputs) == _lasting(resource.inputs)


def test_the_order_of_settings_is_no_change(rich: Program, with_: With) -> None:
    def reversed_(settings: dict[str, Any]) -> None:
        for section in ("databases", "leases", "pipelines"):
            settings[section] = dict(reversed(settings[section].items()))

    assert set(with_(reversed_).resources) == set(rich.resources)


def test_namespaces_and_pipelines_whose_names_run_together_do_not_meet(with_: With) -> None:
    def edit(settings: dict[str, Any]) -> None:
        tasks = {"check": "store-reader"}
        settings["pipelines"] = {
            "c": {"namespace": "a-b", "tasks": tasks},
            "b-c": {"namespace": "a", "tasks": tasks},
        }

    assert len(with_(edit).of("PipelineIdentity")) == 2
