"""A token says by its claims in which one thing it is wrong; it is never shown."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from runlease.access import Access, Binding, Duration, Identity, Lease, ProfileName
from runlease.config import ConfigError
from runlease.evidence.prove.attempts import Omitted
from runlease.evidence.prove.tokens import Claim, Token, by_claim, worded, wrong_in
from runlease.evidence.prove.vault_requests import Request, closed, other_leases, revocations
from runlease.evidence.prove.wallet import Wallet, accounts, given, wrong_audiences

ISSUER, AUDIENCE, NOW = "https://issuer", "runlease/prod", 1000.0
IDENTITY = Identity("ci", "run-reader", ISSUER, AUDIENCE)
POD = {"pod": {"name": "p", "uid": "1-2-3"}}


def jwt(**claims: object) -> str:
    own: dict[str, object] = {
        "iss": ISSUER,
        "sub": IDENTITY.subject,
        "aud": [AUDIENCE],
        "exp": NOW + 1,
        "kubernetes.io": POD,
    }
    payload = base64.urlsafe_b64encode(json.dumps({**own, **claims}).encode()).decode().rstrip("=")
    return f"head.{payload}.signature"


@pytest.mark.parametrize(
    ("claims", "claim"),
    [
        ({}, Claim.NONE),
        ({"aud": AUDIENCE}, Claim.NONE),
        ({"sub": "system:serviceaccount:ci:other"}, Claim.ACCOUNT),
        ({"sub": "system:serviceaccount:ci2:run-reader"}, Claim.NAMESPACE),
        ({"aud": ["vault"]}, Claim.AUDIENCE),
        ({"exp": NOW}, Claim.EXPIRED),
        ({"kubernetes.io": {}}, Claim.POD),
        ({"kubernetes.io": None}, Claim.POD),
        ({"aud": ["vault"], "exp": NOW}, None),
        ({"sub": "system:serviceaccount:ci:other", "kubernetes.io": {}}, None),
    ],
)
def test_a_token_is_wrong_in_one_thing_or_shows_nothing(claims: dict[str, object], claim: Claim | None) -> None:
    assert wrong_in(Token.read(jwt(**claims)), IDENTITY, NOW) is claim


@pytest.mark.parametrize("text", ["", "zzz", "zzz.b.c", "a.e30.c", f"a.{base64.b64encode(b'[]').decode()}.c", "ä.ö.ü"])
def test_what_is_no_token_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="no token of a service account") as error:
        Token.read(text)
    assert not text or text not in str(error.value)


def test_a_token_never_shows_itself() -> None:
    assert "signature" not in repr(Token.read(jwt()))


def test_tokens_of_one_claim_are_all_tried_once() -> None:
    tokens = [Token.read(jwt(aud=[one])) for one in ("vault", ISSUER, "vault")]
    found = by_claim(tokens, IDENTITY, NOW)[Claim.AUDIENCE]
    assert [worded(Claim.AUDIENCE, one) for one in found] == [
        "log in with a token for another audience: vault",
        f"log in with a token for another audience: {ISSUER}",
    ]


def test_the_audiences_of_the_api_server_are_tried() -> None:
    assert wrong_audiences(IDENTITY, ["kubernetes", AUDIENCE]) == (ISSUER, "kubernetes", f"{AUDIENCE}-other", "vault")


def test_every_wrong_option_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(jwt())
    with pytest.raises(ConfigError) as error:
        given([f"ci/other={tmp_path / 'mine'}", f"ci/run-reader={tmp_path / 'absent'}", "nothing"])
    assert len(error.value.messages) == 3
    assert all(one.startswith("--token ") and "Fix: " in one for one in error.value.messages)
    with pytest.raises(ConfigError) as error:
        accounts(["a", "b/", "c/d", "e/f/g"])
    assert len(error.value.messages) == 3


def test_a_missing_token_says_how_to_have_one() -> None:
    refused = Wallet((), {IDENTITY.subject: "the cluster refuses"})
    assert refused.own(IDENTITY) is None
    assert refused.why_none(IDENTITY) == "no token of ci/run-reader: the cluster refuses"
    assert "--token NAMESPACE/ACCOUNT=FILE" in Wallet(()).why_none(IDENTITY)


# --- requests


def access(*names: str) -> Access:
    leases = tuple(Lease(name, "shop", None, "r", Duration(1), Duration(1)) for name in names)
    return Access("prod", leases=leases)


def requests(one: Access, ids: dict[str, str]) -> tuple[list[Request], list[str]]:
    every = [
        *closed(one, one.leases[0], "prod-jwt", "role"),
        *revocations(one, one.leases[0], IDENTITY, ids),
    ]
    return [each for each in every if isinstance(each, Request)], [
        each.what for each in every if isinstance(each, Omitted)
    ]


def test_the_lease_of_another_is_tried_by_its_own_id() -> None:
    one = access("a", "b", "c")
    assert [other.name for other, _ in other_leases(one, one.leases[0], IDENTITY)] == ["b", "c"]
    asked = [
        (each.body or {})["lease_id"] for each in requests(one, {"b": "id-of-b"})[0] if "lease_id" in (each.body or {})
    ]
    assert set(asked) == {"id-of-b", "prod-db/creds/c/runlease-prove-none"}
    alone = [(each.body or {})["lease_id"] for each in requests(access("a"), {})[0] if "lease_id" in (each.body or {})]
    assert set(alone) == {"prod-db/creds/runlease-prove-none/runlease-prove-none"}


def test_no_request_could_end_or_change_something_that_is_not_ours() -> None:
    for request in requests(access("a", "b"), {})[0]:
        made_up = "runlease-prove-none" in request.path or "runlease-prove-none" in str(request.body)
        assert request.method == "GET" or made_up or request.body == {"ttl": "1s"}, request.path
        assert "/creds/" not in request.path or request.method != "GET" or "lookup" in request.path


def test_a_sweeper_is_not_asked_what_it_may_by_declaration() -> None:
    one = access("a", "b", "c")
    sweeper = replace(one.leases[0], profile=ProfileName.SWEEPER)
    own = replace(one, leases=(sweeper, *one.leases[1:]), bindings=(Binding(IDENTITY, "c", "", ""),))
    made, left_out = requests(own, {"b": "id-of-b"})
    assert left_out == ["list the leases that are alive", "look up and revoke a lease of b"]
    assert [each.path for each in made if "lease_id" in (each.body or {})] == ["sys/leases/renew"]
    assert [other.name for other, _ in other_leases(own, sweeper, IDENTITY)] == ["b"]
