"""What is called left, and above all what is not."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runlease.evidence.sweep.facts import (
    DatabaseFacts,
    Declared,
    EngineFacts,
    HeldLease,
    Holder,
    Irrevocable,
    LeasedLogin,
    Roleless,
    RunToken,
)
from runlease.evidence.sweep.remnants import AFTER, BEFORE, Kind, remnants
from runlease.evidence.sweep.swept import Swept, Told, as_json, as_text
from runlease.evidence.sweep.swept_page import as_html

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MADE = NOW - timedelta(minutes=20)
OLD = NOW - timedelta(minutes=10)
DECLARED = Declared(
    {"shop-reader": ("shop", "reader"), "shop-migrator": ("shop", "migrator"), "shop-sweeper": ("shop", "sweeper")},
    frozenset({"shop-sweeper"}),
    frozenset({"system:serviceaccount:ci:run"}),
    frozenset({"ci"}),
)
LOGIN = LeasedLogin("run_shop-reader_aaaaaaaaaa", "reader", "runlease_shop_vault", MADE, NOW + timedelta(minutes=9))
LEASE = HeldLease("shop-db/creds/shop-reader/a", "shop-reader", MADE + timedelta(seconds=1), LOGIN.until)
HOLDER = Holder("shop-reader", MADE - BEFORE)
TOKEN = RunToken("auth/j/login/h1", ("shop-reader",), "ci", "run", "pod", "uid", MADE, pod_lives=False)
OPEN = EngineFacts((), (), (HOLDER,), (), ())


def database(*logins: LeasedLogin, own: str = "") -> DatabaseFacts:
    return DatabaseFacts("shop", own, logins, (), ())


def found(*logins: LeasedLogin, engine: EngineFacts = OPEN) -> list[tuple[Kind, str]]:
    told = remnants([database(*logins)], engine, DECLARED, OLD)
    return [(one.kind, one.subject) for one in told]


def with_leases(*leases: HeldLease) -> EngineFacts:
    return replace(OPEN, leases=leases)


def test_a_login_whose_lease_is_there_is_no_remnant() -> None:
    assert found(LOGIN, engine=with_leases(LEASE)) == []


def test_a_login_that_no_lease_can_be_of_is_one_without() -> None:
    assert found(LOGIN) == [(Kind.LOGIN_WITHOUT_LEASE, LOGIN.name)]
    early, late = (replace(LEASE, issued=MADE + apart) for apart in (-BEFORE, AFTER))
    assert found(LOGIN, engine=with_leases(early)) == found(LOGIN, engine=with_leases(late)) == []
    second = timedelta(seconds=1)
    for apart in (-BEFORE - second, AFTER + second):
        assert found(LOGIN, engine=with_leases(replace(LEASE, issued=MADE + apart))) != []


def test_nothing_is_called_without_a_lease_where_leases_are_not_known() -> None:
    assert found(LOGIN, engine=replace(OPEN, leases=None)) == []


def test_a_lease_of_another_profile_is_not_a_logins_and_one_that_nobody_declares_could_be() -> None:
    engine = replace(with_leases(replace(LEASE, name="shop-migrator")), holders=None)
    assert found(LOGIN, engine=engine) != []
    assert found(LOGIN, engine=with_leases(replace(LEASE, name="gone-from-the-settings"))) == []


@pytest.mark.parametrize(
    "young", [replace(LOGIN, created=OLD + timedelta(seconds=1)), replace(LOGIN, created=NOW + timedelta(hours=1))]
)
def test_what_is_younger_is_left_alone(young: LeasedLogin) -> None:
    assert found(young) == []
    assert found(replace(young, quarantined=True)) == []
    assert found(engine=replace(OPEN, tokens=(replace(TOKEN, issued=young.created),))) == []


def test_the_sweeps_own_login_is_left_alone() -> None:
    assert remnants([database(LOGIN, own=LOGIN.name)], OPEN, DECLARED, OLD) == ()


def test_an_expired_login_is_one_whatever_vault_knows() -> None:
    expired = replace(LOGIN, until=OLD)
    for engine in (OPEN, with_leases(LEASE), replace(OPEN, leases=None)):
        assert found(expired, engine=engine) == [(Kind.EXPIRED_LOGIN, LOGIN.name)]


def test_of_two_logins_and_one_lease_both_are_named_and_neither_is_ended() -> None:
    other = replace(LOGIN, name="run_shop-reader_bbbbbbbbbb")
    (said,) = remnants([database(LOGIN, other)], with_leases(LEASE), DECLARED, OLD)
    assert said.kind is Kind.LOGINS_OVER_LEASES
    assert not said.kind.is_ended
    assert LOGIN.name in said.why
    assert other.name in said.why
    assert found(LOGIN, other, engine=with_leases(LEASE, replace(LEASE, id="b"))) == []


def test_a_login_is_never_ended_while_its_lease_is_there_however_many_there_are() -> None:
    for seed in range(300):
        chance = random.Random(seed)  # noqa: S311 - it picks times, no secrets
        alive = [
            replace(LOGIN, name=f"run_alive_{number:010}", created=MADE + timedelta(seconds=chance.randrange(600)))
            for number in range(chance.randrange(12))
        ]
        dead = [replace(one, name=f"run_dead_{one.name[-10:]}") for one in alive if chance.random() < 0.3]
        issued = [replace(LEASE, issued=one.created + timedelta(seconds=chance.uniform(0, 90))) for one in alive]
        ended = {name for kind, name in found(*alive, *dead, engine=with_leases(*issued)) if kind.is_ended}
        assert not ended & {one.name for one in alive}, seed


def test_a_token_whose_pod_is_gone_is_one_and_one_that_nobody_can_ask_for_is_not() -> None:
    assert found(engine=replace(OPEN, tokens=(TOKEN,))) == [(Kind.LEASE_WITHOUT_POD, TOKEN.lease_id)]
    for lives in (True, None):
        assert found(engine=replace(OPEN, tokens=(replace(TOKEN, pod_lives=lives),))) == []


def test_a_lease_that_has_ended_and_is_still_there_is_overdue_unless_vault_gave_up_on_it() -> None:
    late = replace(LEASE, expires=OLD)
    assert found(LOGIN, engine=with_leases(late)) == [(Kind.OVERDUE_LEASE, LEASE.id)]
    given_up = replace(with_leases(late), irrevocable=(Irrevocable(LEASE.id, "away"),))
    assert found(LOGIN, engine=given_up) == [(Kind.IRREVOCABLE_LEASE, LEASE.id)]
    for still in (OLD + timedelta(seconds=1), None):
        assert found(LOGIN, engine=with_leases(replace(LEASE, expires=still))) == []


def test_a_lease_that_no_token_can_have_taken_is_one_without() -> None:
    engine = with_leases(LEASE)
    without = [(Kind.LEASE_WITHOUT_TOKEN, LEASE.id)]
    assert found(LOGIN, engine=replace(engine, holders=())) == without
    other, later = Holder("shop-migrator", MADE), Holder("shop-reader", LEASE.issued + timedelta(seconds=1))
    assert found(LOGIN, engine=replace(engine, holders=(other, later))) == without
    assert found(LOGIN, engine=replace(engine, holders=(other, later, HOLDER))) == []


def test_nothing_is_called_without_a_token_where_tokens_are_not_known_or_the_lease_is_young_or_not_a_runs() -> None:
    for lease in (LEASE, replace(LEASE, name="shop-sweeper"), replace(LEASE, name="gone-from-the-settings")):
        assert found(engine=replace(with_leases(lease), holders=None)) == []
    young = replace(LEASE, issued=OLD + timedelta(seconds=1))
    for lease in (young, replace(LEASE, name="shop-sweeper"), replace(LEASE, name="gone-from-the-settings")):
        assert found(engine=replace(with_leases(lease), holders=())) == []


def test_an_entity_of_a_namespace_that_is_not_ours_is_nobodys_business() -> None:
    subjects = ("system:serviceaccount:ci:run", "system:serviceaccount:ci:gone", "system:serviceaccount:x:gone", "odd")
    told = found(engine=replace(OPEN, entities=subjects))
    assert told == [(Kind.ENTITY_WITHOUT_ACCOUNT, "system:serviceaccount:ci:gone")]


def test_what_holds_a_lease_is_ended_before_what_a_login_left() -> None:
    left = DatabaseFacts(
        "shop", "", (LOGIN, replace(LOGIN, name="q", quarantined=True)), ("run_schema",), (Roleless(7, 1),)
    )
    engine = replace(OPEN, tokens=(TOKEN,), irrevocable=(Irrevocable("shop-db/creds/x/1", "away"),))
    kinds = [one.kind for one in remnants([left], engine, DECLARED, OLD)]
    assert kinds == [
        Kind.LEASE_WITHOUT_POD,
        Kind.IRREVOCABLE_LEASE,
        Kind.LOGIN_WITHOUT_LEASE,
        Kind.QUARANTINED_LOGIN,
        Kind.SCHEMA_WITHOUT_LOGIN,
        Kind.SESSION_WITHOUT_ROLE,
    ]


# --- what is said

(ORPHAN,) = remnants([database(LOGIN)], OPEN, DECLARED, OLD)
(ENTITY,) = remnants([], replace(OPEN, entities=("system:serviceaccount:ci:gone",)), DECLARED, OLD)


@pytest.mark.parametrize(
    ("told", "partial", "code"),
    [
        ([], (), 0),
        ([Told(ORPHAN)], (), 3),
        ([Told(ORPHAN, "dropped")], (), 0),
        ([Told(ORPHAN, "quarantined")], (), 3),
        ([Told(ORPHAN, "failed: no")], (), 3),
        ([Told(ENTITY)], (), 0),
        ([], ("why",), 4),
        ([Told(ORPHAN)], ("why",), 5),
    ],
)
def test_the_exit_code_says_whether_something_is_left_and_whether_that_is_all(
    told: list[Told], partial: tuple[str, ...], code: int
) -> None:
    assert Swept(tuple(told), partial, applied=False).exit_code == code


def test_a_partial_answer_says_so_in_its_first_line_and_in_json() -> None:
    swept = Swept((Told(ORPHAN),), ("Vault sys/leases: cannot be read",), applied=False)
    assert as_text(swept).splitlines()[0].startswith("PARTIAL")
    assert as_text(swept).splitlines()[-1] == "1 left: 1 login without a lease"
    assert '"partial": [\n    "Vault sys/leases: cannot be read"\n  ]' in as_json(swept)


def test_a_page_goes_by_kind_and_takes_no_name_for_markup() -> None:
    evil = replace(ORPHAN, subject="<b>run</b>", why="\x1b[2J")
    page = as_html(Swept((Told(ORPHAN, "dropped"), Told(evil)), ("Vault: cannot be read",), applied=True))
    order = ["<h1>PARTIAL: Sweep: 1 left", '<p class="partial">', "<h2>Login without a lease (2)", "dropped", "found"]
    assert sorted(order, key=page.index) == order
    assert "&lt;b&gt;run&lt;/b&gt;" in page
    assert "\x1b" not in page
    assert set(re.findall(r"<(\w+)", page.split("<body>")[1])) <= {"main", "h1", "h2", "ul", "li", "p", "span", "code"}
