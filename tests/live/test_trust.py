"""Vault gives a lease to exactly one identity, and that identity nothing but its lease: each refusal by its reason."""

from __future__ import annotations

import base64
import hmac
import time
from pathlib import Path

import jwt
import pytest

from lab.https import RefusedError
from lab.issuer import LabIssuer
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from runlease.config.made import policy_name
from tests.live.deployment import NAMESPACE, PROFILES, Deployment, deploy
from tests.live.sites import Sites


@pytest.fixture(scope="module")
def cluster(postgres18: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, lab_folder: Path) -> Deployment:
    """A site that trusts a real API server."""
    return deploy(Deployment("kube", "pg18-kube", 18, False, postgres18, openbao, kubernetes), lab_folder)


@pytest.fixture(scope="module")
def site(sites: Sites) -> Deployment:
    """A site that trusts the lab's issuer, whose key can sign what no API server would."""
    return sites.site(18, managed=False)


def refused(site: Deployment, token: str, because: str, profile: str = "reader") -> None:
    with pytest.raises(RefusedError, match=because) as error:
        site.log_in(profile, token)
    assert error.value.status in (400, 403)


# --- who gets in


@pytest.mark.parametrize("profile", PROFILES)
def test_the_account_of_a_task_gets_its_lease(cluster: Deployment, profile: str) -> None:
    with cluster.leased(profile) as lease, cluster.connect(lease) as session:
        assert session.execute("SELECT session_user::text").fetchone() == (lease.login,)
        assert lease.login.startswith(f"run_{profile}_")


def test_the_audit_log_joins_a_login_to_its_pod(cluster: Deployment) -> None:
    with cluster.leased("reader") as lease:
        lines = [line for line in cluster.openbao.audit_log.read_text().splitlines() if lease.login in line]
    uid = cluster.issuer.create_pod(NAMESPACE, f"{cluster.installation}-reader", "run-reader")
    assert lines
    assert all(f'"pod_uid":"{uid}"' in line and '"pod":"pg18-kube-reader"' in line for line in lines)


def test_another_service_account_is_refused(cluster: Deployment) -> None:
    refused(cluster, cluster.token_of_pod("seeder"), r"invalid subject \(sub\) claim")


def test_the_same_account_of_another_namespace_is_refused(cluster: Deployment) -> None:
    cluster.issuer.create_service_account("elsewhere", "run-reader")
    cluster.issuer.create_pod("elsewhere", "pod", "run-reader")
    token = cluster.issuer.token("elsewhere", "run-reader", cluster.audience, "pod")
    refused(cluster, token, r"invalid subject \(sub\) claim")


@pytest.mark.parametrize("audience", ["runlease/pg18-shop", "runlease/pg18-kube2", "runlease/pg18-kub", "vault"])
def test_another_audience_is_refused(cluster: Deployment, audience: str) -> None:
    refused(cluster, cluster.token_of_pod("reader", audience), "invalid audience")


def test_a_token_for_the_api_server_is_refused(cluster: Deployment) -> None:
    refused(cluster, cluster.token_of_pod("reader", cluster.issuer.issuer), "invalid audience")


def test_a_token_that_is_bound_to_no_pod_is_refused(cluster: Deployment) -> None:
    cluster.issuer.create_service_account(NAMESPACE, "run-reader")
    token = cluster.issuer.token(NAMESPACE, "run-reader", cluster.audience)
    refused(cluster, token, r"claim .*/kubernetes\.io/pod/uid.* is missing")


def test_a_token_of_another_cluster_is_refused(cluster: Deployment, site: Deployment) -> None:
    refused(cluster, site.token_of_pod("reader", cluster.audience), "no known key successfully validated")


def test_another_key_that_claims_the_same_issuer_is_refused(site: Deployment) -> None:
    impostor = LabIssuer(site.issuer.issuer)
    impostor.create_service_account(NAMESPACE, "run-reader")
    impostor.create_pod(NAMESPACE, "pod", "run-reader")
    refused(site, impostor.token(NAMESPACE, "run-reader", site.audience, "pod"), "no known key successfully validated")


ALTERED: dict[str, tuple[dict[str, object], str]] = {
    "expired a second ago": ({"exp": -1}, "token is expired"),
    "without an end": ({"exp": None, "iat": None, "nbf": None}, r"no issued at .* claims in token"),
    "not valid yet": ({"nbf": 60}, "token not yet valid"),
    "of another issuer": ({"iss": "https://other.invalid"}, r"invalid issuer \(iss\) claim"),
    "without an audience": ({"aud": None}, "invalid audience"),
    "for all": ({"aud": ["*"]}, "invalid audience"),
    "of an account whose name begins the same": (
        {"sub": f"system:serviceaccount:{NAMESPACE}:run-reader2"},
        r"invalid subject \(sub\) claim",
    ),
    "of a namespace that disagrees": (
        {"kubernetes.io": {"namespace": "elsewhere"}},
        "does not match any associated bound claim",
    ),
}


def altered(site: Deployment, changes: dict[str, object]) -> str:
    """A token with other claims, signed with the issuer's own key; numbers are seconds from now."""
    issuer = site.issuer
    assert isinstance(issuer, LabIssuer)
    claims = jwt.decode(site.token_of_pod("reader"), options={"verify_signature": False})
    for name, value in changes.items():
        claims[name] = int(time.time()) + value if isinstance(value, int) else value
        if isinstance(value, dict):
            claims[name] = jwt.decode(site.token_of_pod("reader"), options={"verify_signature": False})[name] | value
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, issuer._key, "RS256")


