"""Vault: the mount and what is under it, who may log in, and what a login may read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.components.monitor import Program

With = Callable[[Callable[[dict[str, Any]], object]], Program]


def test_the_mount_waits_for_everything_in_the_databases(rich: Program) -> None:
    """On a destroy it goes first, and takes its leases along while the broker still stands."""
    (mount,) = rich.of("Mount")
    databases = {one.urn for one in rich.resources.values() if one.package == "postgresql"}
    assert len(databases) > 80
    assert databases <= rich.waits_for(mount)


def test_everything_in_vault_begins_with_the_installation(rich: Program) -> None:
    named = {"Mount": "path", "AuthBackend": "path", "Policy": "name", "AuthBackendRole": "roleName"}
    for kind, field in named.items():
        assert rich.of(kind)
        assert not [str(one) for one in rich.of(kind) if not one.inputs[field].startswith("shop-prod")]


def test_a_connection_serves_the_leases_of_its_tier_alone(rich: Program) -> None:
    served = {one.inputs["name"]: one.inputs["allowedRoles"] for one in rich.of("SecretBackendConnection")}
    assert served == {
        "shop-data": ["shop-seeder", "shop-verifier", "shop-sandbox"],
        "shop-migrator": ["shop-migrator"],
        "store-data": ["store-reader"],
        "store-migrator": ["store-migrator"],
    }


def test_a_lease_is_issued_through_the_connection_that_serves_it(rich: Program) -> None:
    served = {one.inputs["name"]: one.inputs["allowedRoles"] for one in rich.of("SecretBackendConnection")}
    for lease in rich.of("SecretBackendRole"):
        assert lease.inputs["name"] in served[lease.inputs["dbName"]]


def test_each_connection_has_a_login_of_its_own(rich: Program) -> None:
    logins = {one.inputs["name"]: one.inputs["postgresql"]["username"] for one in rich.of("SecretBackendConnection")}
    assert logins == {
        "shop-data": "runlease_shop_vault",
        "shop-migrator": "runlease_shop_vault_migrator",
        "store-data": "runlease_store_vault",
        "store-migrator": "runlease_store_vault_migrator",
    }


def test_a_connection_logs_in_with_the_password_that_its_role_was_given(rich: Program) -> None:
    given = {role.inputs["name"]: role.inputs.get("password") for role in rich.of("Role")}
    for connection in rich.of("SecretBackendConnection"):
        assert connection.inputs["postgresql"]["password"] == given[connection.inputs["postgresql"]["username"]]


def test_passwords_are_sent_as_verifiers_and_checked_over_tls(rich: Program) -> None:
    for connection in rich.of("SecretBackendConnection"):
        assert connection.inputs["postgresql"]["passwordAuthentication"] == "scram-sha-256"
        assert "sslmode=verify-full" in connection.inputs["postgresql"]["connectionUrl"]
        assert connection.inputs["verifyConnection"] is True


def test_each_connection_is_rotated_once_after_it_is_made(rich: Program) -> None:
    connections = {one.inputs["name"]: one.urn for one in rich.of("SecretBackendConnection")}
    rotated = {one.inputs["path"]: one for one in rich.of("Endpoint")}
    assert set(rotated) == {f"shop-prod-db/rotate-root/{name}" for name in connections}
    for path, one in rotated.items():
        assert connections[path.split("/")[-1]] in one.depends_on
        assert one.inputs["disableDelete"] is True


def test_no_policy_takes_over_one_that_exists(rich: Program) -> None:
    assert len(rich.of("Policy")) == 6
    assert not [str(one) for one in rich.of("Policy") if one.inputs.get("allowOverwrite") is not False]


def test_an_identity_may_log_in_for_exactly_one_lease(rich: Program) -> None:
    policies = {one.inputs["name"] for one in rich.of("Policy")}
    for role in rich.of("AuthBackendRole"):
        (policy,) = role.inputs["tokenPolicies"]
        assert policy in policies
        assert role.inputs["tokenNoDefaultPolicy"] is True


def test_no_wildcard_lets_anyone_else_in(rich: Program) -> None:
    for role in rich.of("AuthBackendRole"):
        exact = [role.inputs["boundSubject"], *role.inputs["boundAudiences"], role.inputs["roleName"]]
        claims = {name: value for name, value in role.inputs["boundClaims"].items() if not name.endswith("/pod/uid")}
        assert not [value for value in [*exact, *claims.values()] if "*" in value or not value]
        assert set(claims) == {"/kubernetes.io/namespace", "/kubernetes.io/serviceaccount/name"}
    for connection in rich.of("SecretBackendConnection"):
        assert connection.inputs["allowedRoles"]
        assert not [name for name in connection.inputs["allowedRoles"] if "*" in name]


def test_a_role_is_bound_to_one_account_in_a_pod_with_one_audience(rich: Program) -> None:
    role = rich.named("shop-prod-ci.shop-release.migrate-role").inputs
    assert role["roleName"] == "shop-prod.ci.shop-release-migrate"
    assert role["boundSubject"] == "system:serviceaccount:ci:shop-release-migrate"
    assert role["boundAudiences"] == ["runlease/shop-prod"]
    assert role["boundClaims"] == {
        "/kubernetes.io/namespace": "ci",
        "/kubernetes.io/serviceaccount/name": "shop-release-migrate",
        "/kubernetes.io/pod/uid": "*-*-*-*-*",
    }
    assert role["userClaim"] == "sub"


def test_a_token_is_dead_when_it_says_so(rich: Program) -> None:
    for role in rich.of("AuthBackendRole"):
        leeways = [role.inputs[name] for name in ("clockSkewLeeway", "expirationLeeway", "notBeforeLeeway")]
        assert leeways == [-1, -1, -1], role


def test_a_run_token_outlives_its_lease_by_the_margin_and_no_longer(rich: Program) -> None:
    role = rich.named("shop-prod-ci.shop-release.migrate-role").inputs
    lives = {name: role[name] for name in ("tokenTtl", "tokenMaxTtl", "tokenExplicitMaxTtl")}
    assert set(lives.values()) == {1800 + 120}


def test_the_mount_trusts_one_issuer_and_its_keys(rich: Program) -> None:
    (mount,) = rich.of("AuthBackend")
    assert mount.inputs["boundIssuer"] == "https://oidc.internal"
    assert mount.inputs["jwtValidationPubkeys"] == ["-----BEGIN PUBLIC KEY-----"]
    assert not mount.inputs.get("oidcDiscoveryUrl")
    assert not mount.inputs.get("jwksUrl")
    assert not mount.inputs.get("defaultRole")


@pytest.mark.parametrize(
    ("jwks", "source", "ca"),
    [
        ("discovery", {"oidcDiscoveryUrl": "https://oidc.internal"}, "oidcDiscoveryCaPem"),
        ("https://keys.internal/jwks", {"jwksUrl": "https://keys.internal/jwks"}, "jwksCaPem"),
    ],
)
def test_keys_come_from_exactly_one_place(with_: With, jwks: str, source: dict[str, str], ca: str) -> None:
    cluster = {"issuer": "https://oidc.internal", "jwks": jwks, "jwks_ca": "ca.pem"}
    (mount,) = with_(lambda settings: settings.update(cluster=cluster)).of("AuthBackend")
    places = ("oidcDiscoveryUrl", "jwksUrl", "jwtValidationPubkeys", "oidcDiscoveryCaPem", "jwksCaPem")
    said = {name: mount.inputs[name] for name in places if mount.inputs.get(name)}
    assert said == {**source, ca: "-----BEGIN CERTIFICATE-----\n"}


def test_a_jwt_mount_that_exists_is_used_and_not_made(with_: With) -> None:
    program = with_(lambda settings: settings["vault"].update(jwt_mount="cluster-jwt"))
    assert not program.of("AuthBackend")
    assert {one.inputs["backend"] for one in program.of("AuthBackendRole")} == {"cluster-jwt"}


def test_the_audit_log_shows_the_login_and_hides_the_rest(rich: Program) -> None:
    (mount,) = rich.of("Mount")
    assert mount.inputs["auditNonHmacResponseKeys"] == ["username"]
    assert mount.inputs["type"] == "database"
