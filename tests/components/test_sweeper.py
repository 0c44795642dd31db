"""LeaseSweeper: what a stack with one registers, and that it is given nothing that it does not need."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import yaml

from runlease.config import ConfigError, load
from runlease.config.files import read_stack_text
from runlease.provision.vault.names import sweeper_policy
from tests.components.conftest import RICH
from tests.components.monitor import Program

With = Callable[[Callable[[dict[str, Any]], object]], Program]

OWN = ["shop-sweeper", "store-sweeper"]
SWEEPER = {"namespace": "runlease", "image": "registry/runlease@sha256:abc", "leases": OWN}


def with_sweeper(settings: dict[str, Any], **changes: object) -> None:
    for key in ("shop", "store"):
        settings["databases"][key]["profiles"]["sweeper"] = {}
        lease = {"database": key, "profile": "sweeper", "ttl": "5m", "max_ttl": "10m"}
        settings["leases"][f"{key}-sweeper"] = lease
    settings["sweeper"] = {**SWEEPER, **changes}


@pytest.fixture(scope="module")
def program(with_: With) -> Program:
    return with_(with_sweeper)


def pod(program: Program) -> dict[str, Any]:
    job = program.named("shop-prod-sweeper-job").inputs["spec"]["jobTemplate"]
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def test_without_the_section_there_is_no_sweeper(rich: Program) -> None:
    assert rich.of("LeaseSweeper") == rich.of("CronJob") == []


def test_it_costs_these_resources_and_the_profiles_theirs(rich: Program, program: Program) -> None:
    added = [program.resources[urn] for urn in set(program.resources) - set(rich.resources)]
    own = sorted(one.kind for one in added if one.name.startswith("shop-prod-sweeper"))
    assert own == [
        "AuthBackendRole",
        "ConfigMap",
        "CronJob",
        "LeaseSweeper",
        "Policy",
        "Role",
        "Role",
        "Role",
        "RoleBinding",
        "RoleBinding",
        "RoleBinding",
        "ServiceAccount",
    ]
    others = sorted(one.kind for one in added if not one.name.startswith("shop-prod-sweeper"))
    assert others == sorted(["Role", "Grant", "Grant", "Grant", "SecretBackendRole", "Policy"] * 2)


def test_its_pod_has_no_secret_no_root_and_nowhere_to_write(program: Program) -> None:
    spec = pod(program)
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert "secret" not in json.dumps(spec).lower()
    assert [set(volume) - {"name"} for volume in spec["volumes"]] == [{"configMap"}, {"projected"}]


def test_it_has_a_token_for_vault_and_one_for_the_api_server(program: Program) -> None:
    sources = pod(program)["volumes"][1]["projected"]["sources"]
    assert [source["serviceAccountToken"].get("audience") for source in sources[:2]] == ["runlease/shop-prod", None]


def test_it_only_says_until_the_settings_let_it_apply(program: Program, with_: With) -> None:
    assert "--apply" not in pod(program)["containers"][0]["command"]
    applying = with_(lambda settings: with_sweeper(settings, apply=True))
    assert "--apply" in pod(applying)["containers"][0]["command"]


def test_its_role_admits_its_account_alone_and_carries_its_policies(program: Program) -> None:
    role = program.named("shop-prod-sweeper-role").inputs
    assert role["boundSubject"] == "system:serviceaccount:runlease:shop-prod-sweeper"
    assert role["boundAudiences"] == ["runlease/shop-prod"]
    assert role["boundClaims"]["/kubernetes.io/pod/uid"] == "*-*-*-*-*"
    policies = ["shop-prod.runlease.sweeper", "shop-prod.shop-sweeper", "shop-prod.store-sweeper"]
    assert role["tokenPolicies"] == policies
    assert role["tokenNoDefaultPolicy"] is True


def test_its_policy_names_every_lease_and_has_no_wildcard_in_a_path(program: Program) -> None:
    given = program.named("shop-prod-sweeper-policy").inputs
    assert given["policy"] == sweeper_policy("shop-prod", "shop-prod-jwt", [*RICH["leases"], *OWN])
    assert given["allowOverwrite"] is False
    paths = [line for line in given["policy"].splitlines() if line.startswith("path ")]
    assert not any(sign in path for path in paths for sign in "*+")
    assert "auth/token/revoke" not in given["policy"]


def test_in_each_namespace_of_runs_and_its_own_it_may_get_a_pod_and_nothing_else(program: Program) -> None:
    roles = [one.inputs for one in program.of("Role") if one.package == "kubernetes"]
    assert sorted(role["metadata"]["namespace"] for role in roles) == ["ci", "runlease", "store-ci"]
    assert [role["rules"] for role in roles] == [[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]] * 3
    for binding in program.of("RoleBinding"):
        (subject,) = binding.inputs["subjects"]
        assert (subject["namespace"], subject["name"]) == ("runlease", "shop-prod-sweeper")


def test_it_reads_the_same_settings_with_its_certificates_beside_them(program: Program) -> None:
    data = program.named("shop-prod-sweeper-stack").inputs["data"]
    settings = read_stack_text(data["stack.yaml"], "stack.yaml")
    expected = deepcopy(RICH)
    with_sweeper(expected)
    declared = load(expected)
    assert settings.leases == declared.leases
    assert settings.pipelines == declared.pipelines
    assert {database.ca for database in settings.databases.values()} | {settings.vault.ca} == set(data) - {"stack.yaml"}
    assert "password" not in yaml.safe_dump(data)


def test_a_profile_that_calls_the_broker_is_granted_that_by_the_broker(program: Program) -> None:
    name = "shop-prod-shop-grant-sweeper-{}-runlease"
    schema, functions = (program.named(name.format(part)) for part in ("schema", "function"))
    assert schema.inputs["privileges"] == ["USAGE"]
    assert functions.inputs["privileges"] == ["EXECUTE"]
    assert sorted(functions.inputs["objects"]) == ["drop_login", "reap"]
    assert {schema.provider, functions.provider} == {"shop-prod-shop-deployer"}
    reap = program.named("shop-prod-shop-broker-reap").urn
    assert reap in program.waits_for(functions)


def two_on_one_database(settings: dict[str, Any]) -> None:
    with_sweeper(settings, leases=["shop-sweeper", "again"])
    settings["leases"]["again"] = settings["leases"]["shop-sweeper"]


def a_task_that_could_sweep(settings: dict[str, Any]) -> None:
    with_sweeper(settings)
    settings["pipelines"]["shop-release"]["tasks"]["x"] = "shop-sweeper"


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a namespace where runs are": (partial(with_sweeper, namespace="ci"), "runs have it too"),
    "an unknown lease": (partial(with_sweeper, leases=["other"]), "unknown lease"),
    "a lease of another profile": (partial(with_sweeper, leases=["shop-seeder"]), "expected sweeper"),
    "no lease": (partial(with_sweeper, leases=[]), "access.sweeper.leases"),
    "no schedule": (partial(with_sweeper, schedule="now and then"), "no schedule"),
    "no image": (partial(with_sweeper, image="an image"), "no image"),
    "an unknown setting": (partial(with_sweeper, secret="x"), "access.sweeper.secret"),
    "two leases on one database": (two_on_one_database, "two on one database"),
    "a task that could sweep": (a_task_that_could_sweep, "a task that could end every run"),
}


@pytest.mark.parametrize(("edit", "said"), WRONG.values(), ids=WRONG)
def test_settings_that_could_not_sweep_safely_are_refused(edit: Callable[[dict[str, Any]], object], said: str) -> None:
    settings = deepcopy(RICH)
    edit(settings)
    with pytest.raises(ConfigError) as refused:
        load(settings)
    assert any(said in message for message in refused.value.messages), refused.value.messages
