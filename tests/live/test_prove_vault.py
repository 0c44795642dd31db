"""What is too wide in Vault turns its own attempt to broken, by name; and a lease that does not end is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.folders import private_folder
from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import apply_without_pulumi
from runlease.config import load
from runlease.evidence.prove.attempts import Verdict
from runlease.evidence.prove.edge_proof import Prover
from runlease.evidence.prove.promises import kept
from runlease.evidence.prove.tokens import Token
from runlease.evidence.prove.wallet import Wallet
from tests.live.deployment import MIGRATION, NAMESPACE, Deployment, _make_neighbours, deploy, servers_of, settings_of
from tests.live.provable import Provable, named


@pytest.fixture(scope="module")
def place(postgres18: PostgresServer, openbao: OpenBao, lab_folder: Path) -> Provable:
    """A site of this module's own, because it is broken on purpose. Vault is the same beside every PostgreSQL."""
    site = deploy(Deployment("vaulted", "vaulted", 18, False, postgres18, openbao, LabIssuer()), lab_folder)
    site.migrate(*MIGRATION)
    return Provable(site, lab_folder)


ROLE = "auth/{}-jwt/role/{}.ci.run-reader"
POD = {"/kubernetes.io/pod/uid": "*-*-*-*-*"}
NAMED = {"/kubernetes.io/namespace": NAMESPACE, "/kubernetes.io/serviceaccount/name": "run-reader"}
JWT: dict[str, tuple[dict[str, object], set[str]]] = {
    "another audience": (
        {"bound_audiences": ["runlease/vaulted", "vault"]},
        {"a token for another audience: vault"},
    ),
    "any account of the namespace": (
        {"bound_subject": "", "bound_claims": {"/kubernetes.io/namespace": NAMESPACE, **POD}},
        {
            "a token of another service account of the namespace: ci/run-seeder",
            "a token of another service account of the namespace: ci/run-verifier",
        },
    ),
    "the account of any namespace": (
        {"bound_subject": "", "bound_claims": {"/kubernetes.io/serviceaccount/name": "run-reader", **POD}},
        {"a token of a service account of another namespace: elsewhere/run-reader"},
    ),
    "a token without a pod": ({"bound_claims": NAMED}, {"a token that is bound to no pod"}),
    "a token after its end": ({"clock_skew_leeway": 600}, {"an expired token"}),
}


@pytest.mark.parametrize("kind", JWT)
def test_a_jwt_role_that_is_too_wide_is_found_by_name(place: Provable, kind: str) -> None:
    wrong, found = JWT[kind]
    with place.vault(ROLE, **wrong):
        rows = place.prove("reader", "seeder")
    assert named(rows, Verdict.BROKEN) == {f"reader: log in with {one}" for one in found}
    assert next(one for one in kept(rows) if "wrong service account" in one.sentence).verdict is Verdict.BROKEN


def test_a_jwt_role_without_audiences_gives_nothing(place: Provable) -> None:
    with place.vault(ROLE, bound_audiences=[]):
        rows = place.prove("reader", "seeder")
    assert named(rows, Verdict.BROKEN) == {f"reader: log in as {NAMESPACE}/run-reader"}


POLICIES = {
    "another lease": ('path "{}-db/creds/seeder" { capabilities = ["read"] }', {"take the lease seeder"}),
    "any lease": ('path "{}-db/creds/+" { capabilities = ["read"] }', {"take the lease seeder"}),
    "revocation by prefix": (
        'path "sys/leases/revoke-prefix/*" { capabilities = ["update", "sudo"] }',
        {"revoke by prefix"},
    ),
    "the mounts": ('path "sys/mounts" { capabilities = ["read"] }', {"list the mounts"}),
    "more tokens": ('path "auth/token/create" { capabilities = ["update"] }', {"make another token"}),
}


@pytest.mark.parametrize("kind", POLICIES)
def test_a_policy_that_opens_more_is_found_by_name(place: Provable, kind: str) -> None:
    more, found = POLICIES[kind]
    with place.policy(more):
        rows = place.prove("reader", "seeder")
    assert named(rows, Verdict.BROKEN) == {f"reader: {one}" for one in found}
    assert place.left() == []


def test_a_policy_that_opens_any_lease_to_revoke_is_found_by_name(place: Provable) -> None:
    with place.policy("", without=f'"{place.site.installation}-db/creds/reader/*"'):
        rows = place.prove("reader", "seeder")
    found = {"renew a lease of seeder", "revoke a lease of seeder", "revoke a lease of seeder, in sync"}
    assert named(rows, Verdict.BROKEN) == {f"reader: {one}" for one in found}
    assert place.left() == []


def test_a_lease_that_is_another_profiles_is_found(place: Provable) -> None:
    path = "{}-db/roles/reader"
    bao, at = place.site.openbao, "/" + path.replace("{}", place.site.installation)
    statements = bao.request("GET", at, token=bao.root_token)["data"]["creation_statements"]
    with place.vault(path, creation_statements=[one.replace("reader", "seeder") for one in statements]):
        found = named(place.prove("reader"), Verdict.BROKEN)
    assert found >= {"reader: DELETE ON TABLE app.items", "reader: hold what vaulted_seeder holds"}


def test_a_login_that_stays_after_its_lease_is_found(place: Provable) -> None:
    with place.vault("{}-db/roles/reader", revocation_statements=["SELECT 1"]):
        rows = place.prove("reader", "verifier")
    try:
        assert named(rows, Verdict.BROKEN) == {
            "reader: use its open session, after it",
            "reader: log in with its password, after it",
        }
        assert [one.verdict for one in kept(rows) if "leaves no login" in one.sentence] == [Verdict.BROKEN]
    finally:
        for login in place.left():
            place.site.rows("SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity WHERE usename = %s", login)
            with place.sql(f"DROP OWNED BY {login}; DROP ROLE {login}", "SELECT 1"):
                pass


def test_a_sweeper_may_end_leases_by_declaration_and_nothing_else(
    postgres18: PostgresServer, openbao: OpenBao, lab_folder: Path
) -> None:
    site = Deployment("proofsweep", "proofsweep", 18, False, postgres18, openbao, LabIssuer())
    offered: dict[str, object] = {"profiles": {"reader": {}, "migrator": {}, "sweeper": {}}}
    home = private_folder(lab_folder / "deployment-proofsweep")
    written = settings_of(site, home, **offered)
    written["sweeper"] = {"namespace": "swept", "image": "runlease", "leases": ["sweeper"]}
    _make_neighbours(site)
    apply_without_pulumi(written, servers_of(site), home)
    account = "proofsweep-sweeper"
    site.issuer.create_service_account("swept", account)
    site.issuer.create_pod("swept", "pod", account)
    tokens = [site.issuer.token("swept", account, site.audience, "pod"), site.token_of_pod("reader")]
    rows = Prover(load(written), home, Wallet(tuple(map(Token.read, tokens)))).prove()
    assert named(rows, Verdict.BROKEN) == set()
    found = named(rows, Verdict.HELD)
    assert found >= {
        "sweeper: EXECUTE ON FUNCTION runlease.drop_login(p_login text)",
        "sweeper: take the lease reader",
        "sweeper: revoke by prefix",
    }
    assert "sweeper: look up and revoke a lease of reader" in named(rows, Verdict.NOT_TRIED)