def test_an_unaltered_token_that_is_signed_again_works(site: Deployment) -> None:
    assert site.log_in("reader", altered(site, {}))


@pytest.mark.parametrize("how", ALTERED)
def test_a_token_is_refused(site: Deployment, how: str) -> None:
    changes, because = ALTERED[how]
    refused(site, altered(site, changes), because)


def test_a_token_that_nobody_signed_is_refused(site: Deployment) -> None:
    claims = jwt.decode(site.token_of_pod("reader"), options={"verify_signature": False})
    refused(site, jwt.encode(claims, "", "none"), "no known key successfully validated")


def test_a_token_that_takes_the_public_key_for_a_shared_secret_is_refused(site: Deployment) -> None:
    def spelled(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).decode().rstrip("=")

    header = spelled(b'{"alg": "HS256"}')
    signed = f"{header}.{site.token_of_pod('reader').split('.')[1]}"
    code = hmac.digest(site.issuer.public_key_pem.encode(), signed.encode(), "sha256")
    refused(site, f"{signed}.{spelled(code)}", "no known key successfully validated")


# --- what a run's token may do


@pytest.fixture(scope="module")
def reader(cluster: Deployment) -> str:
    return cluster.log_in("reader")


def may_not(site: Deployment, token: str, method: str, path: str, body: object = None) -> None:
    with pytest.raises(RefusedError) as error:
        site.openbao.request(method, path, body, token)
    assert error.value.status == 403


@pytest.mark.parametrize("profile", ["seeder", "migrator", "verifier", "sandbox", "reader2", "read"])
def test_the_lease_of_another_task_is_refused(cluster: Deployment, reader: str, profile: str) -> None:
    may_not(cluster, reader, "GET", f"/{cluster.installation}-db/creds/{profile}")


def test_the_lease_of_another_installation_is_refused(cluster: Deployment, site: Deployment, reader: str) -> None:
    may_not(cluster, reader, "GET", f"/{site.installation}-db/creds/reader")


def test_the_lease_of_another_task_is_neither_revoked_nor_renewed(cluster: Deployment, reader: str) -> None:
    with cluster.leased("seeder") as lease:
        may_not(cluster, reader, "PUT", "/sys/leases/revoke", {"lease_id": lease.id, "sync": "true"})
        may_not(cluster, reader, "PUT", "/sys/leases/revoke", {"lease_id": lease.id})
        may_not(cluster, reader, "PUT", "/sys/leases/renew", {"lease_id": lease.id})
        cluster.connect(lease).close()


def test_a_lease_is_renewed_by_who_took_it(cluster: Deployment) -> None:
    with cluster.leased("reader") as lease:
        body = {"lease_id": lease.id, "increment": 600}
        renewed = cluster.openbao.request("PUT", "/sys/leases/renew", body, lease.token)
        assert renewed["lease_duration"] > 300


def test_a_token_revokes_itself_and_then_takes_nothing(cluster: Deployment) -> None:
    token = cluster.log_in("reader")
    cluster.openbao.request("PUT", "/auth/token/revoke-self", None, token)
    may_not(cluster, token, "GET", f"/{cluster.installation}-db/creds/reader")


CLOSED = [
    ("GET", "/auth/token/lookup-self", None),
    ("POST", "/auth/token/create", {}),
    ("POST", "/sys/capabilities-self", {"path": "sys"}),
    ("GET", "/cubbyhole/mine", None),
    ("GET", "/sys/mounts", None),
    ("LIST", "/sys/policies/acl", None),
    ("GET", "/sys/policies/acl/{}.reader", None),
    ("LIST", "/sys/leases/lookup/{}-db/creds/reader", None),
    ("PUT", "/sys/leases/lookup", {"lease_id": "{}-db/creds/reader/x"}),
    ("PUT", "/sys/leases/revoke-prefix/{}-db/creds/reader", None),
    ("PUT", "/sys/leases/revoke-force/{}-db/creds/reader", None),
    ("LIST", "/{}-db/creds", None),
    ("LIST", "/{}-db/roles", None),
    ("GET", "/{}-db/roles/reader", None),
    ("POST", "/{}-db/roles/reader", {}),
    ("GET", "/{}-db/config/kube-data", None),
    ("POST", "/{}-db/rotate-root/kube-data", {}),
    ("POST", "/{}-db/reset/kube-data", {}),
    ("GET", "/auth/{}-jwt/config", None),
    ("LIST", "/auth/{}-jwt/role", None),
    ("POST", "/auth/{}-jwt/role/{}.ci.run-reader", {}),
    ("GET", "/sys/raw/", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CLOSED, ids=[f"{method} {path}" for method, path, _ in CLOSED])
def test_a_runs_token_can_do_nothing_else(
    cluster: Deployment, reader: str, method: str, path: str, body: object
) -> None:
    may_not(cluster, reader, method, path.replace("{}", cluster.installation), body)


def test_a_runs_token_sees_no_mount_but_its_own(cluster: Deployment, reader: str) -> None:
    seen = cluster.openbao.request("GET", "/sys/internal/ui/mounts", token=reader)["data"]
    assert (set(seen["secret"]), set(seen["auth"])) == ({f"{cluster.installation}-db/", "sys/"}, {"token/"})


def test_a_runs_token_has_its_leases_policy_alone(cluster: Deployment, reader: str) -> None:
    found = cluster.openbao.request("POST", "/auth/token/lookup", {"token": reader}, cluster.openbao.root_token)["data"]
    assert found["policies"] == [policy_name(cluster.installation, "reader")]
    assert not found.get("identity_policies")
    assert found["explicit_max_ttl"] == 600 + 120
