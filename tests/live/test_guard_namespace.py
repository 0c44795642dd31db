"""A guard whose Vault has namespaces: all that it needs stands in one, and nothing of it outside."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from lab.https import HttpsClient
from lab.openbao import OpenBao
from runlease.config.made import policy_name
from runlease.provision.vault.names import policy
from tests.live.deployment import NAMESPACE, Deployment
from tests.live.guards import Place, config_of

INSTALLATION, VAULTS_NAMESPACE = "inside", "platform"
MOUNT, ROLE = "inside-db", f"inside.{NAMESPACE}.run-reader"


@pytest.fixture
def inside(guarded: Deployment, openbao: OpenBao) -> HttpsClient:
    """An installation within a namespace of its own, made by hand; its leases are plain roles."""
    openbao.request("POST", f"/sys/namespaces/{VAULTS_NAMESPACE}", {}, openbao.root_token)
    headers = {"X-Vault-Token": openbao.root_token, "X-Vault-Namespace": VAULTS_NAMESPACE}
    client = HttpsClient(openbao.address, ssl.create_default_context(cafile=str(openbao.ca)), headers)
    role = openbao.request("GET", f"/auth/guarded-jwt/role/guarded.{NAMESPACE}.run-reader", token=openbao.root_token)[
        "data"
    ]
    server = guarded.postgres
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{server.host}:{server.port}/{guarded.dbname}?sslmode=require"
    for path, body in {
        "sys/auth/inside-jwt": {"type": "jwt"},
        "auth/inside-jwt/config": {
            "jwt_validation_pubkeys": [guarded.issuer.public_key_pem],
            "bound_issuer": guarded.issuer.issuer,
        },
        f"sys/policies/acl/{policy_name(INSTALLATION, 'reader')}": {"policy": policy(INSTALLATION, "reader")},
        f"auth/inside-jwt/role/{ROLE}": {**role, "token_policies": [policy_name(INSTALLATION, "reader")]},
        f"sys/mounts/{MOUNT}": {"type": "database"},
        f"{MOUNT}/config/data": {
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": ["reader"],
            "connection_url": url,
            "username": server.superuser,
            "password": server.password,
        },
        f"{MOUNT}/roles/reader": {
            "db_name": "data",
            "creation_statements": "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'",
            "default_ttl": 60,
            "max_ttl": 120,
        },
    }.items():
        client.request("POST", f"/v1/{path}", body)
    return client


def test_a_guard_works_in_a_namespace_of_vault_and_not_outside_it(
    guarded: Deployment, inside: HttpsClient, lab_folder: Path, place: Place
) -> None:
    vault = {"installation": INSTALLATION, "namespace": VAULTS_NAMESPACE, "jwt_mount": "inside-jwt"}
    lease = {"creds_path": f"{MOUNT}/creds/reader"}
    known = "SELECT FROM pg_roles WHERE rolname = %s"
    guard = place(config_of(guarded, lab_folder, vault=vault, lease=lease)).start().ready()
    login = guard.login
    assert guarded.rows(known, login)
    (guard.shared / "release").touch()
    assert guard.evidence()["login"] == login
    assert not guarded.rows(known, login)
    assert guard.stop() == 0
    outside = place(config_of(guarded, lab_folder, vault={**vault, "namespace": ""}, lease=lease)).start()
    assert "auth/inside-jwt/login: Vault refused" in outside.until("failed")
    assert outside.stop() == 0
