"""What `runlease check` decides about Vault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from runlease.config import Settings, load
from runlease.readiness.engine import Engine, Token, judge
from runlease.readiness.findings import Severity
from tests.unit.findings import only

BAO = {"initialized": True, "sealed": False, "version": "2.7.2"}
HEALTHY = Engine(BAO, Token.ACCEPTED, mounts={}, auths={}, policies=frozenset({"default"}))


def settings(**vault: Any) -> Settings:
    return load(
        {
            "installation": "shop-prod",
            "vault": {"address": "https://vault:8200", **vault},
            "cluster": {"issuer": "https://oidc.cluster.internal"},
            "databases": {
                "shop": {
                    "server": "self_managed",
                    "host": "db",
                    "dbname": "shop",
                    "ca": "ca.pem",
                    "public": "keep",
                    "owner": "shop_owner",
                    "schemas": ["app"],
                    "profiles": {"reader": {}},
                }
            },
            "leases": {"shop-reader": {"database": "shop", "profile": "reader", "ttl": "5m", "max_ttl": "10m"}},
            "pipelines": {"release": {"namespace": "ci", "tasks": {"read": "shop-reader"}}},
        }
    )


def test_a_healthy_vault_with_free_names_has_no_finding() -> None:
    assert list(judge(settings(), HEALTHY)) == []


def test_without_a_token_it_says_what_is_not_checked() -> None:
    finding = only(judge(settings(), Engine(BAO)))
    assert finding.severity is Severity.NOTE
    assert "VAULT_TOKEN" in finding.problem


def test_a_refused_token_is_an_error() -> None:
    assert only(judge(settings(), Engine(BAO, Token.REFUSED))).problem == "VAULT_TOKEN is refused"


@pytest.mark.parametrize(
    ("health", "problem"),
    [
        ({}, "no Vault answers there"),
        ({**BAO, "sealed": True}, "is sealed"),
        ({**BAO, "initialized": False, "sealed": True}, "is not initialised"),
    ],
)
def test_a_vault_that_cannot_serve_is_one_error(health: Mapping[str, Any], problem: str) -> None:
    finding = only(judge(settings(), Engine(health)))
    assert finding.severity is Severity.ERROR
    assert finding.problem.startswith(problem)


@pytest.mark.parametrize(
    ("health", "least"),
    [
        ({"version": "2.5.4"}, "OpenBao 2.5.4, expected at least 2.6.0"),
        ({"version": "1.18.0", "enterprise": False}, "Vault 1.18.0, expected at least 2.0.0"),
        ({"version": "1.18.0"}, "Vault 1.18.0, expected at least 2.0.0"),
        ({"version": "1.21.4+ent", "enterprise": True}, "expected at least 1.21.5"),
        ({"version": "1.20.9+ent", "enterprise": True}, "expected at least 1.20.10"),
    ],
)
def test_a_version_with_known_holes_is_a_warning(health: Mapping[str, Any], least: str) -> None:
    finding = only(judge(settings(), replace(HEALTHY, health={**BAO, **health})))
    assert finding.severity is Severity.WARNING
    assert least in finding.problem


@pytest.mark.parametrize(
    "health",
    [
        {"version": "2.6.0"},
        {"version": "2.0.0", "enterprise": False},
        {"version": "1.21.5+ent", "enterprise": True},
        {"version": "1.19.16+ent", "enterprise": True},
    ],
)
def test_a_version_without_known_holes_is_fine(health: Mapping[str, Any]) -> None:
    assert list(judge(settings(), replace(HEALTHY, health={**BAO, **health}))) == []


def test_a_missing_namespace_is_the_only_thing_said_about_the_token() -> None:
    finding = only(judge(settings(namespace="team/db"), Engine(BAO, Token.REFUSED, namespace_missing=True)))
    assert finding.where == "access.vault.namespace"
    assert finding.fix == "bao namespace create team/db"


def test_a_vault_without_namespaces_is_named_without_a_token() -> None:
    health = {**BAO, "version": "2.0.0", "enterprise": False}
    findings = list(judge(settings(namespace="team"), Engine(health)))
    assert [one.severity for one in findings] == [Severity.ERROR, Severity.NOTE]


def test_mounts_of_somebody_else_are_errors_and_of_an_earlier_up_notes() -> None:
    theirs, ours = {"type": "kv", "description": "ours since 2019"}, {"type": "database", "description": "runlease: x"}
    assert only(judge(settings(), replace(HEALTHY, mounts={"shop-prod-db/": theirs}))).severity is Severity.ERROR
    assert only(judge(settings(), replace(HEALTHY, auths={"shop-prod-jwt/": theirs}))).severity is Severity.ERROR
    assert only(judge(settings(), replace(HEALTHY, mounts={"shop-prod-db/": ours}))).severity is Severity.NOTE


def test_policies_of_our_names_are_an_error_unless_the_mount_is_ours() -> None:
    taken = replace(HEALTHY, policies=frozenset({"shop-prod.shop-reader"}))
    assert "shop-prod.shop-reader" in only(judge(settings(), taken)).problem
    ours = replace(taken, mounts={"shop-prod-db/": {"type": "database", "description": "runlease: leases"}})
    assert only(judge(settings(), ours)).severity is Severity.NOTE


@pytest.mark.parametrize("auths", [{}, {"kube/": {"type": "kubernetes"}}])
def test_a_jwt_mount_that_is_none_is_an_error(auths: Mapping[str, Mapping[str, Any]]) -> None:
    finding = only(judge(settings(jwt_mount="kube"), replace(HEALTHY, auths=auths)))
    assert finding.where == "access.vault.jwt_mount"
    fine = replace(HEALTHY, auths={"kube/": {"type": "jwt"}})
    assert list(judge(settings(jwt_mount="kube"), fine)) == []


def test_a_token_that_may_not_list_is_a_note() -> None:
    assert "not all checked" in only(judge(settings(), replace(HEALTHY, policies=None))).problem
