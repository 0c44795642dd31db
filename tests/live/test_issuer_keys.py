"""Vault fetches the cluster's keys itself: from the issuer's discovery document, or from its JWKS URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.certificates import CertificateAuthority
from lab.https import RefusedError
from lab.issuer import LabIssuer
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import Servers, Settings, apply_without_pulumi, on_servers, prepare

ANYBODY_READS_THE_KEYS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "anybody-reads-the-keys"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "system:service-account-issuer-discovery",
    },
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}],
}


def settings(key: str) -> Settings:
    database = {
        "server": "self_managed",
        "dbname": key,
        "create": ["database", "owner", "schemas"],
        "owner": f"{key}_owner",
        "schemas": ["app"],
        "profiles": {"verifier": {}},
    }
    return {
        "installation": key,
        "vault": {},
        "cluster": {},
        "databases": {key: database},
        "leases": {"look": {"database": key, "profile": "verifier", "ttl": "2m", "max_ttl": "2m"}},
        "pipelines": {"release": {"namespace": key, "tasks": {"verify": "look"}}},
    }


@pytest.mark.parametrize(("key", "path"), [("discovered", None), ("fetched", "/openid/v1/jwks")])
def test_a_token_is_checked_with_keys_that_vault_fetched(
    key: str,
    path: str | None,
    lab_folder: Path,
    lab_ca: CertificateAuthority,
    postgres15: PostgresServer,
    openbao: OpenBao,
    kubernetes: Kubernetes,
) -> None:
    kubernetes.apply(ANYBODY_READS_THE_KEYS)
    try:
        servers = Servers(postgres15, openbao, kubernetes, kubernetes)
        placed = on_servers(settings(key), servers, lab_folder)
        jwks = kubernetes.issuer + path if path else "discovery"
        placed["cluster"] = {"issuer": kubernetes.issuer, "jwks": jwks, "jwks_ca": str(lab_ca.certificate)}
        prepare(placed, servers)
        apply_without_pulumi(placed, servers, lab_folder)
        account, role = "release-verify", f"{key}.{key}.release-verify"

        kubernetes.create_pod(key, "run", account)
        token = kubernetes.token(key, account, f"runlease/{key}", "run")
        answer = openbao.request("POST", f"/auth/{key}-jwt/login", {"role": role, "jwt": token})
        assert answer["auth"]["policies"] == [f"{key}.look"]

        stranger = LabIssuer(issuer=kubernetes.issuer)
        stranger.create_service_account(key, account)
        stranger.create_pod(key, "run", account)
        forged = stranger.token(key, account, f"runlease/{key}", "run")
        with pytest.raises(RefusedError) as refused:
            openbao.request("POST", f"/auth/{key}-jwt/login", {"role": role, "jwt": forged})
        assert refused.value.status == 400
    finally:
        kubernetes.delete("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "anybody-reads-the-keys")
