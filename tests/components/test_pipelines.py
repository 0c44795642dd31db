"""Kubernetes and Tekton: what a task of a pipeline costs, and what its namespace gets."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runlease.provision.tekton import TASKS
from tests.components.monitor import Program, deployed

With = Callable[[Callable[[dict[str, Any]], object]], Program]


def test_a_task_costs_one_account_and_one_role_and_nothing_else(rich: Program, with_: With) -> None:
    def edit(settings: dict[str, Any]) -> None:
        settings["pipelines"]["shop-release"]["tasks"]["again"] = "shop-seeder"

    changed = with_(edit).resources
    added = [changed[urn] for urn in set(changed) - set(rich.resources)]
    assert sorted(one.kind for one in added) == ["AuthBackendRole", "PipelineIdentity", "ServiceAccount"]


def test_an_account_mounts_no_token_by_itself(rich: Program) -> None:
    accounts = rich.of("ServiceAccount")
    assert len(accounts) == 5
    assert {one.inputs["automountServiceAccountToken"] for one in accounts} == {False}
    assert not [str(one) for one in accounts if one.inputs.get("secrets") or one.inputs.get("imagePullSecrets")]


def test_an_account_is_the_one_that_its_role_admits(rich: Program) -> None:
    for identity in rich.of("PipelineIdentity"):
        metadata = rich.named(f"{identity.name}-account").inputs["metadata"]
        role = rich.named(f"{identity.name}-role").inputs
        assert role["boundSubject"] == f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}"


def test_each_namespace_gets_its_addresses_and_tasks_once(rich: Program) -> None:
    for kind, names in (("ConfigMap", {"runlease-shop-prod"}), ("Task", set(TASKS))):
        made = [one.inputs["metadata"] for one in rich.of(kind)]
        assert sorted((one["namespace"], one["name"]) for one in made) == sorted(
            (namespace, name) for namespace in ("ci", "store-ci") for name in names
        )


def test_a_namespace_learns_of_its_own_leases_and_databases_alone(rich: Program) -> None:
    data = {one.inputs["metadata"]["namespace"]: set(one.inputs["data"]) for one in rich.of("ConfigMap")}
    assert data == {
        "ci": {
            "vault.json",
            "database.shop.json",
            "lease.shop-migrator.json",
            "lease.shop-seeder.json",
            "lease.shop-verifier.json",
        },
        "store-ci": {"vault.json", "database.store.json", "lease.store-migrator.json", "lease.store-reader.json"},
    }


def test_a_sandbox_finds_its_own_schema_first(with_: With) -> None:
    def edit(settings: dict[str, Any]) -> None:
        settings["databases"]["shop"]["profiles"]["sandbox"] = {}
        settings["leases"]["shop-sandbox"] = {**settings["leases"]["shop-verifier"], "profile": "sandbox"}
        settings["pipelines"]["shop-release"]["tasks"]["test"] = "shop-sandbox"

    data = with_(edit).named("shop-prod-tasks-ci-config").inputs["data"]
    assert json.loads(data["lease.shop-sandbox.json"])["search_path"] == '"$user",public'


def test_a_config_map_says_where_things_are_and_holds_no_secret(rich: Program) -> None:
    data = rich.named("shop-prod-tasks-ci-config").inputs["data"]
    assert json.loads(data["vault.json"]) == {
        "installation": "shop-prod",
        "address": "https://vault.internal:8200",
        "ca": "-----BEGIN CERTIFICATE-----\n",
        "namespace": "platform",
        "jwt_mount": "shop-prod-jwt",
    }
    assert json.loads(data["database.shop.json"]) == {
        "host": "db.internal",
        "port": 5432,
        "dbname": "shop",
        "sslmode": "verify-full",
        "unsafe_sslmode": None,
        "ca": "-----BEGIN CERTIFICATE-----\n",
    }
    assert json.loads(data["lease.shop-migrator.json"]) == {
        "database": "shop",
        "creds_path": "shop-prod-db/creds/shop-migrator",
        "role": "shop_owner",
        "search_path": "app,audit",
        "ttl": 900,
        "max_ttl": 1800,
    }
    assert json.loads(data["lease.shop-seeder.json"])["role"] == ""
    assert "password" not in json.dumps(data)
    assert "token" not in json.dumps(data)


def test_a_task_knows_its_installation(rich: Program) -> None:
    for task in TASKS:
        params = rich.named(f"shop-prod-tasks-ci-{task}").inputs["spec"]["params"]
        defaults = {param["name"]: param.get("default") for param in params}
        assert defaults["installation-config"] == "runlease-shop-prod"
        assert defaults["audience"] == "runlease/shop-prod"


def test_a_run_token_lives_as_long_as_the_settings_say(with_: With) -> None:
    task = with_(lambda settings: settings["cluster"].update(token_expiry="20m")).of("Task")[0]
    projected = [volume["projected"] for volume in task.inputs["spec"]["volumes"] if "projected" in volume]
    sources = [source for volume in projected for source in volume["sources"]]
    assert [source["serviceAccountToken"]["expirationSeconds"] for source in sources] == [1200]


def test_tasks_that_exist_are_not_made(rich: Program, with_: With) -> None:
    existing = with_(lambda settings: settings.update(tasks="existing"))
    assert not existing.of("Task")
    assert {one.urn for one in rich.resources.values()} - set(existing.resources) == {
        one.urn for one in rich.of("Task")
    }


@pytest.mark.timeout(180)
def test_a_thousand_pipelines_stand_side_by_side(settings: dict[str, Any], folder: Path, record_property: Any) -> None:
    tasks = {"migrate": "shop-migrator", "seed": "shop-seeder", "verify": "shop-verifier"}
    settings["pipelines"] = {
        f"team-{number % 40}-service-{number}": {"namespace": f"team-{number % 40}", "tasks": tasks}
        for number in range(1_000)
    }
    begun = time.monotonic()
    gc.disable()  # half of the time would go into looking for garbage among what is still needed
    try:
        program = deployed(settings, folder)
    finally:
        gc.enable()
    record_property("seconds", round(time.monotonic() - begun, 1))
    accounts = {
        (one.inputs["metadata"]["namespace"], one.inputs["metadata"]["name"]) for one in program.of("ServiceAccount")
    }
    assert len(accounts) == 3_000
    assert len({one.inputs["roleName"] for one in program.of("AuthBackendRole")}) == 3_000
    assert len({one.inputs["boundSubject"] for one in program.of("AuthBackendRole")}) == 3_000
    assert len(program.of("ConfigMap")) == 40
    assert len([one for one in program.resources.values() if one.package == "postgresql"]) < 150
