"""LeaseAuditor: what a stack with one registers, what it may see, and that a plan of it says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runlease.access.rules import Bounds, findings
from runlease.config import ConfigError, load
from runlease.provision.vault.names import policy_of
from runlease.readers.resources import to_access as read_back
from tests.components.conftest import RICH
from tests.components.monitor import Program
from tests.components.test_read_back import assert_declared, resources

With = Callable[[Callable[[dict[str, Any]], object]], Program]

OWN = ["shop-auditor", "store-auditor"]
AUDITOR = {"namespace": "runlease", "image": "registry/runlease@sha256:abc", "leases": OWN}


def with_auditor(settings: dict[str, Any], **changes: object) -> None:
    for key in ("shop", "store"):
        settings["databases"][key]["profiles"]["auditor"] = {}
        lease = {"database": key, "profile": "auditor", "ttl": "5m", "max_ttl": "10m"}
        settings["leases"][f"{key}-auditor"] = lease
    settings["auditor"] = {**AUDITOR, **changes}


@pytest.fixture(scope="module")
def program(with_: With) -> Program:
    return with_(with_auditor)


def test_without_the_section_there_is_none(rich: Program) -> None:
    assert rich.of("LeaseAuditor") == []


def test_it_costs_these_resources_and_the_profiles_theirs(rich: Program, program: Program) -> None:
    added = [program.resources[urn] for urn in set(program.resources) - set(rich.resources)]
    own = sorted(one.kind for one in added if one.name.startswith("shop-prod-auditor"))
    jobs = ["AuthBackendRole", "ConfigMap", "CronJob", "LeaseAuditor", *["Role", "RoleBinding"] * 3, "ServiceAccount"]
    assert own == sorted(jobs)
    others = sorted(one.kind for one in added if not one.name.startswith("shop-prod-auditor"))
    # Of the managed server nothing but CONNECT.
    shop = ["Role", "GrantRole", "Grant", "Grant", "SecretBackendRole", "Policy"]
    assert others == sorted([*shop, "Role", "Grant", "SecretBackendRole", "Policy"])


def test_its_role_on_a_server_of_ones_own_reads_settings_and_the_broker_gives_it_away(program: Program) -> None:
    role = program.named("shop-prod-shop-role-auditor")
    assert role.inputs["roles"] == ["pg_read_all_settings"]
    assert role.inputs.get("inherit") is None
    assert role.provider == program.named("shop-prod-shop-role-migrator").provider
    assert program.named("shop-prod-shop-admin-auditor").inputs["withAdminOption"] is True
    call = program.named("shop-prod-shop-grant-auditor-function-pg_catalog").inputs
    assert (call["privileges"], call["objects"]) == (["EXECUTE"], ["pg_hba_file_rules"])
    rented = program.named("shop-prod-store-role-auditor")
    assert "roles" not in rented.inputs
    assert list(rented.request.ignoreChanges) == ["roles"], "what somebody gave it by hand stays"


def test_its_pod_verifies_with_two_tokens_and_no_secret(program: Program) -> None:
    spec = program.named("shop-prod-auditor-job").inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["command"] == [
        "runlease",
        "verify",
        "/runlease/stack/stack.yaml",
        "--identity",
        "/runlease/identity",
    ]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "secret" not in json.dumps(spec).lower()


def test_its_role_in_vault_carries_the_policies_of_its_leases_which_read_how_vault_is_configured(
    program: Program,
) -> None:
    role = program.named("shop-prod-auditor-role").inputs
    assert role["boundSubject"] == "system:serviceaccount:runlease:shop-prod-auditor"
    assert role["tokenPolicies"] == ["shop-prod.shop-auditor", "shop-prod.store-auditor"]
    settings = deepcopy(RICH)
    with_auditor(settings)
    leases = load(settings).leases
    given = program.named("shop-prod-engine-policy-shop-auditor").inputs["policy"]
    assert given == policy_of("shop-prod", "shop-auditor", leases)
    assert all(f"sys/leases/lookup/shop-prod-db/creds/{lease}/" in given for lease in leases)
    other = program.named("shop-prod-engine-policy-shop-verifier").inputs["policy"]
    assert "sys/policies" not in other


def test_it_may_get_what_it_looks_for_by_name_and_nothing_else(program: Program) -> None:
    roles = {
        one.inputs["metadata"]["namespace"]: one.inputs["rules"]
        for one in program.of("Role")
        if one.package == "kubernetes"
    }
    assert sorted(roles) == ["ci", "runlease", "store-ci"]
    for rules in roles.values():
        for rule in rules:
            assert rule["verbs"] == ["get"]
            assert rule["resources"] in (["serviceaccounts"], ["configmaps"])
            assert rule["resourceNames"]
    assert roles["runlease"] == [
        {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["shop-prod-auditor"], "verbs": ["get"]}
    ]


def test_a_plan_of_it_says_what_was_declared_and_breaks_no_rule(rich: Program, program: Program) -> None:
    settings = deepcopy(RICH)
    with_auditor(settings)
    assert_declared(settings, program)

    def broken(one: Program) -> set[tuple[str, str]]:
        access = read_back(resources(one))
        return {(two.rule, two.where) for two in findings(access, Bounds(), (), date(2026, 7, 1))}

    assert broken(program) == broken(rich)


def two_on_one_database(settings: dict[str, Any]) -> None:
    with_auditor(settings, leases=["shop-auditor", "again"])
    settings["leases"]["again"] = settings["leases"]["shop-auditor"]


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a namespace where runs are": (partial(with_auditor, namespace="ci"), "runs have it too"),
    "an unknown lease": (partial(with_auditor, leases=["other"]), "unknown lease"),
    "a lease of another profile": (partial(with_auditor, leases=["shop-seeder"]), "expected auditor"),
    "what is the sweeper's alone": (partial(with_auditor, apply=True), "access.auditor.apply"),
    "two leases on one database": (two_on_one_database, "two on one database"),
}


@pytest.mark.parametrize(("edit", "said"), WRONG.values(), ids=WRONG)
def test_settings_that_could_not_be_right_are_refused(edit: Callable[[dict[str, Any]], object], said: str) -> None:
    settings = deepcopy(RICH)
    edit(settings)
    with pytest.raises(ConfigError) as refused:
        load(settings)
    assert any(said in message for message in refused.value.messages), refused.value.messages


def test_the_stack_files_that_it_reads_need_no_key_of_the_cluster(program: Program, tmp_path: Path) -> None:
    data = program.named("shop-prod-auditor-stack").inputs["data"]
    assert "issuer.pem" not in data
